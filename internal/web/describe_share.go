package web

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

var componentName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// share says once what several operations have in common, as OpenAPI's components: parameters that are the same to the letter, and how failures
// are answered.
func share(doc map[string]any) {
	var operations []map[string]any
	paths := member(doc, "paths")
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, _ := paths[path].(map[string]any)
		for _, method := range slices.Sorted(maps.Keys(item)) {
			if op, ok := item[method].(map[string]any); ok {
				operations = append(operations, op)
			}
		}
	}
	times := map[string]int{}
	for _, op := range operations {
		for _, p := range listOf(op, "parameters") {
			times[written(p)]++
		}
	}
	components := member(doc, "components")
	parameters, responses, keys := map[string]any{}, map[string]any{}, map[string]string{}
	for _, op := range operations {
		list := listOf(op, "parameters")
		for i, p := range list {
			text := written(p)
			name, _ := p.(map[string]any)["name"].(string)
			if times[text] < 2 || !componentName.MatchString(name) {
				continue
			}
			if keys[text] == "" {
				keys[text] = free(parameters, name)
				parameters[keys[text]] = p
			}
			list[i] = map[string]any{"$ref": "#/components/parameters/" + keys[text]}
		}
		answers := member(op, "responses")
		if failure, ok := answers["default"]; ok && (responses["Error"] == nil || written(responses["Error"]) == written(failure)) {
			responses["Error"], answers["default"] = failure, map[string]any{"$ref": "#/components/responses/Error"}
		}
	}
	components["parameters"], components["responses"] = parameters, responses
}

func listOf(v map[string]any, name string) []any {
	list, _ := v[name].([]any)
	return list
}

// free is a name that nothing has yet.
func free(taken map[string]any, name string) string {
	key := name
	for n := 2; taken[key] != nil; n++ {
		key = name + "-" + strconv.Itoa(n)
	}
	return key
}

// written is a value to the letter: its members are in the order of their names.
func written(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(text)
}
