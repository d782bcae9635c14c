package referral

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxVariants  = 10
	maxWeight    = 1000
	maxHoldOut   = 90
	maxTexts     = 100
	longestText  = 5000
	longestTexts = 50_000 // of one campaign or variant
)

var (
	variantName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)
	textName    = regexp.MustCompile(`^[a-z0-9_.-]{1,100}$`)
)

// variantInput is a variant as the API takes and shows it.
type variantInput struct {
	Name       string            `json:"name" example:"b"`
	Weight     *int64            `json:"weight,omitempty" nullable:"true" doc:"How often it is drawn, against the others: 0 to 1000, 1 when left out"`
	Incentives []string          `json:"incentives,omitempty" nullable:"true" doc:"Identifiers of those incentives that it promises; all when left out"`
	Texts      map[string]string `json:"texts,omitempty" nullable:"true" doc:"Instead of the campaign's"`
}

// experiment checks what a campaign compares.
func (in campaignInput) experiment(f *findings, c *campaign) {
	if c.HoldOut = in.HoldOutPercent; c.HoldOut < 0 || c.HoldOut > maxHoldOut {
		f.add("/hold_out_percent", "must be from 0 to %d", maxHoldOut)
	}
	checkTexts(f, "/texts", in.Texts)
	c.Texts = in.Texts
	if len(in.Variants) > maxVariants {
		f.add("/variants", "must be at most %d", maxVariants)
		return
	}
	total := int64(0)
	for n, v := range in.Variants {
		one := v.variant(f, "/variants/"+strconv.Itoa(n), c)
		total += one.Weight
		c.Variants = append(c.Variants, one)
	}
	if len(in.Variants) > 0 && total == 0 {
		f.add("/variants", "need a weight above 0 among them")
	}
	if c.experiments() && !c.kind().Offers {
		f.add("/variants", "a campaign of type %s has none, and holds nobody out", c.Type)
	}
}

func (v variantInput) variant(f *findings, at string, c *campaign) variant {
	out := variant{Name: v.Name, Weight: 1, Incentives: v.Incentives, Texts: v.Texts}
	switch {
	case !variantName.MatchString(v.Name) || v.Name == heldOut || v.Name == treated:
		f.add(at+"/name", "must have up to 40 lower-case letters, digits, - and _, and not be %s or %s", heldOut, treated)
	case c.variant(v.Name) != nil:
		f.add(at+"/name", "is there twice")
	}
	if v.Weight != nil {
		if out.Weight = *v.Weight; out.Weight < 0 || out.Weight > maxWeight {
			f.add(at+"/weight", "must be from 0 to %d", maxWeight)
		}
	}
	if len(v.Incentives) > maxIncentives {
		f.add(at+"/incentives", "must be at most %d", maxIncentives)
	}
	for n, name := range v.Incentives {
		if !slices.ContainsFunc(c.Incentives, func(i incentive) bool { return i.Identifier == name }) {
			f.add(at+"/incentives/"+strconv.Itoa(n), "is no incentive of the campaign")
		}
	}
	checkTexts(f, at+"/texts", v.Texts)
	return out
}

func checkTexts(f *findings, at string, texts map[string]string) {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		text := texts[name]
		total += len(text)
		if !textName.MatchString(name) {
			f.add(at, "names have up to 100 lower-case letters, digits, _, - and .")
			return
		}
		if utf8.RuneCountInString(text) > longestText || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			f.add(at+"/"+pointer.Replace(name), "must have at most %d characters and no control characters", longestText)
			return
		}
	}
	if len(texts) > maxTexts || total > longestTexts {
		f.add(at, "must be at most %d, and %d bytes in all", maxTexts, longestTexts)
	}
}

func (v variant) json() variantInput {
	return variantInput{Name: v.Name, Weight: &v.Weight, Incentives: v.Incentives, Texts: v.Texts}
}
