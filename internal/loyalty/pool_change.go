package loyalty

import (
	"context"
	"reflect"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// CreatePool makes a pool of an owner and others.
func (m *Module) CreatePool(ctx context.Context, siteID int64, in loyaltyapi.NewPool, keyID int64, key idempotency.Key) (out loyaltyapi.Pool, replayed bool, err error) {
	p := pool{SiteID: siteID, Name: in.Name, Spending: in.Spending}
	if err := p.check(); err != nil {
		return out, false, err
	}
	people := append([]int64{in.Owner}, in.Members...)
	if len(people) > maxPool {
		return out, false, errPoolFull
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		p := p
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			size, err := poolSize(ctx, u, siteID)
			if err != nil {
				return err
			}
			if err := p.admits(size, len(people)); err != nil {
				return err
			}
			joining, err := newcomers(ctx, u, siteID, people)
			if err != nil {
				return err
			}
			p.OwnerID, p.CreatedAt = joining[0].MemberID, u.Now
			if p.ID, err = insertPool(ctx, u, p); err != nil {
				return err
			}
			tellPool(u, p, poolCreated, 0, 0)
			if err := p.takeIn(ctx, u, joining); err != nil {
				return err
			}
			if out, err = poolAnswer(ctx, u, p); err != nil {
				return err
			}
			return note(ctx, u, siteID, keyID, "created", aboutPool, p.ID, nil, p.note())
		})
		return err
	})
	return out, replayed, err
}

// poolSize is how many members a pool of the site may have. What the programme says stays until the transaction ends.
func poolSize(ctx context.Context, u *bus.Unit, site int64) (int, error) {
	programs, err := sharePrograms(ctx, u, []int64{site})
	return programs[site].PoolSize, err
}

// newcomers locks the members that people are, in the order in which they were named. They are active, and nobody is named twice.
func newcomers(ctx context.Context, u *bus.Unit, site int64, people []int64) ([]*holder, error) {
	holders, err := lockHolders(ctx, u, inOrder(column(people, func(id int64) person { return person{site, id} })))
	if err != nil {
		return nil, err
	}
	out := make([]*holder, len(people))
	for i, id := range people {
		switch h := holders[person{site, id}]; {
		case h == nil:
			return nil, errNoMember
		case h.Status != active:
			return nil, notActive(h.Status)
		case slices.Contains(out, h):
			return nil, errPoolTwin
		default:
			out[i] = h
		}
	}
	return out, nil
}

// takeIn lets locked members join a locked pool, and tells of each.
func (p *pool) takeIn(ctx context.Context, u *bus.Unit, joining []*holder) error {
	ids := column(joining, func(h *holder) int64 { return h.MemberID })
	if err := joinPool(ctx, u, *p, ids, u.Now, nil); err != nil {
		return err
	}
	p.members = append(p.members, ids...)
	for _, h := range joining {
		tellPool(u, *p, poolJoined, h.MemberID, h.PersonID)
	}
	return nil
}

// changePool changes a pool under its lock, notes what was done, and answers with how it is then.
func (m *Module) changePool(ctx context.Context, siteID, id int64, done string, keyID int64, key idempotency.Key, change func(u *bus.Unit, p *pool, size int) error) (out loyaltyapi.Pool, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			size, err := poolSize(ctx, u, siteID)
			if err != nil {
				return err
			}
			p, err := lockPool(ctx, u, siteID, id)
			if err != nil {
				return err
			}
			if p.ClosedAt != nil && done != "closed" {
				return errPoolOver
			}
			before := p.note()
			if err := change(u, &p, size); err != nil {
				return err
			}
			if out, err = poolAnswer(ctx, u, p); err != nil {
				return err
			}
			if after := p.note(); !reflect.DeepEqual(before, after) {
				return note(ctx, u, siteID, keyID, done, aboutPool, id, before, after)
			}
			return nil
		})
		return err
	})
	return out, replayed, err
}

// ChangePool changes a pool's name, who spends, and whose it is (0: that stays).
func (m *Module) ChangePool(ctx context.Context, siteID, id int64, in loyaltyapi.PoolTerms, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error) {
	if err := (pool{Name: in.Name, Spending: in.Spending}).check(); err != nil {
		return loyaltyapi.Pool{}, false, err
	}
	return m.changePool(ctx, siteID, id, "changed", keyID, key, func(u *bus.Unit, p *pool, _ int) error {
		p.Name, p.Spending = in.Name, in.Spending
		if in.Owner != 0 {
			h, err := readHolders(ctx, u, []person{{siteID, in.Owner}})
			if err != nil {
				return err
			}
			owner := h[person{siteID, in.Owner}]
			if owner == nil || !slices.Contains(p.members, owner.MemberID) {
				return errNewOwner
			}
			p.OwnerID = owner.MemberID
		}
		tellPool(u, *p, poolAltered, 0, 0)
		return savePool(ctx, u, *p)
	})
}

// ClosePool ends a pool. Nobody's points move. To close again changes nothing.
func (m *Module) ClosePool(ctx context.Context, siteID, id, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error) {
	return m.changePool(ctx, siteID, id, "closed", keyID, key, func(u *bus.Unit, p *pool, _ int) error {
		if p.ClosedAt != nil {
			return nil
		}
		return p.end(ctx, u)
	})
}

// end closes a locked pool: its members' places end with it.
func (p *pool) end(ctx context.Context, u *bus.Unit) error {
	if err := leavePool(ctx, u, *p, p.members, u.Now); err != nil {
		return err
	}
	p.members, p.ClosedAt = nil, &u.Now
	tellPool(u, *p, poolClosed, 0, 0)
	return savePool(ctx, u, *p)
}

// JoinPool puts a member into a pool. To ask again changes nothing.
func (m *Module) JoinPool(ctx context.Context, siteID, id, personID, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error) {
	return m.changePool(ctx, siteID, id, "member_added", keyID, key, func(u *bus.Unit, p *pool, size int) error {
		joining, err := newcomers(ctx, u, siteID, []int64{personID})
		if err != nil || slices.Contains(p.members, joining[0].MemberID) {
			return err
		}
		if err := p.admits(size, 1); err != nil {
			return err
		}
		return p.takeIn(ctx, u, joining)
	})
}

// LeavePool takes a member out of a pool, with all its points. The owner stays.
func (m *Module) LeavePool(ctx context.Context, siteID, id, personID, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error) {
	return m.changePool(ctx, siteID, id, "member_removed", keyID, key, func(u *bus.Unit, p *pool, _ int) error {
		holders, err := readHolders(ctx, u, []person{{siteID, personID}})
		if err != nil {
			return err
		}
		h := holders[person{siteID, personID}]
		switch {
		case h == nil || !slices.Contains(p.members, h.MemberID):
			return errInNoPool
		case h.MemberID == p.OwnerID:
			return errOwns
		}
		return p.letGo(ctx, u, h)
	})
}

// letGo ends a member's place in a locked pool.
func (p *pool) letGo(ctx context.Context, u *bus.Unit, h *holder) error {
	p.members = slices.DeleteFunc(p.members, func(id int64) bool { return id == h.MemberID })
	tellPool(u, *p, poolLeft, h.MemberID, h.PersonID)
	return leavePool(ctx, u, *p, []int64{h.MemberID}, u.Now)
}

// forgetInPools takes people who are erased out of their pools: nobody spends their points. What they owned is the next member's, under no name of theirs.
func forgetInPools(ctx context.Context, u *bus.Unit, people []person) error {
	ids, err := poolsOf(ctx, u, people, "for update")
	if err != nil || len(ids) == 0 {
		return err
	}
	holders, err := lockHolders(ctx, u, people)
	if err != nil {
		return err
	}
	for _, id := range ids {
		p, err := lockPool(ctx, u, id.site, id.id)
		if err != nil {
			return err
		}
		for _, h := range each(holders) {
			if h.SiteID == p.SiteID && slices.Contains(p.members, h.MemberID) {
				if err := p.forget(ctx, u, h); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *pool) forget(ctx context.Context, u *bus.Unit, h *holder) error {
	if err := p.letGo(ctx, u, h); err != nil || h.MemberID != p.OwnerID {
		return err
	}
	p.Name = poolName(p.ID)
	if len(p.members) == 0 {
		return p.end(ctx, u)
	}
	p.OwnerID = p.members[0]
	tellPool(u, *p, poolAltered, 0, 0)
	return savePool(ctx, u, *p)
}
