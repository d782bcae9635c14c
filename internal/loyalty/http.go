package loyalty

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/web"
)

// Routes adds the module's operations. Members are read through the edge, which knows how requests name people.
func (m *Module) Routes(api huma.API) {
	const path = "/api/v2/loyalty/programs"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "createLoyaltyProgram", Method: http.MethodPost, Path: path, Tags: tags,
		DefaultStatus: http.StatusCreated, Summary: "Start the loyalty programme",
		Description: "Starts the site's programme; from now on purchases in the site's currency earn points. A site has one programme: " +
			"a second one is refused with 409 `program_exists`. Settings that make no sense are refused with 400 `invalid_program` and " +
			"a finding for each place. Takes `Idempotency-Key`."}, m.createProgram)
	huma.Register(api, huma.Operation{OperationID: "listLoyaltyPrograms", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List the loyalty programmes", Description: "All programmes of the site; there is one at most."}, m.listPrograms)
	huma.Register(api, huma.Operation{OperationID: "getLoyaltyProgram", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Read a loyalty programme", Description: "Answers 404 `program_not_found` when the site has no such programme."}, m.getProgram)
	huma.Register(api, huma.Operation{OperationID: "replaceLoyaltyProgram", Method: http.MethodPut, Path: path + "/{id}", Tags: tags,
		Summary: "Change a loyalty programme",
		Description: "Replaces all settings; each change gives the programme a new version, and points tell the version that they were earned " +
			"by. Points that were earned already stay as they are. Members are put into changed tiers shortly after the answer. A change of the " +
			"site's currency takes effect here. With `dry_run=true` the answer also counts who would move between tiers. A paused programme takes no new members and gives nothing for purchases and referrals; " +
			"rewards that were issued are still posted, and refunds and expiry go on. " +
			"With `effective_at` the settings are kept until then, in place of others that are scheduled; what is told late is decided by the version that was in force when it happened. " +
			"Takes `Idempotency-Key`. Errors: 404 `program_not_found`, 400 `invalid_program`, 409 `wallet_in_use` for a wallet that had points and is left out."}, m.replaceProgram)
	m.redemptionRoutes(api)
	m.fulfilRoutes(api)
	m.holdRoutes(api)
	m.explainRoutes(api)
	m.sealRoutes(api)
	m.financeRoutes(api)
	m.expiryRoutes(api)
	m.pendingRoutes(api)
	m.collectRoutes(api)
	m.tierRoutes(api)
	m.earningRoutes(api)
	m.featRoutes(api)
	m.backtestRoutes(api)
	m.versionRoutes(api)
	m.invitationRoutes(api)
}

// programBody is a programme's settings as they are sent. What is out of bounds is found by settings.check, with all findings.
type programBody struct {
	web.SiteBody
	Name              string `json:"name" doc:"1 to 100 characters" example:"Club"`
	Status            string `json:"status,omitempty" default:"active" doc:"active or paused" example:"active"`
	PointsPerUnit     int64  `json:"points_per_unit" doc:"Points for a whole unit of the site's currency, 0 to 1,000,000; fractions of an order's points are dropped" example:"10"`
	PointsPerReferral int64  `json:"points_per_referral,omitempty" default:"0" doc:"Points of the advocate for an approved referral, beside its rewards" example:"100"`
	ExpiresAfterDays  *int   `json:"expires_after_days,omitempty" nullable:"true" doc:"Days after what they were earned for; null: never" example:"365"`
	AdjustmentLimit   int64  `json:"adjustment_limit,omitempty" default:"1000000000000" doc:"The most points that an adjustment by hand may leave a member" example:"100000"`
	Tiers             []tier `json:"tiers,omitempty" doc:"At most 20, by rising demands"`

	TierPlan *tierPlanBody `json:"tier_plan,omitempty" doc:"Default: what counts in all a member's life"`
	PolicyBody
	MemberPolicyBody
	Wallets      []Wallet           `json:"wallets,omitempty" doc:"At most 9 beside the main one, which is called points. One that had points stays"`
	Earning      *EarnTerms         `json:"earning,omitempty" doc:"Rules beside the rates; null: none"`
	Achievements []feat.Achievement `json:"achievements,omitempty" nullable:"true" doc:"At most 50; null: none"`
	EffectiveAt  *time.Time         `json:"effective_at,omitempty" nullable:"true" doc:"Of a change: when it takes effect; at once when left out"`
}

func (b programBody) settings() settings {
	s := settings{Name: b.Name, Status: b.Status, PointsPerUnit: b.PointsPerUnit, PointsPerReferral: b.PointsPerReferral,
		ExpiresAfterDays: b.ExpiresAfterDays, AdjustmentLimit: b.AdjustmentLimit, Tiers: append([]tier{}, b.Tiers...), policy: b.PolicyBody.policy(), Earning: b.Earning.plan()}
	s.TierPlan, s.Wallets, s.memberPolicy, s.Feats = b.TierPlan.plan(), keptWallets(b.Wallets), b.MemberPolicyBody.policy(), featsOf(b.Achievements)
	return s
}

// programView is a programme as it is answered.
type programView struct {
	ID                int64     `json:"id"`
	Name              string    `json:"name"`
	Status            string    `json:"status" enum:"active,paused"`
	Currency          string    `json:"currency" doc:"Orders in another currency earn nothing"`
	PointsPerUnit     int64     `json:"points_per_unit"`
	PointsPerReferral int64     `json:"points_per_referral"`
	ExpiresAfterDays  *int      `json:"expires_after_days"`
	AdjustmentLimit   int64     `json:"adjustment_limit"`
	Tiers             []tier    `json:"tiers"`
	Version           int       `json:"version" doc:"Counts changes of the settings"`
	CreatedAt         time.Time `json:"created_at"`
	UpdatedAt         time.Time `json:"updated_at"`
	PolicyView
	MemberPolicyView

	TierPlan     tierPlanBody       `json:"tier_plan"`
	Wallets      []Wallet           `json:"wallets,omitempty" doc:"Beside the main one; left out: there are none"`
	TierMoves    *tierMoves         `json:"tier_moves,omitempty" doc:"Only with dry_run: who would move between tiers"`
	Earning      *earnPlan          `json:"earning" doc:"Rules beside the rates; null: none"`
	Achievements []feat.Achievement `json:"achievements,omitempty" doc:"Left out: there are none"`
	ScheduledAt  *time.Time         `json:"scheduled_at" doc:"When the scheduled change takes effect; null: there is none"`
}

func (p program) view() programView {
	return programView{ID: p.ID, Name: p.Name, Status: p.Status, Currency: p.Currency, PointsPerUnit: p.PointsPerUnit,
		PointsPerReferral: p.PointsPerReferral, ExpiresAfterDays: p.ExpiresAfterDays, AdjustmentLimit: p.AdjustmentLimit, Tiers: append([]tier{}, p.Tiers...),
		Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, PolicyView: p.policy.view(), MemberPolicyView: p.memberPolicy.view(), TierPlan: p.TierPlan.view(), Wallets: p.Wallets, Earning: p.Earning,
		Achievements: p.Feats.view(), ScheduledAt: p.NextAt}
}

type programAnswer struct {
	Program programView `json:"program"`
}

type programsAnswer struct {
	Programs   []programView `json:"programs"`
	NextCursor *string       `json:"next_cursor" doc:"Always null: all are on this page"`
}

func (m *Module) createProgram(ctx context.Context, in *struct{ Body programBody }) (*web.OK[programAnswer], error) {
	req := web.From(ctx)
	if in.Body.EffectiveAt != nil {
		return nil, fault.New(fault.Invalid, "invalid_program", "The programme's settings are not valid.").At("/effective_at", "is for changes; a programme begins at once")
	}
	view, replayed, err := m.create(ctx, req.Site, in.Body.settings(), req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(programAnswer{view}), nil
}

func (m *Module) listPrograms(ctx context.Context, _ *struct{}) (*web.OK[programsAnswer], error) {
	programs, err := programsOf(ctx, m.db, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	answer := programsAnswer{Programs: []programView{}}
	for _, p := range programs {
		if p, err = complete(ctx, m.db, p); err != nil {
			return nil, err
		}
		answer.Programs = append(answer.Programs, p.view())
	}
	return web.Answer(answer), nil
}

func (m *Module) getProgram(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[programAnswer], error) {
	p, err := findProgram(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err == nil {
		p, err = complete(ctx, m.db, p)
	}
	if err != nil {
		return nil, err
	}
	return web.Answer(programAnswer{p.view()}), nil
}

func (m *Module) replaceProgram(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body programBody
}) (*web.OK[programAnswer], error) {
	req := web.From(ctx)
	view, replayed, err := m.configureFrom(ctx, req.Site, in.ID, in.Body.settings(), in.Body.EffectiveAt, req.KeyID, req.Idempotency)
	if err == nil && postgres.Rehearsing(ctx) {
		view.TierMoves, err = m.tierMoves(ctx, req.Site, in.ID, in.Body.settings())
	}
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(programAnswer{view}), nil
}
