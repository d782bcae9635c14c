package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/importer"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

// readOrders reads a file as an import would. Rows that can't be taken are counted.
func (b *backtestRun) readOrders(cmd *cobra.Command) (*hindsight.History, error) {
	file, err := os.Open(b.orders)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	books := &memoryBooks{history: &hindsight.History{Source: filepath.Base(b.orders)}, people: map[string]int64{}, told: map[[3]string]bool{}}
	m := newMeter(cmd.ErrOrStderr(), filepath.Base(b.orders))
	sum, err := importer.Purchases(cmd.Context(), books, file, importer.Options{Site: b.shop, Name: sourceName(b.orders), Format: b.format, Progress: m.rows})
	m.done()
	if err == nil && sum.Failed > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d rows can't be taken; \"talkable import purchases --dry-run\" says why\n", sum.Failed, sum.Read)
	}
	return books.history, err
}

// memoryBooks takes orders into a history instead of a database. People are found by what names them, as module customer finds them.
type memoryBooks struct {
	history *hindsight.History
	people  map[string]int64
	told    map[[3]string]bool
	orders  int64
}

// ImportOrigins keeps orders. One that was told before is not kept again.
func (m *memoryBooks) ImportOrigins(_ context.Context, s site.Site, in []customerapi.Origin, _ *customer.Checkpoint) ([]postgres.Result[customerapi.Recorded], error) {
	out := make([]postgres.Result[customerapi.Recorded], len(in))
	for i, o := range in {
		if out[i].Err = customer.Check(o, s, clock.System()); out[i].Err != nil {
			continue
		}
		number := [3]string{o.Type, o.Category, o.Number}
		if out[i].Value.Existing = m.told[number]; m.told[number] {
			continue
		}
		m.told[number] = true
		m.orders++
		e := customerevent.OriginRecorded{SiteID: s.ID, OriginID: m.orders, Type: o.Type, PersonID: m.who(o.Person), Category: o.Category, Subtotal: o.Subtotal,
			Currency: o.Currency, CouponCodes: o.CouponCodes, CampaignTags: o.CampaignTags, TrafficSource: o.TrafficSource, Verified: true, OccurredAt: o.OccurredAt}
		if e.Currency == "" {
			e.Currency = s.Currency
		}
		for _, s := range o.Segments {
			if s != "" {
				e.Segments = append(e.Segments, s)
			}
		}
		e.FirstPurchase = o.Person.ExistingCustomer == nil || !*o.Person.ExistingCustomer
		m.history.Take(e)
	}
	return out, nil
}

// who is the number of somebody, by the first of what names them that is known.
func (m *memoryBooks) who(in customerapi.Identity) int64 {
	var names []string
	for kind, name := range []string{strings.ToLower(strings.TrimSpace(in.Email)), in.CustomerID, in.Phone} {
		if name != "" {
			names = append(names, fmt.Sprint(kind)+name)
		}
	}
	id := int64(0)
	for _, name := range names {
		if id = m.people[name]; id != 0 {
			break
		}
	}
	if id == 0 {
		id = int64(len(m.history.People)) + 1
		m.history.Of(id).Name = in.CustomerID // addresses stay out of reports
	}
	for _, name := range names {
		if m.people[name] == 0 {
			m.people[name] = id
		}
	}
	return id
}

// SavePeople is for imports of people.
func (m *memoryBooks) SavePeople(context.Context, site.Site, []customerapi.Identity, *customer.Checkpoint) ([]postgres.Result[customer.SavedPerson], error) {
	return nil, nil
}

// Checkpoint is none: nothing is kept.
func (m *memoryBooks) Checkpoint(context.Context, int64, string) (customer.Checkpoint, bool, error) {
	return customer.Checkpoint{}, false, nil
}
