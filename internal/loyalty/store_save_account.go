package loyalty

// accounts saves what accounts hold, and until when what lives by activity on those of further wallets, whose holders are among all that there are.
func (s *saving) accounts(all []*account, holders []*holder) {
	paces, paced := map[*account]pace{}, false
	for _, h := range holders {
		if h.Wallet != "" {
			paces[&h.account], paced = h.pace, paced || h.paced
		}
	}
	var rows []*account
	for _, a := range all {
		if a.dirty || paces[a].paced {
			rows = append(rows, a)
		}
	}
	if len(rows) == 0 {
		return
	}
	names, more := `site_id id balance seq`, ""
	columns := []any{
		column(rows, func(a *account) int64 { return a.SiteID }), column(rows, func(a *account) int64 { return a.ID }),
		column(rows, func(a *account) int64 { return a.Balance }), column(rows, func(a *account) int64 { return a.Seq }),
	}
	if paced {
		of := func(a *account) pace { return paces[a] }
		more, names, columns = savedPace, names+pacedNames, append(columns, paceColumns(rows, of)...)
	}
	s.add("accounts", `
		update loyalty.account a set balance = u.balance, seq = u.seq`+more+` from $rows where a.site_id = u.site_id and a.id = u.id`, names, columns...)
}

const (
	savedPace = `, lapses_at = nullif(u.lapses_at, '')::timestamptz, idle_days = nullif(u.idle_days, 0),
			wake_at = nullif(u.wake_at, '')::timestamptz, reminded = nullif(u.reminded, false)`
	pacedNames = " lapses_at:text idle_days wake_at:text reminded:boolean"
)

func paceColumns[T any](rows []T, of func(T) pace) []any {
	return []any{column(rows, func(r T) string { return stampOrNot(of(r).LapsesAt) }), column(rows, func(r T) int64 { return int64(of(r).IdleDays) }),
		column(rows, func(r T) string { return stampOrNot(of(r).WakeAt) }), column(rows, func(r T) bool { return of(r).Reminded })}
}
