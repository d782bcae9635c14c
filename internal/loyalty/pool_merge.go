package loyalty

import (
	"context"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
)

// mergedPlace is a place in a pool that a merge ended or made.
type mergedPlace struct {
	PoolID   int64  `db:"pool_id"`
	MemberID int64  `db:"member_id"`
	Open     bool   `db:"open"`
	HeirID   *int64 `db:"heir_id"`
}

// mergePlaces gives the survivor the duplicate's place in a pool. Who has one already keeps it, and the duplicate's ends.
func mergePlaces(ctx context.Context, u *bus.Unit, s, d *holder, mergeID int64) error {
	from, err := openPlace(ctx, u, d)
	if err != nil || from == 0 {
		return err
	}
	to, err := openPlace(ctx, u, s)
	if err != nil {
		return err
	}
	p, err := lockPool(ctx, u, d.SiteID, from)
	if err != nil {
		return err
	}
	if err := p.letGo(ctx, u, d); err != nil {
		return err
	}
	if to == 0 {
		if err := joinPool(ctx, u, p, []int64{s.MemberID}, u.Now, &mergeID); err != nil {
			return err
		}
		p.members = append(p.members, s.MemberID)
		tellPool(u, p, poolJoined, s.MemberID, s.PersonID)
	}
	var heir *int64
	if p.OwnerID == d.MemberID && len(p.members) > 0 {
		if p.OwnerID = p.members[0]; slices.Contains(p.members, s.MemberID) {
			p.OwnerID = s.MemberID
		}
		heir = &p.OwnerID
		tellPool(u, p, poolAltered, 0, 0)
		if err := savePool(ctx, u, p); err != nil {
			return err
		}
	}
	if len(p.members) == 0 {
		if err := p.end(ctx, u); err != nil {
			return err
		}
	}
	return noteMergedPlace(ctx, u, p, d.MemberID, mergeID, heir)
}

// partPlaces gives the duplicate its place back, and the survivor's that came by the merge ends. A pool that was closed meanwhile, or is full, stays so.
func partPlaces(ctx context.Context, u *bus.Unit, was memberMerge, survivor, duplicate int64) error {
	places, err := mergedPlaces(ctx, u, was.SiteID, was.ID)
	if err != nil || len(places) == 0 {
		return err
	}
	p, err := lockPool(ctx, u, was.SiteID, places[0].PoolID)
	if err != nil {
		return err
	}
	if err := reopenPool(ctx, u, &p, was.ID); err != nil {
		return err
	}
	var heir *int64
	for _, x := range places {
		if x.MemberID == was.DuplicateID {
			heir = x.HeirID
		} else if x.Open {
			if err := p.letGo(ctx, u, &holder{account: account{SiteID: was.SiteID}, MemberID: was.SurvivorID, PersonID: survivor}); err != nil {
				return err
			}
		}
	}
	if p.ClosedAt != nil || len(p.members) >= maxPool {
		return nil
	}
	if err := reopenPlace(ctx, u, p, was.DuplicateID, was.ID); err != nil {
		return err
	}
	p.members = append(p.members, was.DuplicateID)
	tellPool(u, p, poolJoined, was.DuplicateID, duplicate)
	if heir != nil && p.OwnerID == *heir || !slices.Contains(p.members, p.OwnerID) {
		p.OwnerID = was.DuplicateID
		tellPool(u, p, poolAltered, 0, 0)
		return savePool(ctx, u, p)
	}
	return nil
}

// openPlace is the pool that a member is in; 0: none.
func openPlace(ctx context.Context, tx sqlx.QueryerContext, h *holder) (id int64, err error) {
	err = sqlx.GetContext(ctx, tx, &id, `
		select coalesce(max(pool_id), 0) from loyalty.pool_member where site_id = $1 and member_id = $2 and left_at is null`, h.SiteID, h.MemberID)
	return id, wrapped("find a member's pool", err)
}

func noteMergedPlace(ctx context.Context, tx sqlx.ExecerContext, p pool, member, mergeID int64, heir *int64) error {
	_, err := tx.ExecContext(ctx, `
		with closed as (update loyalty.pool set closed_by_merge = $4 where site_id = $1 and id = $2 and closed_at is not null)
		update loyalty.pool_member set merge_id = $4, heir_id = $5 where site_id = $1 and id =
			(select max(id) from loyalty.pool_member where site_id = $1 and pool_id = $2 and member_id = $3)`, p.SiteID, p.ID, member, mergeID, heir)
	return wrapped("note what became of a place in a pool", err)
}

func mergedPlaces(ctx context.Context, tx sqlx.QueryerContext, site, mergeID int64) (rows []mergedPlace, err error) {
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select pool_id, member_id, left_at is null as open, heir_id from loyalty.pool_member where site_id = $1 and merge_id = $2 order by id`, site, mergeID)
	return rows, wrapped("read places in pools of a merge", err)
}

// reopenPool opens a locked pool again that a merge had closed.
func reopenPool(ctx context.Context, tx sqlx.ExtContext, p *pool, mergeID int64) error {
	done, err := tx.ExecContext(ctx, `
		update loyalty.pool set closed_at = null, closed_by_merge = null where site_id = $1 and id = $2 and closed_by_merge = $3`, p.SiteID, p.ID, mergeID)
	if err != nil {
		return wrapped("open a pool again", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return err
	}
	p.ClosedAt = nil
	return nil
}

func reopenPlace(ctx context.Context, tx sqlx.ExecerContext, p pool, member, mergeID int64) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.pool_member set left_at = null, merge_id = null, heir_id = null
		where site_id = $1 and pool_id = $2 and member_id = $3 and merge_id = $4`, p.SiteID, p.ID, member, mergeID)
	return wrapped("give back a place in a pool", err)
}
