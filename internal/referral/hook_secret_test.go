package referral

import (
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/outcall"
)

// Secrets stand nowhere as they are: not in their tables, the answers that are kept, the audit log. Those of before are sealed when a server begins, and are the same.
func TestSecrets_are_sealed(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.calls = outcall.New(outcall.Settings{Now: p.clock.Now, Key: []byte("ours")})
	_, made, _ := p.call(p.one, "POST", "/api/v2/coupon_lists", listBody, "")
	list := into[couponListResult](t, made).CouponList.ID
	path := "/api/v2/coupon_lists/" + itoa(list) + "/supply"
	said := map[string]string{}
	for at, body := range map[string]string{"/api/v2/decision_hook": `{"url":"https://shop.example/d","on_failure":"hold"}`, path: `{"url":"https://shop.example/codes"}`} {
		for range 2 { // the second time by its key
			code, out, _ := p.call(p.one, "PUT", at, body, "k"+at)
			text := mustJSON(t, out)
			_, secret, ok := strings.Cut(text, `"secret":"`)
			secret, _, _ = strings.Cut(secret, `"`)
			if code != 200 || !ok || said[at] != "" && said[at] != secret {
				t.Fatalf("%s: %d %s", at, code, text)
			}
			said[at] = secret
		}
	}
	const all = `select concat_ws(' ', (select string_agg(encode(secret, 'escape'), ' ') from referral.decision_hook), (select string_agg(encode(secret, 'escape'), ' ') from referral.coupon_supply),
		(select string_agg(i::text, ' ') from referral.idempotency i), (select string_agg(a::text, ' ') from referral.audit a))`
	if text := p.text(all); strings.Contains(text, "whsec_") {
		t.Errorf("a secret can be read: %s", text)
	}
	old := outcall.NewSecret()
	if _, err := p.root.Exec(`update referral.decision_hook set secret = convert_to($1, 'UTF8')`, old); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.sealOld(t.Context())
		hooks, err := hooksOf(t.Context(), p.db, 1)
		if err != nil || strings.Contains(string(hooks[0].Secret), "whsec_") {
			t.Fatalf("%q, %v", hooks[0].Secret, err)
		}
		if got, err := p.calls.Open(1, hooks[0].Secret); err != nil || got != old {
			t.Errorf("%q, %v", got, err)
		}
	}
}
