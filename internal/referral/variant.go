package referral

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// variant is one way of putting a campaign: which of its incentives it promises, and other texts. Each of its people stays in it.
type variant struct {
	Name       string            `json:"name"`
	Weight     int64             `json:"weight"`
	Incentives []string          `json:"incentives,omitempty"` // identifiers; nil: all
	Texts      map[string]string `json:"texts,omitempty"`      // instead of the campaign's
}

const (
	treated = "treated"  // the variant of a campaign that holds people out and has no variants
	heldOut = "hold_out" // how reports call those who get no offer
)

// experiments says whether the campaign compares people.
func (c *campaign) experiments() bool { return len(c.Variants) > 0 || c.HoldOut > 0 }

// holds says whether somebody is held out. Who is when the percentage is small is, too, when it is larger.
func (c *campaign) holds(subject string) bool {
	return c.HoldOut > 0 && fraction(c.Salt, "hold out", subject) < float64(c.HoldOut)/100
}

// variantFor is the variant that somebody gets who has none; "" when the campaign compares nobody.
func (c *campaign) variantFor(subject string) string {
	switch {
	case len(c.Variants) > 0:
		weights := make([]weighted, len(c.Variants))
		for i, v := range c.Variants {
			weights[i] = weighted{v.Name, v.Weight}
		}
		return c.Variants[lot(c.Salt, subject, weights)].Name
	case c.HoldOut > 0:
		return treated
	default:
		return ""
	}
}

// variant is the one with a name; nil if the campaign has none of it.
func (c *campaign) variant(name string) *variant {
	if i := slices.IndexFunc(c.Variants, func(v variant) bool { return v.Name == name }); i >= 0 {
		return &c.Variants[i]
	}
	return nil
}

// incentivesOf are those that a variant promises.
func (c *campaign) incentivesOf(name string) []incentive {
	v := c.variant(name)
	if v == nil || v.Incentives == nil {
		return c.Incentives
	}
	return slices.DeleteFunc(slices.Clone(c.Incentives), func(i incentive) bool { return !slices.Contains(v.Incentives, i.Identifier) })
}

// textsOf are the campaign's texts, with those of a variant in their places.
func (c *campaign) textsOf(name string) map[string]string {
	v := c.variant(name)
	if v == nil || len(v.Texts) == 0 {
		return c.Texts
	}
	out := make(map[string]string, len(c.Texts)+len(v.Texts))
	for k, text := range c.Texts {
		out[k] = text
	}
	for k, text := range v.Texts {
		out[k] = text
	}
	return out
}

// weighted is something of which one is drawn, as often as its weight says.
type weighted struct {
	name   string
	weight int64
}

// lot is the place of the one that somebody gets: always the same of the same ones, whatever their order. It is rendezvous hashing with
// weights: when a weight grows people only come to that one, when it shrinks they only leave that one, and as few as can be.
func lot(salt, subject string, list []weighted) int {
	best, at := math.Inf(1), 0
	for i, w := range list {
		if w.weight <= 0 {
			continue
		}
		if score := -math.Log(fraction(salt, w.name, subject)) / float64(w.weight); score < best {
			best, at = score, i
		}
	}
	return at
}

// fraction is a number between 0 and 1 that the three decide, as good as drawn by lot. Sizes go before the parts, so that no two triples are
// written alike.
func fraction(salt, name, subject string) float64 {
	var text []byte
	for _, part := range []string{salt, name, subject} {
		text = append(append(strconv.AppendInt(text, int64(len(part)), 10), ':'), part...)
	}
	sum := sha256.Sum256(text)
	return (float64(binary.BigEndian.Uint64(sum[:])>>11) + 0.5) / (1 << 53)
}
