package importer

import (
	"fmt"
	"strings"
)

const cdnowHeader = "customer_id date number_of_cds dollar_value"

// cdnow reads the CDNOW data set: customer, day, number of CDs and dollars, with blanks between. Its orders have no numbers and
// equal lines are different orders, so an order is numbered after its line.
type cdnow struct {
	lines *lines
	name  string
}

func (c *cdnow) next() (row, error) {
	for {
		text, wrong, err := c.lines.next()
		if err != nil {
			return row{}, err
		}
		if wrong == nil && strings.TrimSpace(text) == "" {
			continue
		}
		out := c.lines.row()
		if out.wrong = wrong; wrong != nil {
			return out, nil
		}
		fields := strings.Fields(text)
		if len(fields) != 4 {
			out.wrong = &finding{value: text, what: "has not four fields"}
			return out, nil
		}
		if strings.Trim(fields[2], "0123456789") != "" {
			out.wrong = &finding{column: "number_of_cds", value: fields[2], what: "is no whole number"}
			return out, nil
		}
		out.cells[orderNumber] = fmt.Sprintf("%s-%06d", c.name, out.line-1)
		out.cells[customerID], out.cells[date], out.cells[subtotal], out.cells[currency] = fields[0], fields[1], fields[3], "USD"
		return out, nil
	}
}
