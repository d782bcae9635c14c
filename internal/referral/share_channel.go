package referral

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

const mostChannels = 50 // of a site's own

func (m *Module) shareRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getSharingChannels", Method: http.MethodGet, Path: "/api/v2/sharing_channels",
		Tags: []string{"Offers"}, Summary: "Read the sharing channels",
		Description: "The usual ones, by which every site shares, and those that the site has added. E-mail has an operation of its own."}, m.getChannels)
	huma.Register(api, huma.Operation{OperationID: "replaceSharingChannels", Method: http.MethodPut, Path: "/api/v2/sharing_channels",
		Tags: []string{"Offers"}, Summary: "Say which sharing channels the site adds",
		Description: "Replaces the site's own channels, at most 50. What was shared by one that is left out stays. Takes an `Idempotency-Key`. " +
			"400 with a pointer to each name that can't be one."}, m.putChannels)
}

type channelsResult struct {
	Usual  []string `json:"usual"`
	Custom []string `json:"custom" doc:"Added by the site"`
}

func (m *Module) getChannels(ctx context.Context, _ *struct {
	SiteSlug string `query:"site_slug"`
}) (*web.OK[channelsResult], error) {
	own, err := ownChannels(ctx, m.db, web.From(ctx).Site.ID, "")
	if err != nil {
		return nil, err
	}
	return web.Answer(channelsOf(own)), nil
}

func channelsOf(own []string) channelsResult {
	out := channelsResult{Custom: append([]string{}, own...)}
	for name := range usualChannels {
		out.Usual = append(out.Usual, name)
	}
	slices.Sort(out.Usual)
	return out
}

type putChannelsInput struct {
	Body struct {
		web.SiteBody
		Custom []string `json:"custom" nullable:"false" doc:"1 to 50 of a-z, 0-9 and _ each; not email, reminder, facebook_sponsored or coupon"`
	}
}

func (m *Module) putChannels(ctx context.Context, in *putChannelsInput) (*web.OK[channelsResult], error) {
	req := web.From(ctx)
	var f findings
	if len(in.Body.Custom) > mostChannels {
		f.add("/custom", "must be at most %d", mostChannels)
	} else {
		for i, name := range in.Body.Custom {
			if referralapi.CheckChannels([]string{name}) != nil {
				f.add("/custom/"+itoa(int64(i)), "must have 1 to 50 of a-z, 0-9 and _, and stand for no link that is made otherwise")
			}
		}
	}
	if len(f.fields) > 0 {
		e := fault.New(fault.Invalid, "invalid_channels", "The sharing channels can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
		e.Fields = f.fields
		return nil, e
	}
	own := slices.DeleteFunc(append([]string{}, in.Body.Custom...), func(name string) bool { return usualChannels[name] })
	slices.Sort(own)
	out, replayed, err := m.replaceChannels(ctx, req.Site.ID, req.KeyID, slices.Compact(own), req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

func (m *Module) replaceChannels(ctx context.Context, siteID, keyID int64, own []string, k idempotency.Key) (out channelsResult, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, siteID, k, &out, func() error {
			out = channelsOf(own)
			before, err := ownChannels(ctx, u, siteID, "")
			if err != nil {
				return err
			}
			if err := saveChannels(ctx, u.Tx, u.Now, siteID, own); err != nil {
				return err
			}
			return writeAudit(ctx, u.Tx, u.Now, siteID, audit.Change{KeyID: keyID, Action: "sharing_channels.set", Subject: aboutChannels, Before: before, After: own})
		})
		return err
	})
	return out, replayed, err
}

// ownChannels reads the channels that a site has added: all, or the one of this name.
func ownChannels(ctx context.Context, q sqlx.QueryerContext, siteID int64, name string) ([]string, error) {
	var out []string
	err := sqlx.SelectContext(ctx, q, &out, `
		select name from referral.sharing_channel where site_id = $1 and ($2 = '' or name = $2) order by name`, siteID, name)
	if err != nil {
		return nil, fmt.Errorf("sharing channels: %w", err)
	}
	return out, nil
}

// saveChannels makes the site's own channels these. Those who do so for one site queue up, else the lists of two would be mixed.
func saveChannels(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID int64, own []string) error {
	_, err := tx.ExecContext(ctx, `select pg_advisory_xact_lock(hashtextextended('referral.sharing_channel', $1))`, siteID)
	if err != nil {
		return fmt.Errorf("lock sharing channels: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		delete from referral.sharing_channel where site_id = $1 and name <> all ($2::text[])`, siteID, pq.Array(own))
	if err == nil {
		_, err = tx.ExecContext(ctx, `
			insert into referral.sharing_channel (site_id, name, added_at) select $1, name, $3 from unnest($2::text[]) name order by name
			on conflict on constraint sharing_channel_pkey do nothing`, siteID, pq.Array(own), now)
	}
	if err != nil {
		return fmt.Errorf("save sharing channels: %w", err)
	}
	return nil
}
