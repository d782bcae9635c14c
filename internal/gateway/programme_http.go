package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/web"
)

// Routes lists the operations of the programme as code.
func (p *Programmes) Routes(api huma.API) {
	f, tags := p.on(api), []string{"Programme as code"}
	huma.Register(api, huma.Operation{OperationID: "exportProgramme", Method: http.MethodGet, Path: "/api/v2/programme", Tags: tags,
		Summary: "Read the site's programme as a file",
		Description: "The loyalty programme with tiers and earning rules, actions, rewards, campaigns with their parts, coupon lists and commission plans: in the words of the operations " +
			"that set them, without ids of the database, so that it can be applied to another site. What is archived is left out. docs/programme.md describes the file, " +
			"/programme.schema.json is its JSON schema, `talkable programme export` writes it as YAML. Errors: 409 `programme_not_portable` where two things in use have one name."}, f.export)
	huma.Register(api, huma.Operation{OperationID: "planProgramme", Method: http.MethodPost, Path: "/api/v2/programme/plan", Tags: tags,
		Summary: "Plan what makes the site what a file says",
		Description: "Changes nothing. Finds the steps in the order in which they are taken, with what each changes, how many members it moves between tiers, and what it does to what is " +
			"there already; each that needs no earlier one is rehearsed, so what would be refused is known now. What the file doesn't name stays, unless `prune` is set. " +
			"Takes `Idempotency-Key`. Errors: 400 `invalid_programme` with a pointer to each place of the file that is wrong."}, f.plan)
	huma.Register(api, huma.Operation{OperationID: "applyProgramme", Method: http.MethodPost, Path: "/api/v2/programme/apply", Tags: tags,
		Summary: "Make the site what a file says",
		Description: "Plans, and takes the steps in their order: coupon lists, commission plans, the programme, actions, rewards, campaigns; then what `prune` ends. It is no single transaction: each step is one, of " +
			"its module, with its own line in the audit log. The first that is refused ends it with `complete: false`; the steps before it stay, and applying the file again goes on from there. " +
			"With `state` of a plan nothing is done if the site is another since. A file that was applied changes nothing when it is applied again. With `dry_run` it says what it would do. Takes `Idempotency-Key`. " +
			"Errors: 400 `invalid_programme`, 409 `site_changed`, 409 `apply_under_way`."}, f.apply)
}

// fileBody is a file as it is sent: its members are for the schema of files to check.
type fileBody json.RawMessage

// UnmarshalJSON keeps the bytes.
func (b *fileBody) UnmarshalJSON(raw []byte) error { *b = slices.Clone(raw); return nil }

// MarshalJSON writes them.
func (b fileBody) MarshalJSON() ([]byte, error) { return b, nil }

// Schema describes it to the API description.
func (fileBody) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "A programme as code; /programme.schema.json is its JSON schema",
		Examples: []any{map[string]any{"format": blueprint.Format, "programme": map[string]any{"name": "Club", "points_per_unit": 10}}}}
}

// ProgrammeOrder is what planning and applying take. It is exported because huma looks into no other embedded struct.
type ProgrammeOrder struct {
	web.SiteBody
	File        fileBody   `json:"file"`
	Prune       bool       `json:"prune,omitempty" doc:"End what the file doesn't name, of the sections that it has: archive actions and rewards, disable campaigns and commission plans, put parts of campaigns back to what is usual"`
	EffectiveAt *time.Time `json:"effective_at,omitempty" nullable:"true" doc:"When a change of the loyalty programme takes effect; at once when left out. All else does at once"`
}

func (b ProgrammeOrder) order(state string) (order, error) {
	if err := checkTime(b.EffectiveAt); err != nil {
		return order{}, err
	}
	f, err := fileOf(b.File)
	return order{file: f, prune: b.Prune, from: b.EffectiveAt, state: state}, err
}

type exportAnswer struct {
	File  fileBody `json:"file"`
	State string   `json:"state" doc:"Another when the site is"`
}

type planJSON struct {
	State     string     `json:"state" doc:"Of the site, as far as the file speaks of it: for apply"`
	Steps     []stepJSON `json:"steps" doc:"None: the site is what the file says"`
	Unchanged int        `json:"unchanged" doc:"Things of the file that need no step"`
	Members   int64      `json:"members" doc:"Of the loyalty programme, in all"`
	Warnings  []string   `json:"warnings"`
}

type planAnswer struct {
	Plan planJSON `json:"plan"`
}

type applyAnswer struct {
	Complete bool     `json:"complete" doc:"false: a step failed, and those before it stay; or there is more to do"`
	More     bool     `json:"more" doc:"With most: no step failed, and others wait. Send the file again, with next_state"`
	Next     *string  `json:"next_state" doc:"Of the site by now, for the next portion; null where there is none"`
	Plan     planJSON `json:"plan" doc:"With what became of each step"`
}

func (f *files) export(ctx context.Context, _ *struct {
	SiteSlug string `query:"site_slug"`
}) (*web.OK[exportAnswer], error) {
	schema, err := f.schema()
	if err != nil {
		return nil, err
	}
	site, err := f.read(within(ctx, false), schema, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	file, err := site.file()
	if err != nil {
		return nil, err
	}
	return web.Answer(exportAnswer{fileBody(file.Root.JSON()), site.state()}), nil
}

// shown is a plan as it is answered, its steps with a status; "": with that which they have.
func (f *files) shown(p *planner, status string) (planJSON, error) {
	out := planJSON{State: p.site.state(), Steps: p.reports(status), Unchanged: p.unchanged, Warnings: orEmpty(p.warnings)}
	if p.site.programme() == nil {
		return out, nil
	}
	tiers, err := f.get(p.ctx, "listLoyaltyTiers", nil, nil)
	if err != nil {
		return out, err
	}
	var counted struct {
		Untiered int64 `json:"members_without_tier"`
		Tiers    []struct {
			Members int64 `json:"members"`
		} `json:"tiers"`
	}
	if err := json.Unmarshal(tiers.JSON(), &counted); err != nil {
		return out, err
	}
	out.Members = counted.Untiered
	for _, t := range counted.Tiers {
		out.Members += t.Members
	}
	return out, nil
}

func (f *files) plan(ctx context.Context, in *struct{ Body ProgrammeOrder }) (*web.OK[planAnswer], error) {
	req := web.From(ctx)
	o, err := in.Body.order("")
	if err != nil {
		return nil, err
	}
	var out planAnswer
	replayed, err := f.once(ctx, req.Site.ID, req.Idempotency, &out, func() (bool, error) {
		p, err := f.planned(ctx, o)
		if err == nil {
			out.Plan, err = f.shown(p, stepPlanned)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

type applyInput struct {
	Body struct {
		ProgrammeOrder
		State  string `json:"state,omitempty" maxLength:"100" doc:"That of the plan; any when left out"`
		Most   int    `json:"most,omitempty" minimum:"1" maximum:"2000" doc:"Steps that are taken at most, so that a large file is applied in portions; all when left out"`
		Reason string `json:"reason,omitempty" doc:"Kept in the audit log; at most 500 characters"`
	}
}

func (f *files) apply(ctx context.Context, in *applyInput) (*web.OK[applyAnswer], error) {
	req := web.From(ctx)
	o, err := in.Body.order(in.Body.State)
	if err != nil {
		return nil, err
	}
	o.most = in.Body.Most
	if utf8.RuneCountInString(in.Body.Reason) > 500 || !clean(in.Body.Reason) {
		return nil, fault.New(fault.Invalid, "invalid_reason", "The reason is not valid.").At("/reason", "must have at most 500 printable characters").Pointed()
	}
	var out applyAnswer
	replayed, err := f.once(ctx, req.Site.ID, req.Idempotency, &out, func() (bool, error) {
		if postgres.Rehearsing(ctx) {
			return false, f.pretend(ctx, o, &out)
		}
		err := f.alone(ctx, req.Site.ID, func(still func() error) error { return f.carryOut(ctx, o, in.Body.Reason, still, &out) })
		return out.Complete || out.More, err
	})
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

// pretend says what applying would answer.
func (f *files) pretend(ctx context.Context, o order, out *applyAnswer) error {
	p, err := f.planned(ctx, o)
	if err == nil {
		out.Complete = true
		out.Plan, err = f.shown(p, stepDone)
	}
	return err
}

// carryOut plans, takes the steps, and keeps what became of them.
func (f *files) carryOut(ctx context.Context, o order, reason string, still func() error, out *applyAnswer) error {
	p, err := f.planned(ctx, o)
	if err != nil {
		return err
	}
	if out.Plan, err = f.shown(p, stepWaiting); err != nil {
		return err
	}
	out.Complete, out.More = p.take(within(ctx, false), still, o.most, func(m *fileStep) { f.steps.WithLabelValues(m.Section, m.Status).Inc() })
	out.Plan.Steps = p.reports("")
	if len(p.moves) == 0 {
		return nil
	}
	if out.More {
		now, err := f.standing(ctx, p.site.schema, o)
		if err != nil {
			return err
		}
		next := now.state()
		out.Next = &next
	}
	req := web.From(ctx)
	f.log.Info().Str("http.request.id", req.ID).Int64("site", req.Site.ID).Int("steps", len(p.moves)).Bool("complete", out.Complete).Msg("a programme file was applied")
	return f.noted(ctx, req.Site.ID, req.KeyID, reason, out.Plan.Steps)
}
