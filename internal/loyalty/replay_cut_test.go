package loyalty

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/loyalty/feat"
)

// lives are programmes under which tapes are played.
func lives() map[string]settings {
	pending, idle, ruled := club(), club(), ruled(stackAll, ten(earnLimit{Per: "month", Times: 2}), earnRule{Key: "rate", Kind: kindPerMoney, Points: 2, Budget: points64(900)})
	pending.PendingRule, pending.PendingDays, pending.PoolSize = untilDays, 3, 3
	pending.ExpiresAfterDays, pending.Tiers, pending.TierPlan = days(9), yearly().Tiers, yearly().TierPlan
	idle.ExpiryRule, idle.ExpiresAfterDays, idle.PoolSize = inactivity, days(6), 4
	feats := achieving(feat.Achievement{Key: "regular", Counts: feat.Orders, Period: "week", Goal: 2, Repeat: feat.Again, Revoke: true},
		feat.Achievement{Key: "big", Counts: feat.Spend, Levels: []feat.Level{{Name: "a", Goal: 3000}, {Name: "b", Goal: 9000}}, Revoke: true},
		feat.Achievement{Key: "rich", Counts: feat.Points, Period: "month", Goal: 100, Repeat: feat.Again, Revoke: true},
		feat.Achievement{Key: "days", Kind: feat.KindStreak, Counts: feat.Orders, Period: "day", Goal: 2, Freezes: 1})
	feats.Earning.Rules = append(feats.Earning.Rules, earnRule{Key: "hello", On: onJoin, Kind: kindFixed, Points: 30}, earnRule{Key: "share", On: onShare, Kind: kindFixed, Points: 3},
		earnRule{Key: "up", On: onTier, Tiers: []string{"Silver"}, Kind: kindFixed, Points: 11}, earnRule{Key: "order", Kind: kindPerMoney, Points: 1, Limits: []earnLimit{{Per: "day", Points: 40}}})
	feats.ExpiresAfterDays = days(20)
	stars := twoWallets()
	stars.PoolSize, stars.RestoreGraceDays = 3, 4
	stars.Wallets[0].PendingRule, stars.Wallets[0].PendingDays, stars.Wallets[1].ExpiryRule = untilDays, 3, inactivity
	return map[string]settings{"pending": pending, "by activity": idle, "rules": ruled, "achievements": feats, "wallets": stars}
}

// TestReplay plays what loyalty heard and was told to do again, in an empty database, at the same moments. In the same batches every byte of every table
// is the same, with its ids, and so is the hash of the chain. In other batches ids are others, for a batch takes its own in the order of its members, not
// of its events: everything is the same with names in their place, which say whose it is and the how manieth.
func TestReplay(t *testing.T) {
	t.Parallel()
	for name, s := range lives() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tape := recorded(uint64(len(name)))
			whole := func() int { return 500 }
			first := setup(t)
			tape.play(first, s, whole)
			again := setup(t)
			tape.play(again, s, whole)
			first.sealed()
			again.sealed()
			bustest.Same(t, "again", first.rows(), again.rows(), 500)
			want := first.named()
			for cut, most := range bustest.Cuts() {
				other := setup(t)
				tape.play(other, s, most)
				other.sealed()
				bustest.Same(t, cut, want, other.named(), 500)
			}
		})
	}
}

// rows are all rows of all tables, and what was told, but for when the sealer came by.
func (w *world) rows() []string {
	return bustest.Rows{Apart: []string{"horizon", "checkpoint"}}.State(w.t, w.admin, "loyalty")
}

// idNames are what ids stand for: members by their persons, accounts by whose they are, transactions by their place among their member's.
type idNames map[string]map[string]string

// kinds are what members of JSON name.
var kinds = map[string][]string{
	"member":  {"member_id", "owner_id", "owner_member_id", "other_member_id", "to_member_id", "merged_into", "duplicates", "pending_of", "heir_id", "home", "member_ids"},
	"account": {"account_id"},
	"txn":     {"txn_id", "transaction_id", "earn_id", "earn_transaction_id", "lot_id", "from_lot", "cancel_txn_id", "hold_id", "redemption_id", "spend_id", "expiry_id", "end_txn_id"},
}

// owned are tables, and what their own ids name.
var owned = map[string]string{"member": "member", "account": "account", "txn": "txn", "lot": "txn", "redemption": "txn", "hold": "txn"}

// toldMember and toldTxn are how ids stand in texts: in sources of transactions, and keys of events.
var (
	toldMember = regexp.MustCompile(`\b(member|join|tier|date|achievement|custom):([0-9]+)`)
	toldTxn    = regexp.MustCompile(`\b(lot|hold|redeem|adjust|expire|transfer|pool):([0-9]+)`)
	toldBoth   = regexp.MustCompile(`^(transfer|pool):([0-9]+):([0-9]+)$`) // what left, and from which lot; what was spent, and whose or which part comes back
)

// named are the rows with names in place of ids.
func (w *world) named() []string {
	w.t.Helper()
	var rows []struct{ Kind, ID, Name string }
	if err := w.admin.Select(&rows, `
		select 'member' as kind, id::text as id, 'person ' || person_id as name from loyalty.member
		union all select 'account', a.id::text, concat_ws(' ', a.name, a.asset, m.person_id)
			from loyalty.account a left join loyalty.member m on m.site_id = a.site_id and m.id = coalesce(a.owner_id, a.pending_of)
		union all select 'txn', t.id::text, concat_ws(' ', t.kind, m.person_id, row_number() over (partition by t.site_id, t.member_id order by t.id))
			from loyalty.txn t join loyalty.member m on m.site_id = t.site_id and m.id = t.member_id`); err != nil {
		w.t.Fatal(err)
	}
	known := idNames{"member": {}, "account": {}, "txn": {}}
	for _, r := range rows {
		known[r.Kind][r.ID] = r.Name
	}
	return bustest.Rows{
		Apart: []string{"horizon", "checkpoint", "chain", "anchor"}, // of the hash, which is over ids
		Nth: map[string]string{"member_change": "site_id, member_id", "tier_change": "site_id, member_id", "rule_due": "site_id, member_id", "lot_date": "site_id, lot_id",
			"achievement_lost": "site_id, member_id", "pool_member": "site_id, member_id"},
		Named: func(table string, row map[string]any) {
			if kind := owned[table]; kind != "" {
				row["id"] = known.name(kind, row["id"])
			}
			if table == "achievement_reached" { // has a name: the level, of which span, the how manieth
				delete(row, "id")
			}
			if row["subject"] == aboutMember {
				row["subject_id"] = known.name("member", row["subject_id"])
			}
			rule, _ := row["rule"].(string)
			back := strings.Contains(rule, `"back":true`)
			merges := table == "member_merge"
			bustest.Rename(row, "", func(key string, v any) any {
				for kind, keys := range kinds {
					if slices.Contains(keys, key) || merges && kind == "member" && (key == "survivor_id" || key == "duplicate_id") {
						return known.name(kind, v)
					}
				}
				if text, ok := v.(string); ok && strings.Contains(text, ":") {
					return known.text(text, back)
				}
				return v
			})
		},
	}.State(w.t, w.admin, "loyalty")
}

func (n idNames) name(kind string, id any) any {
	if name, ok := n[kind][fmt.Sprint(id)]; ok {
		return name
	}
	return id
}

func (n idNames) text(s string, back bool) string {
	if both := toldBoth.FindStringSubmatch(s); both != nil {
		second := "txn"
		if both[1] == "pool" && !back {
			second = "member"
		}
		return fmt.Sprint(both[1], ":", n.name("txn", both[2]), ":", n.name(second, both[3]))
	}
	for kind, form := range map[string]*regexp.Regexp{"member": toldMember, "txn": toldTxn} {
		s = form.ReplaceAllStringFunc(s, func(found string) string {
			what, id, _ := strings.Cut(found, ":")
			return fmt.Sprint(what, ":", n.name(kind, id))
		})
	}
	return s
}
