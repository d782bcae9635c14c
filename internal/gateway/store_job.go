package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
)

// job is a batch of origins on its way into the books.
type job struct {
	SiteID       int64      `db:"site_id"`
	ID           int64      `db:"id"`
	Kind         string     `db:"kind"`
	CreateOffers bool       `db:"create_offers"`
	State        string     `db:"state"`
	Body         string     `db:"body"`
	Total        int        `db:"total"`
	Done         int        `db:"done"`
	Recorded     int        `db:"recorded"`
	Failed       int        `db:"failed"`
	Offers       int        `db:"offers"`
	Attempts     int        `db:"attempts"`
	ClientIP     string     `db:"client_ip"`
	UserAgent    string     `db:"user_agent"`
	CreatedAt    time.Time  `db:"created_at"`
	ChangedAt    time.Time  `db:"changed_at"`
	LeasedUntil  *time.Time `db:"leased_until"`
	FinishedAt   *time.Time `db:"finished_at"`
}

// jobError is a row of a job that could not be recorded.
type jobError struct {
	Row     int    `db:"row" json:"row" doc:"Its place in data, from 0"`
	Code    string `db:"code" json:"code" example:"invalid_request"`
	Detail  string `db:"detail" json:"detail" example:"Email isn't valid"`
	Pointer string `db:"pointer" json:"pointer" example:"/data/0/email"`
}

var errNoJob = fault.New(fault.NotFound, "job_not_found", "There is no such job.")

func insertJob(ctx context.Context, tx *sqlx.Tx, j job) (id int64, err error) {
	err = tx.GetContext(ctx, &id, `
		insert into gateway.job (site_id, kind, create_offers, state, body, total, client_ip, user_agent, created_at, changed_at)
		values ($1, $2, $3, 'waiting', $4, $5, $6, $7, $8, $8)
		returning id`, j.SiteID, j.Kind, j.CreateOffers, j.Body, j.Total, j.ClientIP, j.UserAgent, j.CreatedAt)
	if err != nil {
		return 0, fmt.Errorf("insert job: %w", err)
	}
	return id, nil
}

func waitingJobs(ctx context.Context, q sqlx.QueryerContext, siteID int64) (n int, err error) {
	if err = sqlx.GetContext(ctx, q, &n, `select count(*) from gateway.job where site_id = $1 and state = 'waiting'`, siteID); err != nil {
		return 0, fmt.Errorf("count waiting jobs: %w", err)
	}
	return n, nil
}

// jobByID leaves the body out.
func jobByID(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (job, error) {
	var j job
	err := sqlx.GetContext(ctx, q, &j, `
		select site_id, id, kind, create_offers, state, total, done, recorded, failed, offers, created_at, changed_at, leased_until, finished_at
		from gateway.job where site_id = $1 and id = $2`, siteID, id)
	return j, missing(err, errNoJob, "find job")
}

func jobErrors(ctx context.Context, q sqlx.QueryerContext, siteID, id int64, after, limit int) ([]jobError, error) {
	found := []jobError{}
	err := sqlx.SelectContext(ctx, q, &found, `
		select row, code, detail, pointer from gateway.job_error
		where site_id = $1 and job_id = $2 and row > $3 order by row limit $4`, siteID, id, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read errors of a job: %w", err)
	}
	return found, nil
}

// claimJob takes the job whose turn it is, of any site, for a while. False: none waits.
func claimJob(ctx context.Context, db sqlx.QueryerContext, now, until time.Time) (job, bool, error) {
	var j job
	err := sqlx.GetContext(ctx, db, &j, `
		with next as materialized ( -- once, however the rest is planned: looked for again it would find the next but one
			select site_id, id from gateway.job
			where state = 'waiting' and coalesce(leased_until <= $1, true)
			order by changed_at, id limit 1
			for update skip locked)
		update gateway.job j set leased_until = $2
		from next
		where j.site_id = next.site_id and j.id = next.id
		returning j.site_id, j.id, j.kind, j.create_offers, j.state, j.body, j.total, j.done, j.recorded, j.failed, j.offers, j.attempts, j.client_ip,
			j.user_agent, j.created_at, j.changed_at, j.leased_until, j.finished_at`, now, until)
	if errors.Is(err, sql.ErrNoRows) {
		return j, false, nil
	}
	if err != nil {
		return j, false, fmt.Errorf("claim job: %w", err)
	}
	return j, true, nil
}

// advanceJob adds what became of the piece after j.Done. Nothing happens when somebody else was quicker.
func advanceJob(ctx context.Context, tx *sqlx.Tx, j job, p piece, now time.Time) (moved bool, err error) {
	changed, err := tx.ExecContext(ctx, `
		update gateway.job
		set done = done + $4 + $5, recorded = recorded + $4, failed = failed + $5, offers = offers + $6, attempts = 0, changed_at = $7, leased_until = null,
			state = case when done + $4 + $5 = total then 'done' else 'waiting' end,
			body = case when done + $4 + $5 = total then '' else body end,
			finished_at = case when done + $4 + $5 = total then $7::timestamptz end
		where site_id = $1 and id = $2 and done = $3 and state = 'waiting'`, j.SiteID, j.ID, j.Done, p.recorded, len(p.errors), p.offers, now)
	if err != nil {
		return false, fmt.Errorf("advance job: %w", err)
	}
	if n, err := changed.RowsAffected(); err != nil || n != 1 {
		return false, err
	}
	var rows []int64
	var codes, details, pointers []string
	for _, e := range p.errors {
		rows, codes, details, pointers = append(rows, int64(e.Row)), append(codes, e.Code), append(details, e.Detail), append(pointers, e.Pointer)
	}
	_, err = tx.ExecContext(ctx, `
		insert into gateway.job_error (site_id, job_id, row, code, detail, pointer)
		select $1, $2, r, c, d, p from unnest($3::int[], $4::text[], $5::text[], $6::text[]) as u (r, c, d, p)`,
		j.SiteID, j.ID, pq.Array(rows), pq.Array(codes), pq.Array(details), pq.Array(pointers))
	if err != nil {
		return false, fmt.Errorf("insert errors of a job: %w", err)
	}
	return true, nil
}

// deferJob gives a job back until a moment; it ends when it has been tried too often.
func deferJob(ctx context.Context, db *sqlx.DB, j job, until, now time.Time, counts bool, most int) error {
	_, err := db.ExecContext(ctx, `
		update gateway.job
		set attempts = attempts + $5, leased_until = $4, changed_at = $6,
			state = case when attempts + $5 >= $7 then 'failed' else 'waiting' end,
			body = case when attempts + $5 >= $7 then '' else body end,
			finished_at = case when attempts + $5 >= $7 then $6::timestamptz end
		where site_id = $1 and id = $2 and done = $3 and state = 'waiting'`, j.SiteID, j.ID, j.Done, until, map[bool]int{true: 1}[counts], now, most)
	if err != nil {
		return fmt.Errorf("give a job back: %w", err)
	}
	return nil
}

// dropJobs deletes up to n jobs that ended before a moment, with their errors.
func dropJobs(ctx context.Context, db *sqlx.DB, before time.Time, n int) (int64, error) {
	done, err := db.ExecContext(ctx, `
		delete from gateway.job j using (
			select site_id, id from gateway.job where state <> 'waiting' and finished_at < $1 order by finished_at limit $2) old
		where j.site_id = old.site_id and j.id = old.id`, before, n)
	if err != nil {
		return 0, fmt.Errorf("drop old jobs: %w", err)
	}
	return done.RowsAffected()
}

func siteByID(ctx context.Context, db sqlx.QueryerContext, siteID int64) (Site, error) {
	var s Site
	err := sqlx.GetContext(ctx, db, &s, `
		select site_id, slug, name, currency, time_zone, url, email_from, webhook_key, created_at, changed_at
		from gateway.site where site_id = $1`, siteID)
	return s, missing(err, errNoSite, "find site")
}
