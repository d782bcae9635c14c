package importer

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/talkable/talkable/internal/money"
)

// preset is how somebody else writes what can be moved here: what his columns are called, his statuses, his amounts and addresses. Only that differs.
type preset struct {
	names    map[string]map[string]column // of each kind; nothing: the column means nothing here, though ours would
	statuses map[string]string            // of referrals, as we have them
	closed   []string                     // statuses of what is owed no more
	cents    bool                         // an amount without a point is in the smallest unit
	anyCase  bool                         // in addresses capitals don't matter
}

// nothing is a column of another's that is called like one of ours and means something else.
const nothing column = -1

// Presets are whose files are understood.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

var presets = map[string]*preset{
	"talkable": {
		names: map[string]map[string]column{
			"advocates": {"advocateemail": email, "claimurl": linkURL, "claimlink": linkURL, "shorturl": linkURL, "offerurl": linkURL, "couponcode": shareCode, "personalcoupon": shareCode,
				"username": linkName, "createdat": date},
			"referrals": {"id": externalID, "referralid": externalID, "advocateemail": advocateEmail, "advocatecustomerid": advocateID, "friendemail": email, "friendcustomerid": customerID,
				"referralstatus": status, "ordernumber": orderNumber, "ordersubtotal": subtotal, "currencyisocode": currency, "createdat": date, "orderdate": nothing},
			"rewards":  {"id": externalID, "rewardid": externalID, "referralid": referralID, "reason": rewardSide, "incentivetype": rewardKind, "couponcode": shareCode, "createdat": date, "couponexpiresat": expiresAt},
			"balances": {"id": externalID, "advocateemail": email, "advocatecustomerid": customerID, "currencyisocode": currency},
		},
		statuses: map[string]string{"approved": "approved", "pending": "pending", "flagged": "pending", "voided": "voided", "blocked": "blocked"},
		closed:   []string{"paid", "voided"},
	},
	"friendbuy": {
		names: map[string]map[string]column{
			"advocates": {"emailaddress": email, "advocateemail": email, "advocatecustomerid": customerID, "personallink": linkURL, "referrallink": linkURL, "purl": linkURL,
				"referralcode": shareCode, "createdon": date, "name": nothing},
			"referrals": {"id": externalID, "referralid": externalID, "advocateemail": advocateEmail, "advocatecustomerid": advocateID, "friendemail": email, "friendcustomerid": customerID,
				"orderid": orderNumber, "amount": subtotal, "purchaseamount": subtotal, "createdon": date},
			"rewards": {"id": externalID, "rewardid": externalID, "orderid": referralID, "recipient": rewardSide, "rewardtype": rewardKind, "incentivetype": rewardKind,
				"couponcode": shareCode, "createdon": date, "expirationdate": expiresAt},
			"balances": {"emailaddress": email, "advocateemail": email, "balance": amount},
		},
		statuses: map[string]string{"approved": "approved", "fulfilled": "approved", "pending": "pending", "delayed": "pending", "rejected": "voided", "blocked": "blocked"},
		closed:   []string{"fulfilled", "rejected"},
		anyCase:  true,
	},
	"dub": {
		names: map[string]map[string]column{
			"advocates": {"partneremail": email, "tenantid": customerID, "partnertenantid": customerID, "shortlink": linkURL, "discountcode": shareCode, "createdat": date, "enrolledat": date,
				"name": nothing, "key": nothing, "status": nothing},
			"referrals": {"id": externalID, "partneremail": advocateEmail, "partnertenantid": advocateID, "customeremail": email, "customerexternalid": customerID, "customerid": nothing,
				"invoiceid": orderNumber, "amount": subtotal, "createdat": date},
			"rewards":  {},
			"balances": {"id": externalID, "partneremail": email, "partnertenantid": customerID, "customerid": nothing, "amount": nothing, "earnings": amount, "description": note},
		},
		// A commission that is pending there has a customer who bought: what waits is the payment.
		statuses: map[string]string{"pending": "approved", "processed": "approved", "paid": "approved", "hold": "pending", "refunded": "voided", "canceled": "voided",
			"duplicate": "voided", "fraud": "blocked"},
		closed:  []string{"paid", "refunded", "canceled", "duplicate", "fraud"},
		cents:   true,
		anyCase: true,
	},
}

// plainName is a name without what systems write differently: "Partner email", "partnerEmail" and "partner.email" are one.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// flat puts the members of objects beside the others, as partner.email, and leaves out what means nothing here: a record of an API has much besides.
func (p *preset) flat(members map[string]jsontext.Value, words vocabulary) map[string]jsontext.Value {
	out := map[string]jsontext.Value{}
	add := func(name string, v jsontext.Value) {
		if c, ok := words.column(name); ok && c >= 0 && v.Kind() != '{' && v.Kind() != '[' {
			out[name] = v
		}
	}
	for name, v := range members {
		add(name, v)
		var inner map[string]jsontext.Value
		if v.Kind() == '{' && json.Unmarshal(v, &inner) == nil {
			for part, w := range inner {
				add(name+"."+part, w)
			}
		}
	}
	return out
}

// money reads an amount of another's: as we write it, with a currency's sign and commas, or in the smallest unit.
func (p *preset) money(s, code string) (int64, error) {
	if p != nil {
		plain := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r == '.' || r == '-' {
				return r
			}
			return -1
		}, s)
		digits, _ := money.Digits(code)
		if s = plain; p.cents && !strings.Contains(s, ".") && digits > 0 {
			s = inUnits(s, digits)
		}
	}
	return money.Parse(s, code)
}

// inUnits writes a number of smallest units as a decimal amount.
func inUnits(s string, digits int) string {
	sign := ""
	if rest, below := strings.CutPrefix(s, "-"); below {
		sign, s = "-", rest
	}
	if s == "" {
		return s
	}
	s = strings.Repeat("0", max(digits+1-len(s), 0)) + s
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

// status is what another's is called here; "" for one that nobody knows.
func (p *preset) status(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if p == nil || s == "" {
		return s
	}
	return p.statuses[s]
}
