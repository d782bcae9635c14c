package loyalty

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

// tierRoutes adds what a merchant sees of tiers. Members' own are read through the edge, which knows how requests name people.
func (m *Module) tierRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "listLoyaltyTiers", Method: http.MethodGet, Path: "/api/v2/loyalty/tiers", Tags: []string{"Loyalty"},
		Summary: "List the tiers with how many members each has",
		Description: "By rising demands. Members are counted as the timer left them, which follows a change of tiers, and a midnight, within minutes. " +
			"Errors: 404 `program_not_found`."}, m.listTiers)
}

// tierPlanBody is a plan as it is sent and answered.
type tierPlanBody struct {
	Window    string `json:"window,omitempty" doc:"Of which days what counts is summed up, in the site's zone: lifetime (the default), rolling_days, rolling_months, calendar_year, join_year (from each anniversary of joining)" example:"calendar_year"`
	Length    int    `json:"length,omitempty" doc:"Days or months of a rolling window" example:"0"`
	Downgrade string `json:"downgrade,omitempty" doc:"What becomes of a tier that isn't reached any more: qualified (the default), the member falls to the tier that is reached; one_level, to the one below; never" example:"qualified"`
	GraceDays int    `json:"grace_days,omitempty" doc:"How many days later it falls" example:"30"`
}

const (
	windowLifetime     = "lifetime"  // as they are sent and shown
	downgradeQualified = "qualified" //
)

func (b *tierPlanBody) plan() (p tierPlan) {
	if b == nil {
		return p
	}
	p = tierPlan{Window: b.Window, Length: b.Length, Downgrade: b.Downgrade, GraceDays: b.GraceDays}
	if p.Window == windowLifetime {
		p.Window = lifetime
	}
	if p.Downgrade == downgradeQualified {
		p.Downgrade = toQualified
	}
	return p
}

func (p tierPlan) view() tierPlanBody {
	b := tierPlanBody{Window: p.window(), Length: p.Length, Downgrade: p.Downgrade, GraceDays: p.GraceDays}
	if b.Downgrade == toQualified {
		b.Downgrade = downgradeQualified
	}
	return b
}

func (p tierPlan) window() string {
	if p.Window == lifetime {
		return windowLifetime
	}
	return p.Window
}

type tierView struct {
	Tier    tier  `json:"tier"`
	Members int64 `json:"members"`
}

type tiersAnswer struct {
	ProgramID int64        `json:"program_id"`
	Plan      tierPlanBody `json:"tier_plan"`
	Tiers     []tierView   `json:"tiers"`
	Untiered  int64        `json:"members_without_tier"`
	AsOf      time.Time    `json:"as_of" doc:"When they were counted: now, or, of a site with more than 100,000 members, within the last five minutes"`
}

func (m *Module) listTiers(ctx context.Context, _ *struct{}) (*web.OK[tiersAnswer], error) {
	site := web.From(ctx).Site.ID
	programs, err := programsOf(ctx, m.db, site)
	if err != nil {
		return nil, err
	}
	if len(programs) == 0 {
		return nil, errNoProgram
	}
	p := programs[0]
	count, err := m.membersOf(ctx, m.db, site)
	if err != nil {
		return nil, err
	}
	out := tiersAnswer{ProgramID: p.ID, Plan: p.TierPlan.view(), Tiers: []tierView{}, Untiered: count.all, AsOf: count.at}
	for _, t := range p.Tiers {
		out.Tiers = append(out.Tiers, tierView{t, count.in[t.Name]})
		out.Untiered -= count.in[t.Name]
	}
	return web.Answer(out), nil
}
