package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// learn takes from an answer what later samples name, or says what is wrong with it.
func (w world) learn(one sample, a reply) (wrong string) {
	if !one.good(a.status) {
		return fmt.Sprintf("%d %s", a.status, a.body)
	}
	var got struct{ Result any }
	_ = json.Unmarshal([]byte(a.body), &got) // a problem has no result
	for name, place := range one.learn {
		v := dig(got.Result, place)
		if v == "" {
			return "no " + place + " in " + a.body
		}
		w["$"+name] = v
	}
	return ""
}

// dig takes a text or a number out of decoded JSON.
func dig(v any, place string) string {
	for step := range strings.SplitSeq(place, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(in) {
				return ""
			}
			v = in[i]
		default:
			return ""
		}
	}
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return ""
}

// named are the things of one site that the sample names in its path, query and body, as written there.
func (s sample) named() []string {
	text := s.query + s.body
	for _, v := range s.path {
		text += "\n" + v
	}
	var out []string
	for name := range nobody {
		if strings.Contains(text, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
