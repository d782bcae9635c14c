package gateway

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// optional is a text that Talkable's clients also send as a number, or as null when they have none.
type optional string

// UnmarshalJSON keeps a number's digits as they came.
func (o *optional) UnmarshalJSON(b []byte) error {
	s, err := scalar(b)
	*o = optional(s)
	return err
}

// Schema describes it to the API description.
func (optional) Schema(huma.Registry) *huma.Schema { return union(huma.TypeString, huma.TypeNumber) }

// said is the text, nil where the member was left out or null.
func (o *optional) said() *string {
	if o == nil {
		return nil
	}
	s := string(*o)
	return &s
}

// truth is a truth value, which some of Talkable's clients send as a text or as 1 or 0.
type truth bool

// UnmarshalJSON takes all of them.
func (f *truth) UnmarshalJSON(b []byte) error {
	switch strings.ToLower(strings.Trim(string(b), `"`)) {
	case "true", "1", "t":
		*f = true
	case "false", "0", "f":
		*f = false
	default:
		return fmt.Errorf("must be true or false")
	}
	return nil
}

// Schema describes it to the API description.
func (truth) Schema(huma.Registry) *huma.Schema {
	return union(huma.TypeBoolean, huma.TypeNumber, huma.TypeString)
}

// said is nil where the member was left out or null.
func (f *truth) said() *bool {
	if f == nil {
		return nil
	}
	b := bool(*f)
	return &b
}

// or is what was said, or a default.
func (f *truth) or(byDefault bool) bool {
	if f == nil {
		return byDefault
	}
	return bool(*f)
}

// list is several texts: an array, one text, or one text with commas.
type list []string

// UnmarshalJSON takes all three spellings.
func (l *list) UnmarshalJSON(b []byte) error {
	*l = nil
	if len(b) > 0 && b[0] == '[' {
		var many []optional
		if err := json.Unmarshal(b, &many); err != nil {
			return err
		}
		for _, s := range many {
			*l = append(*l, string(s))
		}
		return nil
	}
	s, err := scalar(b)
	if err == nil && s != "" {
		*l = strings.Split(s, ",")
	}
	return err
}

// Schema describes it to the API description.
func (list) Schema(huma.Registry) *huma.Schema {
	s := union(huma.TypeString, huma.TypeNumber)
	s.OneOf = append(s.OneOf, &huma.Schema{Type: huma.TypeArray, Items: union(huma.TypeString, huma.TypeNumber)})
	return s
}

// values are the texts without spaces around them and without empty ones.
func (l list) values() []string {
	var out []string
	for _, s := range l {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// properties are a person's custom properties; numbers and booleans become texts as in Talkable ("t", "f").
type properties map[string]string

// UnmarshalJSON takes a flat object.
func (p *properties) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return fmt.Errorf("expected a flat object")
	}
	*p = nil
	for k, v := range raw {
		if *p == nil {
			*p = properties{}
		}
		s, err := scalar(v)
		switch {
		case err == nil:
		case string(v) == "true":
			s = "t"
		case string(v) == "false":
			s = "f"
		default:
			return fmt.Errorf("the custom property %q must be a text, a number or a boolean", k)
		}
		(*p)[k] = s
	}
	return nil
}

// Schema describes it to the API description.
func (properties) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Nullable: true, AdditionalProperties: union(huma.TypeString, huma.TypeNumber, huma.TypeBoolean)}
}

func (p properties) merge(over properties) map[string]string {
	if len(p)+len(over) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, m := range []properties{p, over} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// union is a schema of several scalar types and null.
func union(types ...string) *huma.Schema {
	s := &huma.Schema{}
	for i, t := range types {
		s.OneOf = append(s.OneOf, &huma.Schema{Type: t, Nullable: i == 0})
	}
	return s
}

func scalar(b []byte) (string, error) {
	switch {
	case string(b) == "null":
		return "", nil
	case len(b) > 0 && b[0] == '"':
		var s string
		err := json.Unmarshal(b, &s)
		return s, err
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		return string(b), nil
	}
	return "", fmt.Errorf("expected a text or a number")
}

func wholeNumber(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && (n < 0 || n > 1_000_000 || s[0] == '+') { // an amount takes no plus sign either
		err = strconv.ErrRange
	}
	return n, err
}

func itoa(i int) string { return strconv.Itoa(i) }
