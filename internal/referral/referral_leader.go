package referral

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) leaderRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getLeaderboard", Method: http.MethodGet, Path: "/api/v2/leaderboard", Tags: []string{"Referrals"},
		Summary: "Who referred the most friends",
		Description: "Advocates by their approved referrals of some days, by the times of the friends' orders; of one campaign, or of all. Who has as many has the same rank. Referrals by which " +
			"somebody of the merchant's tried things out don't count. With `person_id` the answer also says where that person stands. First names are for showing; the rest is the merchant's."},
		m.getLeaderboard)
}

type leaderInput struct {
	CampaignID int64 `query:"campaign_id" minimum:"0" doc:"Of one campaign; of all when left out"`
	PersonID   int64 `query:"person_id" minimum:"0" doc:"Whose place is asked for, too"`
	Limit      int   `query:"limit" minimum:"1" maximum:"100" default:"25"`
	web.Days
}

// leader is an advocate's place.
type leader struct {
	Rank      int64  `db:"rank" json:"rank"`
	PersonID  int64  `db:"person_id" json:"person_id"`
	FirstName string `db:"-" json:"first_name" doc:"Empty where it isn't known"`
	Referrals int64  `db:"referrals" json:"approved_referrals"`
}

type leaderboard struct {
	Leaders []leader `json:"leaders"`
	Person  *leader  `json:"person" doc:"Who was asked for; null: nobody was, or the person referred nobody in these days"`
	From    string   `json:"from" example:"2026-11-01"`
	To      string   `json:"to" example:"2026-11-30"`
}

func (m *Module) getLeaderboard(ctx context.Context, in *leaderInput) (*web.OK[leaderboard], error) {
	out, err := m.leaders(ctx, web.From(ctx).Site, in)
	if err != nil {
		return nil, err
	}
	return web.Answer(out), nil
}

func (m *Module) leaders(ctx context.Context, s site.Site, in *leaderInput) (out leaderboard, err error) {
	from, to, err := in.Period(m.now().In(s.Zone))
	if err != nil {
		return out, err
	}
	out = leaderboard{Leaders: []leader{}, From: from.Format(time.DateOnly), To: to.AddDate(0, 0, -1).Format(time.DateOnly)}
	rows, err := leadersOf(ctx, m.db, s.ID, in.CampaignID, in.PersonID, from, to, in.Limit)
	if err != nil || len(rows) == 0 {
		return out, err
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.PersonID
	}
	if m.people != nil {
		known, err := m.people.People(ctx, s.ID, ids)
		if err != nil {
			return out, err
		}
		for i := range rows {
			rows[i].FirstName = known[rows[i].PersonID].FirstName
		}
	}
	if i := slices.IndexFunc(rows, func(r leader) bool { return r.PersonID == in.PersonID }); i >= 0 {
		one := rows[i]
		out.Person = &one
	}
	out.Leaders = append(out.Leaders, rows[:min(len(rows), in.Limit)]...)
	return out, nil
}

// leadersOf ranks advocates: the first ones, and behind them a person who is asked for and isn't among them.
func leadersOf(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID, personID int64, from, to time.Time, most int) ([]leader, error) {
	var out []leader
	err := sqlx.SelectContext(ctx, q, &out, `
		with counted as (
			select advocate_id, count(*) as referrals from referral.referral
			where site_id = $1 and status = 'approved' and occurred_at >= $2 and occurred_at < $3 and not qa and ($4::bigint = 0 or campaign_id = $4)
			group by advocate_id
		), ranked as (
			select rank() over (order by referrals desc) as rank, row_number() over (order by referrals desc, advocate_id) as n, advocate_id as person_id, referrals from counted
		)
		select rank, person_id, referrals from ranked where n <= $5 or person_id = $6
		order by n`, siteID, from, to, campaignID, most, personID)
	if err != nil {
		return nil, fmt.Errorf("leaderboard: %w", err)
	}
	return out, nil
}
