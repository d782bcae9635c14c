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
	Path string          `json:"path" doc:"JSON pointer into the campaign; incentives and variants by their names"`
	From json.RawMessage `json:"from,omitempty" doc:"Left out: it wasn't there"`
	To   json.RawMessage `json:"to,omitempty" doc:"Left out: it is gone"`
}

// changes are the differences between what two versions say.
func changes(from, to campaignJSON) ([]changeJSON, error) {
	old, err := from.tree()
	if err != nil {
		return nil, err
	}
	fresh, err := to.tree()
	if err != nil {
		return nil, err
	}
	return differ([]changeJSON{}, "", old, fresh)
}

// tree is what a version says, as plain JSON. Lists of named things are objects by their names.
func (c campaignJSON) tree() (map[string]any, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("compare versions: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("compare versions: %w", err)
	}
	for _, name := range []string{"id", "version", "created_at", "updated_at"} {
		delete(out, name)
	}
	for name, key := range map[string]string{"incentives": "identifier", "variants": "name"} {
		out[name] = byName(out[name].([]any), key)
	}
	return out, nil
}

// byName makes an object of a list; the place of each thing becomes a member of it.
func byName(list []any, key string) map[string]any {
	out := map[string]any{}
	for n, one := range list {
		thing := one.(map[string]any)
		thing["position"] = json.Number(strconv.Itoa(n))
		out[thing[key].(string)] = thing
	}
	return out
}

var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// differ adds the differences at a place. What is only in one of both is told as a whole.
func differ(out []changeJSON, at string, from, to map[string]any) ([]changeJSON, error) {
	both := maps.Clone(from)
	maps.Copy(both, to)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		here := at + "/" + pointer.Replace(name)
		old, fresh := from[name], to[name]
		a, isA := old.(map[string]any)
		b, isB := fresh.(map[string]any)
		if isA && isB {
			var err error
			if out, err = differ(out, here, a, b); err != nil {
				return nil, err
			}
			continue
		}
		change := changeJSON{Path: here}
		var err error
		if _, was := from[name]; was {
			if change.From, err = json.Marshal(old); err != nil {
				return nil, fmt.Errorf("compare versions: %w", err)
			}
		}
		if _, is := to[name]; is {
			if change.To, err = json.Marshal(fresh); err != nil {
				return nil, fmt.Errorf("compare versions: %w", err)
			}
		}
		if !bytes.Equal(change.From, change.To) {
			out = append(out, change)
		}
	}
	return out, nil
}
