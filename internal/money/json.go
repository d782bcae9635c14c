package money

import (
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// Number is a decimal as it came in: a JSON number or a string that holds one. It stays text, so no float rounds it.
type Number string

// UnmarshalJSON takes a number or a string.
func (n *Number) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*n = Number(s)
		return nil
	}
	if string(b) == "null" {
		return fmt.Errorf("expected a number")
	}
	*n = Number(b)
	return nil
}

// Schema describes it to the API description.
func (Number) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeNumber}, {Type: huma.TypeString}}, Examples: []any{100.44}}
}

// Decimal is an amount on its way out to Talkable's clients: a JSON number with the currency's decimals.
type Decimal struct {
	Minor    int64
	Currency string
}

// MarshalJSON writes 100.44 for 10044 USD.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(Format(d.Minor, d.Currency)), nil }

// UnmarshalJSON reads it back as minor units of a currency with two decimals when none is set.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	if d.Currency == "" {
		d.Currency = "USD"
	}
	minor, err := Parse(string(b), d.Currency)
	d.Minor = minor
	return err
}

// Schema describes it to the API description.
func (Decimal) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Examples: []any{100.44}}
}
