package customer

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

// wanted is who is to be merged, and why.
type wanted struct {
	site                int64
	survivor, duplicate whom
	reason              string
	keyID               int64
	key                 idempotency.Key
}

// whom names a person by its id, or by whatever finds one.
type whom struct {
	place string // in the request
	id    int64
	slug  string
}

var (
	errNoMerge = fault.New(fault.NotFound, "merge_not_found", "No such merge.")
	errReason  = fault.New(fault.Invalid, "invalid_merge", "The merge is not valid.").At("/reason", "must be 1 to 1000 characters").Pointed()
)

// checkReason says whether somebody said why.
func checkReason(reason string) error {
	if strings.TrimSpace(reason) == "" || utf8.RuneCountInString(reason) > 1000 || strings.ContainsRune(reason, 0) {
		return errReason
	}
	return nil
}

func (w whom) check() error {
	if (w.id == 0) == (w.slug == "") {
		return fault.New(fault.Invalid, "invalid_merge", "The merge is not valid.").At(w.place, "must be said by one of "+w.place[1:]+" and "+w.place[1:]+"_id").Pointed()
	}
	return nil
}

// find says which person is meant; whom a mark of a duplicate names is the survivor.
func (w whom) find(ctx context.Context, u *bus.Unit, siteID int64) (int64, error) {
	var id int64
	if w.id != 0 {
		rows, err := peopleByID(ctx, u, siteID, []int64{w.id})
		if err != nil {
			return 0, err
		}
		for _, p := range rows {
			id = p.ID
		}
	} else if p, err := personBySlug(ctx, u, siteID, w.slug); err == nil {
		id = p.ID
	} else if f, ok := fault.Of(err); !ok || f.Code != errNoPerson.Code {
		return 0, err
	}
	if id == 0 {
		return 0, fault.New(fault.NotFound, "person_not_found", "No such person.").At(w.place, "is nobody")
	}
	return id, nil
}

// merge makes two persons one.
func (m *Module) merge(ctx context.Context, w wanted) (out mergeView, replayed bool, err error) {
	for _, wrong := range []error{w.survivor.check(), w.duplicate.check(), checkReason(w.reason)} {
		if wrong != nil {
			return out, false, wrong
		}
	}
	err = m.inTx(ctx, func(u *bus.Unit) error {
		replayed, err = idempotency.Once(ctx, u.Tx, moduleName, u.Now, w.site, w.key, &out, func() error {
			made, err := mergeIn(ctx, u, w)
			out = made.view()
			return err
		})
		return err
	})
	if err == nil && !replayed {
		m.metrics.Of(ctx).people.WithLabelValues("merged").Inc()
	}
	return out, replayed, err
}

func mergeIn(ctx context.Context, u *bus.Unit, w wanted) (merge, error) {
	survivor, err := w.survivor.find(ctx, u, w.site)
	if err != nil {
		return merge{}, err
	}
	duplicate, err := w.duplicate.find(ctx, u, w.site)
	if err != nil {
		return merge{}, err
	}
	s, d, err := lockTwo(ctx, u, w.site, survivor, duplicate)
	if err != nil {
		return merge{}, err
	}
	others, err := duplicatesOf(ctx, u, w.site, duplicate)
	if err != nil {
		return merge{}, err
	}
	was := [2]person{*s, *d}
	made, err := unite(s, d)
	if err == nil && len(others) > 0 {
		err = errSurvives
	}
	if err != nil {
		return merge{}, err
	}
	made.Reason, made.KeyID, made.MergedAt = w.reason, w.keyID, u.Now
	if err := insertMerge(ctx, u, &made); err != nil {
		return merge{}, err
	}
	u.Tell(made.SiteID, s.key(), customerevent.PersonMerged{SiteID: made.SiteID, MergeID: made.ID, SurvivorID: s.ID, DuplicateID: d.ID, MergedAt: made.MergedAt})
	if err := saveTwo(ctx, u, [2]*person{d, s}, [2]person{was[1], was[0]}); err != nil { // a mark leaves one before it comes to the other
		return merge{}, err
	}
	return made, audit.Write(ctx, u.Tx, moduleName, u.Now, w.site, audit.Change{KeyID: w.keyID, Action: personMerged, Subject: aboutPerson, SubjectID: s.ID,
		Reason: w.reason, After: made.view()})
}

// undoing is which merge is to be undone, and why.
type undoing struct {
	site, id int64
	reason   string
	keyID    int64
	key      idempotency.Key
}

// undo makes two persons of one again, once.
func (m *Module) undo(ctx context.Context, w undoing) (out mergeView, replayed bool, err error) {
	if err := checkReason(w.reason); err != nil {
		return out, false, err
	}
	changed := false
	err = m.inTx(ctx, func(u *bus.Unit) error {
		replayed, err = idempotency.Once(ctx, u.Tx, moduleName, u.Now, w.site, w.key, &out, func() error {
			undone, err := undoIn(ctx, u, w)
			out, changed = undone.view(), undone.UndoneAt != nil && undone.UndoneAt.Equal(u.Now)
			return err
		})
		return err
	})
	if err == nil && !replayed && changed {
		m.metrics.Of(ctx).people.WithLabelValues("unmerged").Inc()
	}
	return out, replayed, err
}

func undoIn(ctx context.Context, u *bus.Unit, w undoing) (merge, error) {
	of, found, err := mergeByID(ctx, u, w.site, w.id, "")
	if err == nil && !found {
		err = errNoMerge
	}
	if err != nil {
		return merge{}, err
	}
	s, d, err := lockTwo(ctx, u, w.site, of.SurvivorID, of.DuplicateID)
	if err != nil {
		return merge{}, err
	}
	if of, _, err = mergeByID(ctx, u, w.site, w.id, "for no key update"); err != nil { // as it is now that nobody changes it
		return merge{}, err
	}
	if of.UndoneAt != nil { // to ask again changes nothing
		return of, nil
	}
	marks := map[mark]bool{}
	for kind, value := range of.Gained.marks() {
		if value != "" {
			marks[mark{w.site, markKind(kind), value}] = true
		}
	}
	stored, err := lockPeople(ctx, u, marks)
	if err != nil {
		return merge{}, err
	}
	holders := map[mark]*person{}
	for i := range stored {
		p := &stored[i]
		if p.ID == s.ID {
			p = s
		}
		for _, m := range stored[i].marks() {
			holders[m] = p
		}
	}
	was, before := [2]person{*s, *d}, of.view()
	if err := part(of, s, d, func(m mark) *person { return holders[m] }); err != nil {
		return merge{}, err
	}
	of.UndoneAt, of.UndoReason, of.UndoKeyID = &u.Now, w.reason, w.keyID
	if err := saveUndone(ctx, u, of); err != nil {
		return merge{}, err
	}
	u.Tell(w.site, s.key(), customerevent.PersonUnmerged{SiteID: w.site, MergeID: of.ID, SurvivorID: s.ID, DuplicateID: d.ID, MergedAt: of.MergedAt, UnmergedAt: u.Now})
	if err := saveTwo(ctx, u, [2]*person{s, d}, was); err != nil {
		return merge{}, err
	}
	return of, audit.Write(ctx, u.Tx, moduleName, u.Now, w.site, audit.Change{KeyID: w.keyID, Action: personUnmerged, Subject: aboutPerson, SubjectID: s.ID,
		Reason: w.reason, Before: before, After: of.view()})
}

// marks are the marks among what was gained, by kind.
func (g gained) marks() [len(markColumns)]string {
	return [len(markColumns)]string{byEmail: g.EmailNorm, byCustomerID: g.CustomerID, byPhone: g.Phone, byUsername: g.UsernameNorm}
}

// lockTwo locks two persons of a site.
func lockTwo(ctx context.Context, u *bus.Unit, siteID, one, two int64) (s, d *person, err error) {
	if one == two {
		return nil, nil, errSamePerson
	}
	both, err := lockPeopleByID(ctx, u, [][2]int64{{siteID, one}, {siteID, two}})
	if err != nil {
		return nil, nil, err
	}
	for i := range both {
		if both[i].ID == one {
			s = &both[i]
		} else {
			d = &both[i]
		}
	}
	return s, d, nil
}

// saveTwo writes both sides of a merge in the given order, and tells what others know of them.
func saveTwo(ctx context.Context, u *bus.Unit, now [2]*person, was [2]person) error {
	for i, p := range now {
		if err := savePerson(ctx, u, p); err != nil {
			return err
		}
		if err := saveSide(ctx, u, p); err != nil {
			return err
		}
		if was[i].contact() != p.contact() || !sameMoment(was[i].UnsubscribedAt, p.UnsubscribedAt) {
			u.Tell(p.SiteID, p.key(), p.contact().event(p, u.Now))
		}
	}
	return nil
}

// Duplicates are the ids of those who were merged into a person.
func (m *Module) Duplicates(ctx context.Context, siteID, personID int64) ([]int64, error) {
	return duplicatesOf(ctx, m.db, siteID, personID)
}
