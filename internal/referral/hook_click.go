package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
)

const clickAsksKept = 90 // days

// clickAsk is an arrival whose rewards wait for a decision hook.
type clickAsk struct {
	Version  int        `json:"version"` // of the campaign
	Variant  string     `json:"variant,omitempty"`
	Advocate int64      `json:"advocate_id,omitempty"`
	Friend   int64      `json:"friend_id,omitempty"`
	Channel  string     `json:"channel,omitempty"`
	From     provenance `json:"from"`
}

// clickQuestion is what a hook is asked about a friend's coming.
type clickQuestion struct {
	Type    string    `json:"type"`
	ID      string    `json:"id"`
	AskedAt time.Time `json:"asked_at"`
	Click   clickTold `json:"click"`
}

type clickTold struct {
	FriendOfferID int64  `json:"visitor_offer_id"`
	OfferID       int64  `json:"offer_id"`
	CampaignID    int64  `json:"campaign_id"`
	AdvocateID    *int64 `json:"advocate_id"`
	FriendID      *int64 `json:"friend_id"` // null: a browser of whom nothing is known
	VisitorUUID   string `json:"visitor_uuid"`
	Channel       string `json:"channel"`
	QA            bool   `json:"qa_generated"`
}

// asksAboutClicks says that a campaign's friends get nothing for coming before its hook was asked.
func (b *book) asksAboutClicks(campaignID int64) bool {
	h := b.hookOf(campaignID)
	return h != nil && h.Clicks
}

// asksAboutClicks looks that up, in memory nearly always.
func (m *Module) asksAboutClicks(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64) (bool, error) {
	b, err := m.books.of(ctx, q, siteID)
	if err != nil {
		return false, err
	}
	return b.asksAboutClicks(campaignID), nil
}

// openCodes are the coupons that everybody gets by a click, none where a hook is asked first. Without knowing they are kept back.
func (m *Module) openCodes(ctx context.Context, siteID int64, c *campaign) (codes []string, only bool) {
	if asks, err := m.asksAboutClicks(ctx, m.db, siteID, c.ID); asks || err != nil {
		return nil, false
	}
	return c.openCodes()
}

// askAboutClicks puts off the rewards of arrivals whose campaigns' hooks want to be asked, and returns the others. Each friend offer is asked about once.
func (m *Module) askAboutClicks(ctx context.Context, u *bus.Unit, clicks []arrival) ([]arrival, error) {
	var put []arrival
	for _, k := range clicks {
		asks, err := m.asksAboutClicks(ctx, u, k.campaign.SiteID, k.campaign.ID)
		if err != nil {
			return nil, err
		}
		if asks {
			put = append(put, k)
		}
	}
	if len(put) == 0 {
		return clicks, nil
	}
	var sites, ids, campaigns []int64
	var texts []string
	for _, k := range put {
		text, err := json.Marshal(clickAsk{Version: k.campaign.Version, Variant: k.from.Variant, Advocate: k.advocate, Friend: k.friend, Channel: k.channel, From: k.from})
		if err != nil {
			return nil, err
		}
		sites, ids, campaigns, texts = append(sites, k.offer.SiteID), append(ids, k.offer.ID), append(campaigns, k.campaign.ID), append(texts, string(text))
	}
	_, err := u.ExecContext(ctx, `
		insert into referral.click_ask (site_id, friend_offer_id, campaign_id, arrival, next_at, asked_at)
		select s, f, c, a::jsonb, $5, $5 from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) u (s, f, c, a) order by 1, 2
		on conflict do nothing`, pq.Array(sites), pq.Array(ids), pq.Array(campaigns), pq.Array(texts), u.Now)
	if err != nil {
		return nil, fmt.Errorf("insert questions about clicks: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(clicks), func(k arrival) bool {
		return slices.ContainsFunc(put, func(p arrival) bool { return p.offer == k.offer })
	}), nil
}

// askedClick reads what a question is about: the arrival, and its friend offer.
func askedClick(ctx context.Context, q sqlx.QueryerContext, a ask) (c clickAsk, f friendOffer, err error) {
	var row struct {
		friendOffer
		Arrival string `db:"arrival"`
	}
	err = sqlx.GetContext(ctx, q, &row, `
		select a.arrival, f.site_id, f.id, f.offer_id, f.campaign_id, f.visitor_id, f.visits
		from referral.click_ask a
		join referral.friend_offer f on f.site_id = a.site_id and f.id = a.friend_offer_id
		where a.site_id = $1 and a.friend_offer_id = $2`, a.SiteID, a.SubjectID)
	if err == nil {
		err = json.Unmarshal([]byte(row.Arrival), &c)
	}
	if err != nil {
		return c, f, fmt.Errorf("read the click of a question: %w", err)
	}
	return c, row.friendOffer, nil
}

// askClick asks about a friend's coming.
func (m *Module) askClick(ctx context.Context, h *hook, a ask, t *attempt) error {
	c, f, err := askedClick(ctx, m.db, a)
	if err != nil {
		return err
	}
	id := a.id("click")
	return m.put(ctx, h, id, t, clickQuestion{Type: "click.decision", ID: id, AskedAt: a.AskedAt.UTC(), Click: clickTold{FriendOfferID: f.ID, OfferID: f.OfferID, CampaignID: f.CampaignID,
		AdvocateID: orNull(c.Advocate), FriendID: orNull(c.Friend), VisitorUUID: f.VisitorID, Channel: c.Channel, QA: c.From.QA}})
}

// settleClick keeps what a try came to, and gives the friend what the campaign promises, or notes why not. What that is, is decided now: a limit that
// was reached meanwhile holds.
func (m *Module) settleClick(ctx context.Context, h *hook, asked ask, t attempt) error {
	evidence, err := json.Marshal([]attempt{t})
	if err != nil {
		return err
	}
	return m.outbox.InTx(ctx, func(u *bus.Unit) error {
		a, err := clickAsks.lock(ctx, u.Tx, asked)
		if err != nil || a == nil {
			return err
		}
		state, decision, reason, next := h.verdictOf(*a, t, u.Now)
		a.State, a.Decision, a.Reason = state, orNull(decision), orNull(reason)
		if state != askWaiting {
			if err := m.heedClick(ctx, u, a, decision, reason); err != nil {
				return err
			}
		}
		m.noteTry(ctx, clickAsks, a, t)
		return clickAsks.save(ctx, u.Tx, u.Now, a, string(evidence), next)
	})
}

// heedClick does what was decided about a friend's coming.
func (m *Module) heedClick(ctx context.Context, u *bus.Unit, a *ask, decision, reason string) error {
	c, f, err := askedClick(ctx, u, *a)
	if err != nil {
		return err
	}
	now, err := campaignOf(ctx, u, a.SiteID, a.CampaignID)
	if err != nil {
		return err
	}
	then, err := m.under(ctx, u, now, c.Version, c.Variant)
	if err != nil {
		return err
	}
	k, err := m.kinOf(ctx, u, []key{{a.SiteID, c.Advocate}, {a.SiteID, c.Friend}})
	if err != nil {
		return err
	}
	one := arrival{campaign: then, offer: f, advocate: k.one(a.SiteID, c.Advocate), friend: k.one(a.SiteID, c.Friend), channel: c.Channel, from: c.From}
	found, err := m.decideClicks(ctx, u, []arrival{one})
	if err != nil {
		return err
	}
	if decision != hookApprove {
		found.refuse(func(*reward) string { return refusedHook })
		for i := range found.refused {
			if no := &found.refused[i]; no.Cause == refusedHook {
				no.Detail = reason
			}
		}
	}
	return m.issue(ctx, u, found)
}

// clickWaits says that the rewards of a friend offer wait for a hook's answer.
func (m *Module) clickWaits(ctx context.Context, siteID, campaignID, friendOffer int64) (bool, error) {
	if asks, err := m.asksAboutClicks(ctx, m.db, siteID, campaignID); !asks || err != nil {
		return false, err
	}
	a, err := clickAsks.of(ctx, m.db, siteID, friendOffer)
	return a != nil && a.State == askWaiting, err
}

// dropClickAsks drops so many old questions.
func dropClickAsks(ctx context.Context, q sqlx.ExecerContext, before time.Time, most int) (int64, error) {
	done, err := q.ExecContext(ctx, `
		delete from referral.click_ask where ctid = any (array(select ctid from referral.click_ask where settled_at < $1 limit $2))`, before, most)
	if err != nil {
		return 0, fmt.Errorf("drop old questions about clicks: %w", err)
	}
	return done.RowsAffected()
}
