package web

import (
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemaName keeps types of one name in several modules apart: loyaltyapi.Entry is LoyaltyEntry, Envelope[gateway.offerAnswer] is
// EnvelopeGatewayOfferAnswer, and that of a list of them EnvelopeListGatewayOfferAnswer.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() == "" {
		return huma.DefaultSchemaNamer(t, hint)
	}
	var name strings.Builder
	full := path.Base(t.PkgPath()) + "." + strings.ReplaceAll(t.Name(), "[]", "[List,") // or a thing's and a list's were one name
	for part := range strings.FieldsFuncSeq(full, func(r rune) bool { return strings.ContainsRune("[]*,", r) }) {
		pkg, local, ok := strings.Cut(path.Base(part), ".")
		if !ok {
			pkg, local = "", pkg
		}
		if pkg = strings.TrimSuffix(pkg, "api"); pkg == "web" {
			pkg = ""
		}
		name.WriteString(title(pkg) + title(local))
	}
	return name.String()
}

func title(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
