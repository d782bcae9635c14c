package referral

import (
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/fault"
)

// joinInput says who may join, as the API takes it and shows it.
type joinInput struct {
	Customers        string            `json:"customers,omitempty" doc:"new: who has bought nothing before; existing: who has; all when left out"`
	OriginMinAge     *int64            `json:"origin_min_age,omitempty" nullable:"true" doc:"Hours since the purchase, sign-up or event, at least"`
	OriginMaxAge     *int64            `json:"origin_max_age,omitempty" nullable:"true" doc:"Hours since then, at most"`
	Products         []string          `json:"products,omitempty" nullable:"true" doc:"The order has one of these products"`
	Segments         []string          `json:"segments,omitempty" nullable:"true" doc:"The origin is in one of these segments"`
	CustomProperties map[string]string `json:"custom_properties,omitempty" nullable:"true" doc:"The person has all of these, with these values"`
	Criteria         string            `json:"criteria,omitempty" doc:"A condition in CEL over person, origin, items, campaign and now; docs/criteria.md has the table"`
}

var propertyName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,63}$`)

// joining checks the input; nil if it asks for nothing.
func (in *joinInput) joining(f *findings) *joining {
	if in == nil {
		return nil
	}
	out := &joining{Customers: in.Customers, MinAge: in.OriginMinAge, MaxAge: in.OriginMaxAge, Products: in.Products, Segments: in.Segments,
		Properties: in.CustomProperties, Criteria: in.Criteria}
	if in.Customers != "" && in.Customers != newCustomers && in.Customers != existingCustomers {
		f.add("/join/customers", "must be new or existing")
	}
	checkAge(f, "/join/origin_min_age", in.OriginMinAge)
	checkAge(f, "/join/origin_max_age", in.OriginMaxAge)
	if in.OriginMinAge != nil && in.OriginMaxAge != nil && *in.OriginMinAge > *in.OriginMaxAge {
		f.add("/join/origin_max_age", "must not be less than origin_min_age")
	}
	checkThings(f, "/join/products", in.Products)
	checkThings(f, "/join/segments", in.Segments)
	if len(in.CustomProperties) > maxJoinThings {
		f.add("/join/custom_properties", "must be at most %d", maxJoinThings)
	}
	for name, value := range in.CustomProperties {
		if !propertyName.MatchString(name) || utf8.RuneCountInString(value) > 200 {
			f.add("/join/custom_properties", "names have up to 64 lower-case letters, digits and _, values up to 200 characters")
			break
		}
	}
	if len(f.fields) == 0 {
		f.criteria("/join/criteria", out.conditions())
	}
	if len(out.conditions()) == 0 {
		return nil
	}
	return out
}

// criteria compiles conditions; the pointer is that of the merchant's own.
func (f *findings) criteria(at string, conditions []string) {
	for _, text := range conditions {
		if _, err := criteria.Compile(text); err != nil {
			detail := "can't be used"
			if e, ok := fault.Of(err); ok {
				detail = e.Detail
			}
			f.add(at, "%s", detail)
			return
		}
	}
}

func checkAge(f *findings, at string, hours *int64) {
	if hours != nil && (*hours < 0 || *hours > maxOriginAge) {
		f.add(at, "must be from 0 to %d hours", maxOriginAge)
	}
}

func checkThings(f *findings, at string, list []string) {
	if len(list) > maxJoinThings {
		f.add(at, "must be at most %d", maxJoinThings)
		return
	}
	for n, one := range list {
		checkText(f, at+"/"+strconv.Itoa(n), one, 1, 64)
	}
}

func (j *joining) json() *joinInput {
	if j == nil {
		return nil
	}
	return &joinInput{Customers: j.Customers, OriginMinAge: j.MinAge, OriginMaxAge: j.MaxAge, Products: j.Products, Segments: j.Segments,
		CustomProperties: j.Properties, Criteria: j.Criteria}
}
