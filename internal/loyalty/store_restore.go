package loyalty

func (s *saving) dates(rows []lotDate) {
	if len(rows) == 0 {
		return
	}
	s.add("dates of lots", `
		insert into loyalty.lot_date (site_id, lot_id, was, ends, cause, txn_id, note, changed_at)
		select site_id, lot_id, nullif(was, '')::timestamptz, nullif(ends, '')::timestamptz, cause, nullif(txn_id, 0), nullif(note, ''), at::timestamptz
		from $rows order by o`,
		`site_id lot_id was:text ends:text cause:text txn_id note:text at:text`,
		column(rows, func(d lotDate) int64 { return d.SiteID }), column(rows, func(d lotDate) int64 { return d.LotID }),
		column(rows, func(d lotDate) string { return stampOrNot(d.Was) }), column(rows, func(d lotDate) string { return stampOrNot(d.Ends) }),
		column(rows, func(d lotDate) string { return d.Cause }), column(rows, func(d lotDate) int64 { return d.TxnID }),
		column(rows, func(d lotDate) string { return d.Note }), column(rows, func(d lotDate) string { return stamp(d.At) }))
}
