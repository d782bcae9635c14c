package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

// Programmes reads a site as a file of package blueprint, and makes a site what a file says. It holds nothing but who applies one: reading and writing are
// calls of the API's own operations, so modules decide, check and note as they do for anybody else.
type Programmes struct {
	db     *sqlx.DB
	outbox *bus.Outbox
	log    zerolog.Logger
	steps  *prometheus.CounterVec
	places chan struct{} // of those that apply, in this process: each holds a connection
}

// ProgrammesDeps is what it stands on.
type ProgrammesDeps struct {
	DB     *sqlx.DB // pool whose role sees schema gateway only
	Outbox *bus.Outbox
	Log    zerolog.Logger
	Reg    prometheus.Registerer
}

const appliedAtOnce = 2

// NewProgrammes makes it.
func NewProgrammes(d ProgrammesDeps) *Programmes {
	return &Programmes{db: d.DB, outbox: d.Outbox, log: d.Log, places: make(chan struct{}, appliedAtOnce),
		steps: promauto.With(d.Reg).NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "gateway", Name: "programme_steps_total",
			Help: "Steps of applied programme files, by section and outcome."}, []string{"section", "outcome"})}
}

// Schema is what a file may hold, by an API's description.
func Schema(api huma.API) (*blueprint.Schema, error) {
	description, err := web.Description(api)
	if err != nil {
		return nil, err
	}
	return blueprint.SchemaOf(description)
}

// files does the work for one API.
type files struct {
	*Programmes
	asker
	schema func() (*blueprint.Schema, error) // made when it is first needed
}

func (p *Programmes) on(api huma.API) *files {
	return &files{p, asker{api}, sync.OnceValues(func() (*blueprint.Schema, error) { return Schema(api) })}
}

// order is what is asked for: to make a site what a file says.
type order struct {
	file  *blueprint.File
	prune bool
	from  *time.Time
	state string // that the site must have; "": any
	most  int    // steps at once; 0: all
}

// planned reads the site as far as the file speaks of it, and plans.
func (f *files) planned(ctx context.Context, o order) (*planner, error) {
	schema, err := f.schema()
	if err != nil {
		return nil, err
	}
	if err := schema.Check(o.file); err != nil {
		return nil, asFault(err)
	}
	site, err := f.standing(ctx, schema, o)
	if err != nil {
		return nil, err
	}
	if o.state != "" && o.state != site.state() {
		return nil, errSiteChanged
	}
	p := &planner{asker: f.asker, ctx: within(ctx, true), site: site, file: o.file, prune: o.prune, from: o.from}
	return p, p.plan()
}

// standing reads the site as far as a file speaks of it.
func (f *files) standing(ctx context.Context, schema *blueprint.Schema, o order) (*standing, error) {
	return f.read(within(ctx, false), schema, func(section string) bool {
		return section == blueprint.Programme || o.file.Section(section) != nil || section == "coupon_lists" || section == "commission_plans"
	})
}

// asFault is what is wrong with a file, by places of the request.
func asFault(err error) error {
	found, ok := errors.AsType[blueprint.Findings](err)
	if !ok {
		return err
	}
	bad := errInvalidProgramme
	for _, one := range found {
		bad = bad.At("/file"+one.Pointer, one.What)
	}
	return bad.Pointed()
}

var errNotKept = errors.New("no answer is kept with the key")

// once does work, unless its answer is kept with the Idempotency-Key. No transaction is open while it works, so of two at once both may; work sees to that, and the first
// answer that is kept is the answer of both. work says whether its own is to be kept.
func (p *Programmes) once(ctx context.Context, siteID int64, key idempotency.Key, out any, work func() (keep bool, err error)) (replayed bool, err error) {
	keeping := func(work func() error) (replayed bool, err error) {
		err = p.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
			replayed, err = idempotency.Once(ctx, u.Tx, "gateway", u.Now, siteID, key, out, work)
			return err
		})
		return replayed, err
	}
	if key.Value != "" {
		if replayed, err = keeping(func() error { return errNotKept }); !errors.Is(err, errNotKept) {
			return replayed, err
		}
	}
	keep, err := work()
	if err != nil || !keep || key.Value == "" {
		return false, err
	}
	return keeping(func() error { return nil })
}

// fileOf is the file of a request.
func fileOf(raw []byte) (*blueprint.File, error) {
	root, err := blueprint.ParseJSON(raw)
	if err != nil {
		return nil, errInvalidProgramme.At("/file", err.Error()).Pointed()
	}
	f, err := blueprint.FileOf(root)
	if err != nil {
		return nil, asFault(err)
	}
	return f, nil
}

// checkTime bounds a moment, which is written in years of four digits.
func checkTime(at *time.Time) error {
	if at != nil && (at.Year() < 2000 || at.Year() > 9999) {
		return errInvalidProgramme.At("/effective_at", "must be in the years 2000 to 9999").Pointed()
	}
	return nil
}
