package loyalty

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

const aboutPool = "loyalty_pool"

// Who of a pool may spend the others' points.
const (
	spendAll   = "all"
	spendOwner = "owner"
)

const maxPool = 20 // members

var (
	errNoPool   = fault.New(fault.NotFound, "pool_not_found", "No such pool.")
	errInNoPool = fault.New(fault.NotFound, "not_in_pool", "The member is in no such pool.")
	errPoolsOff = fault.New(fault.Conflict, "pools_off", "The programme has no pools: its pool_size is 0.")
	errPoolOver = fault.New(fault.Conflict, "pool_closed", "The pool is closed.")
	errPooled   = fault.New(fault.Conflict, "already_in_pool", "One of them is in a pool already, and nobody is in two.")
	errPoolFull = fault.New(fault.Conflict, "pool_full", "The pool has as many members as the programme lets it have.")
	errOwns     = fault.New(fault.Conflict, "pool_owner", "The pool is this member's: make another one its owner first, or close it.")
	errNewOwner = fault.New(fault.Invalid, "invalid_pool", "The pool is not valid.").At("/owner", "must be one of the pool's members")
	errPoolTwin = fault.New(fault.Invalid, "invalid_pool", "The pool is not valid.").At("/members", "must name each member once, and not the owner")
)

func (p policy) checkPools(at func(pointer, format string, args ...any)) {
	if p.PoolSize != 0 && (p.PoolSize < 2 || p.PoolSize > maxPool) {
		at("/pool_size", "must be 0, or 2 to %d", maxPool)
	}
}

// pool is members who may spend each other's points. It has none itself.
type pool struct {
	SiteID    int64      `db:"site_id"`
	ID        int64      `db:"id"`
	Name      string     `db:"name"`
	Spending  string     `db:"spending"`
	OwnerID   int64      `db:"owner_id"`
	CreatedAt time.Time  `db:"created_at"`
	ClosedAt  *time.Time `db:"closed_at"`
	members   []int64
}

// poolNote is what the audit log keeps of a pool.
type poolNote struct {
	Name     string  `json:"name"`
	Spending string  `json:"spending"`
	Owner    int64   `json:"owner_member_id"`
	Members  []int64 `json:"member_ids"`
	Closed   bool    `json:"closed"`
}

func (p pool) note() poolNote {
	return poolNote{Name: p.Name, Spending: p.Spending, Owner: p.OwnerID, Members: append([]int64{}, p.members...), Closed: p.ClosedAt != nil}
}

func (p pool) check() error {
	bad := fault.New(fault.Invalid, "invalid_pool", "The pool is not valid.")
	if n := utf8.RuneCountInString(p.Name); n < 1 || n > 100 || !printable(p.Name) {
		bad = bad.At("/name", "must have 1 to 100 printable characters")
	}
	if p.Spending != spendAll && p.Spending != spendOwner {
		bad = bad.At("/spending", "must be all or owner")
	}
	return bad.Pointed()
}

// admits says why so many more can't join.
func (p pool) admits(size, more int) error {
	switch {
	case size == 0:
		return errPoolsOff
	case p.ClosedAt != nil:
		return errPoolOver
	case len(p.members)+more > size:
		return errPoolFull
	}
	return nil
}

// changes of a pool, as they are told.
const (
	poolCreated = "created"
	poolJoined  = "joined"
	poolLeft    = "left"
	poolAltered = "changed"
	poolClosed  = "closed"
)

// tellPool tells what became of a pool, or of one of its members.
func tellPool(u *bus.Unit, p pool, change string, memberID, personID int64) {
	u.Tell(p.SiteID, sourceOf("pool", p.ID), loyaltyevent.PoolChanged{SiteID: p.SiteID, PoolID: p.ID, Change: change, MemberID: memberID, PersonID: personID,
		OwnerID: p.OwnerID, Spending: p.Spending, ChangedAt: u.Now})
}

// poolName is what a pool is called whose name was its owner's, who is erased.
func poolName(id int64) string { return "Pool " + strconv.FormatInt(id, 10) }
