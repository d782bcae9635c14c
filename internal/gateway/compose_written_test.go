package gateway

import (
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/fault"
)

func TestProblems_name_members_as_the_request_has_them(t *testing.T) {
	t.Parallel()
	const good, bad = "0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b", "x"
	many := properties{}
	for i := range 51 {
		many["p"+itoa(i)] = "x"
	}
	for _, tt := range []struct {
		data          originData
		pointer, want string
	}{
		{originData{UUID: bad}, "/data/uuid", "/data/uuid"},
		{originData{AlternativeUUID: bad}, "/data/uuid", "/data/alternative_visitor_uuid"},
		{originData{UUID: good, AlternativeUUID: bad}, "/data/uuid", "/data/alternative_visitor_uuid"},
		{originData{UUID: bad, AlternativeUUID: bad}, "/data/uuid", "/data/uuid"},
		{originData{CreatedAt: "2999-01-01", OrderDate: "2999-01-01"}, "/data/created_at", "/data/created_at"},
		{originData{OrderDate: "2999-01-01"}, "/data/created_at", "/data/order_date"},
		{originData{Custom: properties{"a": bad}}, "/data/custom_properties/a", "/data/custom_properties/a"},
		{originData{PersonCustom: properties{"a": bad}, Custom: properties{"b": "x"}}, "/data/custom_properties/a", "/data/person_custom_properties/a"},
		{originData{PersonCustom: properties{"a": "x"}, Custom: properties{"a": bad}}, "/data/custom_properties/a", "/data/custom_properties/a"},
		{originData{PersonCustom: properties{"A b": "x"}, Custom: properties{"a": "x"}}, "/data/custom_properties", "/data/person_custom_properties"},
		{originData{PersonCustom: many, Custom: properties{"a": "x"}}, "/data/custom_properties", "/data/person_custom_properties"},
		{originData{CouponCodes: list{"a", "b"}, CouponCode: list{bad}}, "/data/coupon_codes/2", "/data/coupon_code/0"},
		{originData{CouponCodes: list{"a", "b"}, CouponCode: list{bad}}, "/data/coupon_codes/1", "/data/coupon_codes/1"},
		{originData{CouponCode: make(list, 51)}, "/data/coupon_codes", "/data/coupon_code"},
		{originData{}, "/data/email", "/data/email"},
		{originData{}, "/type", "/type"},
	} {
		member := strings.TrimPrefix(tt.pointer, "/data/")
		err := fault.New(fault.Invalid, "invalid_request", member+": is wrong.").At(tt.pointer, "is wrong")
		f, ok := fault.Of(tt.data.asWritten(err))
		if !ok || f.Fields[0].Pointer != tt.want || f.Detail != strings.TrimPrefix(tt.want, "/data/")+": is wrong." || err.Fields[0].Pointer != tt.pointer {
			t.Errorf("%s of %+v: %v, %+v; want %s", tt.pointer, tt.data, err, f, tt.want)
		}
	}
	if err := (originData{}).asWritten(t.Context().Err()); err != nil {
		t.Error(err)
	}
}
