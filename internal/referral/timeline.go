package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/timeline"
)

type timelineRow struct {
	At      time.Time `db:"at"`
	Type    string    `db:"type"`
	ID      int64     `db:"id"`
	Summary string    `db:"summary"`
	Data    string    `db:"data"`
}

// timelineQuery reads, newest first, what happened to a person ($2) up to a moment ($3); each part by its own index. Only visits of the last
// 400 days are kept, so nothing more can be told of them.
const timelineQuery = `
	select * from (
		(select o.created_at as at, 'offer_created' as type, o.id, 'Got an offer of campaign ' || o.campaign_id as summary,
			jsonb_build_object('campaign_id', o.campaign_id)::text as data
		from referral.offer o
		where o.site_id = $1 and o.person_id = $2 and ($3::timestamptz is null or o.created_at <= $3)
		order by 1 desc, 3 desc limit $4)
		union all
		(select h.shared_at, 'shared', h.id, 'Shared offer ' || h.offer_id || ' by ' || h.channel,
			jsonb_strip_nulls(jsonb_build_object('offer_id', h.offer_id, 'campaign_id', h.campaign_id, 'channel', h.channel, 'friend_id', h.friend_id))::text
		from referral.offer o
		join referral.share h on h.site_id = o.site_id and h.offer_id = o.id
		where o.site_id = $1 and o.person_id = $2 and ($3::timestamptz is null or h.shared_at <= $3)
		order by 1 desc, 3 desc limit $4)
		union all
		(select s.at, 'referral_' || case when s.old is null and s.new = 'pending' then 'created' when s.new = 'pending' then 'unblocked' else s.new end,
			s.id, 'Referral ' || r.id || case when r.advocate_id = $2 then ' of friend ' || r.friend_id else ' by advocate ' || r.advocate_id end
				|| ': ' || s.new,
			jsonb_build_object('referral_id', r.id, 'origin_id', r.origin_id, 'status', s.new, 'was', s.old, 'cause', s.cause,
				'side', case when r.advocate_id = $2 then 'advocate' else 'friend' end)::text
		from (
			select site_id, id, origin_id, advocate_id, friend_id from referral.referral where site_id = $1 and advocate_id = $2
			union
			select site_id, id, origin_id, advocate_id, friend_id from referral.referral
				where site_id = $1 and friend_id = $2 and status in ('pending', 'flagged', 'approved')
			union
			select site_id, id, origin_id, advocate_id, friend_id from referral.referral
				where site_id = $1 and friend_id = $2 and status in ('voided', 'blocked')
		) r
		join referral.status_log s on s.site_id = r.site_id and s.referral_id = r.id
		where $3::timestamptz is null or s.at <= $3
		order by 1 desc, 3 desc limit $4)
		union all
		(select w.issued_at, case when w.coupon_list_id is null or w.coupon_id is not null then 'reward_issued' else 'reward_due' end, w.id,
			case when w.coupon_list_id is null or w.coupon_id is not null then 'Got a reward: ' else 'Is due a reward when the list has one: ' end || w.kind,
			jsonb_strip_nulls(jsonb_build_object('referral_id', w.referral_id, 'kind', w.kind, 'points', nullif(w.points, 0),
				'amount', nullif(w.amount, 0), 'currency', nullif(w.currency, ''), 'coupon_code', nullif(w.coupon_code, '')))::text
		from referral.reward w
		where w.site_id = $1 and w.person_id = $2 and ($3::timestamptz is null or w.issued_at <= $3)
		order by 1 desc, 3 desc limit $4)
		union all
		(select w.updated_at, 'reward_clawed_back', w.id, 'A reward was taken back: ' || w.kind || case when w.status = 'Voided' then ', all of it' else ', in part' end,
			jsonb_build_object('referral_id', w.referral_id, 'kind', w.kind, 'clawed', w.clawed, 'status', w.status)::text
		from referral.reward w
		where w.site_id = $1 and w.person_id = $2 and (w.clawed > 0 or w.status = 'Voided') and ($3::timestamptz is null or w.updated_at <= $3)
		order by 1 desc, 3 desc limit $4)
		union all
		(select v.visited_at, 'visited', v.id, 'Opened a link of offer ' || v.offer_id,
			jsonb_build_object('offer_id', v.offer_id, 'campaign_id', v.campaign_id, 'channel', v.channel)::text
		from referral.identity i
		join referral.visit v on v.site_id = i.site_id and v.visitor_id = i.visitor_id
		where i.site_id = $1 and i.person_id = $2 and ($3::timestamptz is null or v.visited_at <= $3)
		order by 1 desc, 3 desc limit $4)
	) t
	order by at desc, type desc, id desc`

// Timeline returns the newest things that happened to a person and are older than before: at most limit of them.
func (m *Module) Timeline(ctx context.Context, siteID, personID int64, before timeline.Place, limit int) ([]timeline.Entry, error) {
	var upTo *time.Time
	if !before.At.IsZero() {
		upTo = &before.At
	}
	var out []timeline.Entry
	for take := limit + 1; ; take *= 4 { // entries of before's own moment are read too, and may fill the page
		var rows []timelineRow
		if err := m.db.SelectContext(ctx, &rows, timelineQuery, siteID, personID, upTo, take); err != nil {
			return nil, fmt.Errorf("timeline: %w", err)
		}
		out = out[:0]
		for _, r := range rows {
			e := timeline.Entry{At: r.At.UTC(), Module: schema, Type: r.Type, ID: r.ID, Summary: r.Summary}
			if err := json.Unmarshal([]byte(r.Data), &e.Data); err != nil {
				return nil, fmt.Errorf("timeline: %w", err)
			}
			if before.Older(e) && len(out) < limit {
				out = append(out, e)
			}
		}
		if len(out) == limit || len(rows) < take { // no part of the query was cut off, or the page is full
			return out, nil
		}
	}
}
