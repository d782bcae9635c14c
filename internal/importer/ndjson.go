package importer

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ndjson reads one JSON object a line, with the names of the columns as members. An unknown member is an error of its row.
type ndjson struct {
	lines *lines
	words vocabulary
}

func (n *ndjson) next() (row, error) {
	for {
		text, wrong, err := n.lines.next()
		if err != nil {
			return row{}, err
		}
		if wrong == nil && strings.TrimSpace(text) == "" {
			continue
		}
		out := n.lines.row()
		if out.wrong = wrong; wrong == nil {
			out.wrong = out.decode(text, n.words)
		}
		return out, nil
	}
}

// decode fills the row from an object. Duplicate members and broken text are refused.
func (r *row) decode(text string, words vocabulary) *finding {
	var members map[string]jsontext.Value
	if err := json.Unmarshal([]byte(text), &members); err != nil || members == nil {
		return &finding{value: text, what: "is no JSON object with distinct members"}
	}
	if words.from != nil {
		members = words.from.flat(members, words)
	}
	for name, value := range members {
		column, known := words.column(name)
		switch {
		case name == "custom_properties":
			if err := json.Unmarshal(value, &r.properties); err != nil {
				return &finding{column: name, value: string(value), what: "is no object of strings"}
			}
			continue
		case !known:
			return &finding{column: name, what: "is an unknown member"}
		case value.Kind() == 'n':
			continue
		case value.Kind() == '[' && (column == couponCodes || column == campaignTags):
			list := &r.coupons
			if column == campaignTags {
				list = &r.tags
			}
			if err := json.Unmarshal(value, list); err != nil {
				return &finding{column: name, value: string(value), what: "is no list of strings"}
			}
			continue
		}
		if r.cells[column] != "" {
			return &finding{column: name, what: "is there twice, under two names"}
		}
		switch value.Kind() {
		case '"':
			if err := json.Unmarshal(value, &r.cells[column]); err != nil {
				return &finding{column: name, value: string(value), what: "is no text"}
			}
		case 't', 'f':
			if column != existingCustomer && column != countsForTier {
				return &finding{column: name, value: string(value), what: "is neither text nor a number"}
			}
			r.cells[column] = string(value)
		case '0':
			if column == subtotal || column == amount {
				r.cells[column] = string(value)
				continue
			}
			whole, err := strconv.ParseInt(string(value), 10, 64) // a number as a mark: as it would be printed
			if err != nil {
				return &finding{column: name, value: string(value), what: "is neither text nor a whole number"}
			}
			r.cells[column] = strconv.FormatInt(whole, 10)
		default:
			return &finding{column: name, value: string(value), what: "is neither text nor a number"}
		}
	}
	r.split()
	return nil
}
