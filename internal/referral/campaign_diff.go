package referral

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// changeJSON is one difference between a version and the one before it.
type changeJSON struct {
	Path string          `json:"path" doc:"JSON pointer into the campaign; incentives by their identifier"`
	From json.RawMessage `json:"from,omitempty" doc:"Left out: it wasn't there"`
	To   json.RawMessage `json:"to,omitempty" doc:"Left out: it is gone"`
}

// changes are the differences between what two versions say, by place.
func changes(from, to campaignJSON) ([]changeJSON, error) {
	old, err := from.flat()
	if err != nil {
		return nil, err
	}
	fresh, err := to.flat()
	if err != nil {
		return nil, err
	}
	out := []changeJSON{}
	for _, p := range slices.Sorted(maps.Keys(union(old, fresh))) {
		if old[p] != fresh[p] {
			out = append(out, changeJSON{p, json.RawMessage(old[p]), json.RawMessage(fresh[p])})
		}
	}
	return out, nil
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// flat is each plain value of a campaign by its pointer. Lists of things with an identifier or a name are told apart by it; of others
// the whole list is one value.
func (c campaignJSON) flat() (map[string]string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("compare versions: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("compare versions: %w", err)
	}
	for _, name := range []string{"id", "version", "created_at", "updated_at"} {
		delete(v, name)
	}
	out := map[string]string{}
	return out, flatten("", v, out)
}

var pointer = strings.NewReplacer("~", "~0", "/", "~1")

func flatten(at string, v any, into map[string]string) error {
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			if err := flatten(at+"/"+pointer.Replace(name), one, into); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if named, ok := byName(v); ok {
			return flatten(at, named, into)
		}
	}
	text, err := json.Marshal(v)
	into[at] = string(text)
	return err
}

// byName turns a list of named things into an object; their order becomes a member of each.
func byName(list []any) (map[string]any, bool) {
	out := map[string]any{}
	for n, one := range list {
		thing, ok := one.(map[string]any)
		if !ok {
			return nil, false
		}
		name, ok := thing["identifier"].(string)
		if !ok {
			if name, ok = thing["name"].(string); !ok {
				return nil, false
			}
		}
		thing["position"] = json.Number(strconv.Itoa(n))
		out[name] = thing
	}
	return out, len(list) > 0 && len(out) == len(list)
}
