package referral

import (
	"time"
)

// commissionPlan is how an advocate is paid for a friend's orders. docs/commissions.md has the formulas.
type commissionPlan struct {
	SiteID    int64     `db:"site_id"`
	ID        int64     `db:"id"`
	Version   int       `db:"version"`
	Name      string    `db:"name"`
	Active    bool      `db:"active"`
	Terms     string    `db:"terms"` // commissionTerms as JSON
	KeyID     int64     `db:"key_id"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`

	terms commissionTerms
}

// commissionTerms are what a plan pays. Each line of an order is paid by its product's rule, else by its category's, else by Default;
// PerOrder comes on top. Amounts are minor units of Currency; without a currency a plan has percentages only, and pays in the order's.
type commissionTerms struct {
	Currency string           `json:"currency,omitempty"`
	Default  commissionRate   `json:"default"`
	PerOrder int64            `json:"per_order,omitempty"`
	Rules    []commissionRule `json:"rules,omitempty"`
	Caps     commissionCaps   `json:"caps"`
	Recurs   recurrence       `json:"recurring"`
	HoldDays int              `json:"hold_days,omitempty"`
}

// commissionRate is a share of a line, or an amount for each piece.
type commissionRate struct {
	BasisPoints int64 `json:"basis_points,omitempty"`
	PerItem     int64 `json:"per_item,omitempty"`
}

// commissionRule is the rate of a product or of a category. A rate of nothing takes it out.
type commissionRule struct {
	ProductID string `json:"product_id,omitempty"`
	Category  string `json:"category,omitempty"`
	commissionRate
}

// commissionCaps are the most that is paid; 0: no end.
type commissionCaps struct {
	Order  int64 `json:"order,omitempty"`
	Friend int64 `json:"friend,omitempty"`
	Month  int64 `json:"month,omitempty"` // to an advocate, by the orders' months (UTC)
}

// recurrence says for which of the friend's orders it is paid: the first Orders, the referred one included, of those within Months of it.
type recurrence struct {
	Months int `json:"months,omitempty"` // 0: no end
	Orders int `json:"orders"`           // 1: the referred one only
}

// everyOrder is an Orders without an end.
const everyOrder = 1_000_000

// amounts says whether the plan names money, and not percentages only.
func (t commissionTerms) amounts() bool {
	if t.Caps != (commissionCaps{}) || t.PerOrder > 0 || t.Default.PerItem > 0 {
		return true
	}
	for _, r := range t.Rules {
		if r.PerItem > 0 {
			return true
		}
	}
	return false
}

// planRates finds the rate of a line of an order.
type planRates struct {
	products, categories map[string]commissionRate
	other                commissionRate
}

func (t commissionTerms) rates() planRates {
	r := planRates{products: map[string]commissionRate{}, categories: map[string]commissionRate{}, other: t.Default}
	for _, one := range t.Rules {
		if one.ProductID != "" {
			r.products[one.ProductID] = one.commissionRate
		} else {
			r.categories[one.Category] = one.commissionRate
		}
	}
	return r
}

// of is the rate of a line, and the rule that gave it.
func (r planRates) of(product, category string) (commissionRate, string) {
	if rate, ok := r.products[product]; ok && product != "" {
		return rate, "product"
	}
	if rate, ok := r.categories[category]; ok && category != "" {
		return rate, "category"
	}
	return r.other, "default"
}

// until is when an order is too late to be paid for; nil: none is.
func (r recurrence) until(first time.Time) *time.Time {
	if r.Months == 0 {
		return nil
	}
	end := first.AddDate(0, r.Months, 0)
	return &end
}
