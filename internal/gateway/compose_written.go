package gateway

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/fault"
)

// asWritten lets a fault of module customer, which knows present names only, name the members as the request has them.
func (d originData) asWritten(err error) error {
	f, ok := fault.Of(err)
	if !ok || f.Kind != fault.Invalid {
		return err
	}
	out := *f
	out.Fields = slices.Clone(f.Fields)
	for i, at := range out.Fields {
		member, ok := strings.CutPrefix(at.Pointer, "/data/")
		if !ok {
			continue
		}
		name, within, _ := strings.Cut(member, "/")
		written := strings.TrimSuffix(d.written(name, within), "/")
		out.Fields[i].Pointer = "/data/" + written
		if says, ok := strings.CutPrefix(out.Detail, member+": "); ok {
			out.Detail = written + ": " + says
		}
	}
	return &out
}

// written is where the request has what is found fault with: name is the member's present name, within the place in it, if any.
func (d originData) written(name, within string) string {
	switch name {
	case "uuid":
		if d.AlternativeUUID != "" && (d.UUID == "" || isUUID(string(d.UUID))) {
			return "alternative_visitor_uuid"
		}
	case "created_at":
		if d.CreatedAt == "" {
			return "order_date"
		}
	case "custom_properties":
		if d.PersonCustom.guilty(within) && !d.Custom.guilty(within) {
			return "person_custom_properties/" + within
		}
	case "coupon_codes": // those of coupon_code stand behind them
		first := len(d.CouponCodes.values())
		if i, err := strconv.Atoi(within); err == nil && i >= first {
			return "coupon_code/" + itoa(i-first)
		} else if err != nil && len(d.CouponCode) > len(d.CouponCodes) {
			return "coupon_code"
		}
	}
	return name + "/" + within
}

// guilty says whether these properties are what is wrong: the one that is named, or else a name or their number.
func (p properties) guilty(within string) bool {
	if _, has := p[within]; has || within != "" {
		return has
	}
	for k := range p {
		if !propertyName.MatchString(k) {
			return true
		}
	}
	return len(p) > 50
}

var propertyName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,99}$`)

// isUUID says whether module customer would take it.
func isUUID(s string) bool {
	id, err := uuid.Parse(s)
	return len(s) == 36 && err == nil && id != uuid.Nil
}
