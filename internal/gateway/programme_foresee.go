package gateway

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/talkable/talkable/internal/blueprint"
)

// Members of a programme, by what a change of them is told with.
var (
	endingMembers  = []string{"expiry_rule", "expires_after_days", "expiry_day"}
	earningMembers = []string{"points_per_unit", "earning", "tiers", "tier_plan", "pending_rule", "pending_days"}
)

// touches says that a step changes one of some members, or something within it.
func (m *fileStep) touches(members []string) bool {
	for _, c := range m.Changes {
		for _, name := range members {
			if rest, ok := strings.CutPrefix(c.Place, name); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				return true
			}
		}
	}
	return false
}

// foresees says of a change of the programme what is known before: what another rule of expiry would do to the points that there are, and where to find out
// what other rates and rules would have cost.
func (p *planner) foresees(m *fileStep, t *thing) error {
	if m.touches(endingMembers) {
		body := blueprint.NewObject()
		for _, name := range endingMembers {
			if v, ok := m.body.Get(name); ok {
				body.Set(name, v)
			}
		}
		answer, refused, err := p.ask(p.ctx, "previewExpiry", p.site.params(m.section, t.id), url.Values{"limit": {"1"}}, body)
		if err != nil {
			return err
		}
		if refused == nil {
			found, _ := answer.Get("preview")
			preview, _ := found.(*blueprint.Object)
			m.ending(preview)
		}
	}
	if m.touches(earningMembers) {
		m.Effects = append(m.Effects, "what it would have cost: talkable backtest --site SLUG --programme FILE, or POST /loyalty/backtests")
	}
	return nil
}

// ending says in words what would become of points that are there, had they been earned by the rule.
func (m *fileStep) ending(preview *blueprint.Object) {
	type share struct{ Members, Points int64 }
	var found struct {
		Members, Points int64
		Complete        bool
		AtOnce          share `json:"at_once"`
		Sooner, Later   share
	}
	if preview == nil || json.Unmarshal(preview.JSON(), &found) != nil {
		return
	}
	among := fmt.Sprintf("%d points of %d members", found.Points, found.Members)
	if !found.Complete {
		among += " from all over that were looked at"
	}
	m.Effects = append(m.Effects, fmt.Sprintf("points that are there keep their dates; had %s been earned by the new rule, %d of %d members would be past their date, %d of %d would end sooner, %d of %d later",
		among, found.AtOnce.Points, found.AtOnce.Members, found.Sooner.Points, found.Sooner.Members, found.Later.Points, found.Later.Members))
}
