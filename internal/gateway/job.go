package gateway

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

const (
	jobRows     = 1000             // of one batch
	jobsWaiting = 100              // of one site
	jobPiece    = 200              // rows recorded at once
	jobLease    = 90 * time.Second // longer than a piece may take
	jobTries    = 20               // of one piece; while the database is away they don't count
	jobKept     = 30               // days after its end
)

// JobsDeps is what the jobs stand on.
type JobsDeps struct {
	DB        *sqlx.DB
	Outbox    *bus.Outbox
	Log       zerolog.Logger
	Reg       prometheus.Registerer
	Now       clock.Clock
	Cursors   *web.Cursors
	Customers recorder
	Referrals joiner
}

type recorder interface {
	RecordAll(ctx context.Context, s site.Site, in []customerapi.Origin) ([]postgres.Result[customerapi.Recorded], error)
}

type joiner interface {
	Join(ctx context.Context, s site.Site, in referralapi.Join) (*referralapi.Offer, error)
}

// Jobs takes in batches of origins and records them in the background, piece by piece, through the same calls as single ones. Whoever is free
// takes the job whose turn it is, so that replicas share the work and no site waits for another's large batch.
type Jobs struct {
	agenda.Timers
	JobsDeps
	kick chan struct{}
	rows *prometheus.CounterVec
	ends *prometheus.CounterVec
}

// NewJobs makes them; nothing runs yet.
func NewJobs(d JobsDeps) *Jobs {
	f := promauto.With(d.Reg)
	return &Jobs{JobsDeps: d, kick: make(chan struct{}, 1),
		rows: f.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "gateway", Name: "job_rows_total",
			Help: "Rows of batches, by kind and outcome."}, []string{"kind", "outcome"}),
		ends: f.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "gateway", Name: "jobs_total",
			Help: "Batches that ended, by kind and outcome."}, []string{"kind", "outcome"})}
}

// Consumer is none.
func (b *Jobs) Consumer() *bus.Consumer { return nil }

// Run works until ctx ends.
func (b *Jobs) Run(ctx context.Context) error {
	tick, sweep := time.NewTicker(2*time.Second), time.NewTicker(10*time.Minute)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		for {
			worked, err := false, error(nil)
			b.Tick(func() { worked, err = b.work(ctx) })
			if err != nil && ctx.Err() == nil {
				b.Log.Warn().Err(err).Msg("a batch waits")
			}
			if !worked || err != nil || ctx.Err() != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.kick:
		case <-tick.C:
		case <-sweep.C:
			if err := b.sweep(ctx); err != nil && ctx.Err() == nil {
				b.Log.Warn().Err(err).Msg("old batches stay")
			}
		}
	}
}

func (b *Jobs) sweep(ctx context.Context) error {
	if _, err := dropJobs(ctx, b.DB, b.Now().AddDate(0, 0, -jobKept), 1000); err != nil {
		return err
	}
	_, err := idempotency.Sweep(ctx, b.DB, "gateway", b.Now().AddDate(0, 0, -7), 5000)
	return err
}

// work does a piece of the job whose turn it is; false: none waits.
func (b *Jobs) work(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, jobLease-30*time.Second)
	defer cancel()
	began := b.Now()
	j, found, err := b.claim(ctx, began)
	if err != nil || !found {
		return false, err
	}
	p, err := b.piece(ctx, j)
	if err == nil {
		err = b.advance(ctx, j, p)
	}
	if err != nil {
		after, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		f, known := fault.Of(err)
		counts := ctx.Err() == nil && !postgres.Away(err) && !(known && f.Kind == fault.Unavailable)
		if counts && j.Attempts+1 >= jobTries {
			b.ends.WithLabelValues(j.Kind, "failed").Inc()
		}
		if e := deferJob(after, b.DB, j, b.Now().Add(time.Duration(j.Attempts+1)*time.Second), b.Now(), counts, jobTries); e != nil && ctx.Err() == nil {
			b.Log.Warn().Err(e).Msg("a batch waits for its lease to end")
		}
		return true, err
	}
	if postgres.Waiting() > 8 { // requests go first
		select {
		case <-ctx.Done():
		case <-time.After(b.Now().Sub(began)):
		}
	}
	return true, nil
}

// claim ends even when ctx does: a claim that nobody knows of would have the job wait for its lease.
func (b *Jobs) claim(ctx context.Context, now time.Time) (job, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return claimJob(ctx, b.DB, now, now.Add(jobLease))
}

// piece is what became of some rows.
type piece struct {
	recorded, offers int
	errors           []jobError
}

func (b *Jobs) advance(ctx context.Context, j job, p piece) error {
	moved := false
	err := b.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		moved, err = advanceJob(ctx, u.Tx, j, p, u.Now)
		return err
	})
	if err != nil || !moved {
		return err
	}
	b.rows.WithLabelValues(j.Kind, "recorded").Add(float64(p.recorded))
	b.rows.WithLabelValues(j.Kind, "failed").Add(float64(len(p.errors)))
	if j.Done+p.recorded+len(p.errors) == j.Total {
		b.ends.WithLabelValues(j.Kind, "done").Inc()
	}
	return nil
}

// piece records the next rows of a job, as one set. What it did before a crash it finds done.
func (b *Jobs) piece(ctx context.Context, j job) (piece, error) {
	var p piece
	s, err := siteByID(ctx, b.DB, j.SiteID)
	if err != nil {
		return p, err
	}
	tenant, err := s.Tenant()
	if err != nil {
		return p, err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal([]byte(j.Body), &rows); err != nil {
		return p, err
	}
	origins, datas, places := []customerapi.Origin{}, []originData{}, []int{}
	for i := j.Done; i < min(j.Done+jobPiece, len(rows)); i++ {
		data, in, err := readRow(rows[i], jobKinds[j.Kind], &web.Request{Site: tenant, ClientIP: j.ClientIP, UserAgent: j.UserAgent})
		if err == nil && integrationCheck(in) {
			err = errIntegrationCheck
		}
		if err != nil {
			p.errors = append(p.errors, rowError(i, err))
			continue
		}
		if in.OccurredAt.IsZero() { // the same when it is done again
			in.OccurredAt = j.CreatedAt
		}
		origins, datas, places = append(origins, in), append(datas, data), append(places, i)
	}
	if len(origins) == 0 {
		return p, nil
	}
	recorded, err := b.Customers.RecordAll(ctx, tenant, origins)
	if err != nil {
		return p, err
	}
	joins := []referralapi.Join{}
	for k, r := range recorded {
		if r.Err != nil {
			if f, ok := fault.Of(r.Err); !ok || f.Kind == fault.Unavailable {
				return p, r.Err
			}
			p.errors = append(p.errors, rowError(places[k], datas[k].asWritten(r.Err)))
			continue
		}
		p.recorded++
		joins = append(joins, referralapi.Join{OriginID: r.Value.ID, Type: origins[k].Type, Category: r.Value.Category, PersonID: r.Value.PersonID,
			Visitors: origins[k].Visitors, CampaignTags: origins[k].CampaignTags,
			TrafficSource: origins[k].TrafficSource, DeviceType: web.DeviceType(origins[k].UserAgent)})
	}
	if j.CreateOffers {
		p.offers, err = b.join(ctx, tenant, joins)
	}
	return p, err
}

// join asks for the offers of all at once: referral makes a set of what comes together.
func (b *Jobs) join(ctx context.Context, s site.Site, all []referralapi.Join) (offers int, err error) {
	found := make([]bool, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for i, in := range all {
		group.Go(func() error {
			offer, err := b.Referrals.Join(ctx, s, in)
			found[i] = offer != nil
			return err
		})
	}
	err = group.Wait()
	for _, has := range found {
		if has {
			offers++
		}
	}
	return offers, err
}

var errIntegrationCheck = fault.New(fault.Invalid, "integration_check", "A purchase of this address is a check of the integration; it is not recorded.").
	At("/data/email", "is not recorded")

// jobKinds are the types of the origins that a batch holds.
var jobKinds = map[string]string{"affiliate_members": customerevent.AffiliateMember, "purchases": customerevent.Purchase, "events": customerevent.Event}

// readRow reads a row as a single origin's data would be read.
func readRow(raw json.RawMessage, kind string, req *web.Request) (data originData, in customerapi.Origin, err error) {
	if err = web.Read(raw, &data); err == nil {
		in, err = data.origin(kind, req)
	}
	return data, in, err
}

// generally is what a fault says that leaves the rest to its field.
const generally = "The request doesn't fit this operation."

// rowError says where in the batch the fault is.
func rowError(row int, err error) jobError {
	f, ok := fault.Of(err)
	if !ok {
		return jobError{Row: row, Code: "internal", Detail: "Something went wrong here.", Pointer: "/data/" + itoa(row)}
	}
	e := jobError{Row: row, Code: f.Code, Detail: strings.TrimSpace(f.Detail), Pointer: "/data/" + itoa(row)}
	if len(f.Fields) > 0 {
		if member, ok := strings.CutPrefix(f.Fields[0].Pointer, "/data/"); ok {
			e.Pointer += "/" + member
		}
		if e.Detail == generally {
			e.Detail = f.Fields[0].Detail
		}
	}
	return e
}
