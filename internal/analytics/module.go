// Package analytics owns numbers (schema "analytics"): what every module tells, counted by day.
//
// It tells:  nothing
// It hears:  everything
//
// A day is the site's: events are counted on the day, in the site's zone, on which the thing happened that they are about. An
// imported purchase counts on its order date, and a referral or reward counts on the day of the purchase behind it, so that the
// steps of one story are in one period. A site whose zone is changed keeps the days that were counted before.
//
// Amounts are gross: what is refunded, voided or taken back has numbers of its own. Sums never mix currencies.
package analytics

import (
	"context"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/timeline"
)

// Deps are what the module needs.
type Deps struct {
	DB     *sqlx.DB
	Outbox *bus.Outbox // the transactions of its consumer; it tells nothing
	Log    zerolog.Logger
	Reg    prometheus.Registerer
	Now    clock.Clock

	Campaigns campaigns
}

// campaigns knows campaigns by their tags, types and status, which change: they aren't counted by them.
type campaigns interface {
	CampaignLabels(ctx context.Context, siteID int64) (map[int64]referralapi.CampaignLabels, error)
	CampaignIDs(ctx context.Context, siteID int64, tags []string, status string) ([]int64, error)
}

// Module is the analytics module.
type Module struct {
	Deps
	rows   *prometheus.CounterVec
	others *prometheus.CounterVec
	zones  sync.Map // name → *time.Location: only names that exist
	labels labels
}

// New makes the module.
func New(d Deps) *Module {
	m := &Module{Deps: d, rows: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "analytics",
		Name: "counted_total", Help: "What was counted, by the key it was counted under; a batch that had to be repeated counts again."}, []string{"key"}),
		others: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "analytics", Name: "others_total",
			Help: "Facts that count as other, since their site has too many values of the facet."}, []string{"facet"}),
		labels: labels{names: map[free]map[string]bool{}}}
	d.Reg.MustRegister(m.rows, m.others)
	return m
}

// Timeline is empty: analytics knows numbers, not people.
func (m *Module) Timeline(context.Context, int64, int64, timeline.Place, int) ([]timeline.Entry, error) {
	return nil, nil
}

const (
	sweepRound  = time.Hour
	sweepBatch  = 5000
	visitorDays = 62 // behind the site's newest visit; a visit that is told later than that counts as another visitor's
)

// Run forgets old visitors until ctx ends. Replicas may do the same.
func (m *Module) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepRound)
	defer ticker.Stop()
	for {
		if err := m.sweep(ctx); err != nil && ctx.Err() == nil {
			m.Log.Warn().Err(err).Msg("forgetting old visitors failed")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// sweep measures age by the newest visit of each site, not by the clock: a rebuild from old logs counts as the first time.
func (m *Module) sweep(ctx context.Context) error {
	sites, err := siteIDs(ctx, m.DB)
	if err != nil {
		return err
	}
	for _, id := range sites {
		for n := int64(sweepBatch); n == sweepBatch && ctx.Err() == nil; {
			if n, err = forgetVisitors(ctx, m.DB, id, visitorDays, sweepBatch); err != nil {
				return err
			}
		}
	}
	return nil
}
