package loyalty

import "maps"

func init() { maps.Copy(invariants, memberInvariants) }

// memberInvariants hold of members' states: each query returns what breaks it.
var memberInvariants = map[string]string{
	"who forfeited points has none, nor any that wait": `
		select m.id from loyalty.member m join loyalty.account a on a.site_id = m.site_id and m.id in (a.owner_id, a.pending_of)
		where m.forfeited and m.status <> 'merged' and a.balance > 0`,
	"who is suspended, closed or erased spends nothing": `
		select t.id from loyalty.txn t join (
			select site_id, member_id, to_status, changed_at, lead(changed_at, 1, 'infinity'::timestamptz) over (partition by site_id, member_id order by id) as until from loyalty.member_change) c
			on c.site_id = t.site_id and c.member_id = t.member_id and c.to_status in ('candidate', 'suspended', 'closed', 'erased')
		where t.kind in ('redeem', 'hold', 'transfer_out') and t.recorded_at > c.changed_at and t.recorded_at < c.until`,
	"a member is in the state to which its last change led": `
		select m.id from loyalty.member m join lateral (select c.to_status from loyalty.member_change c where c.site_id = m.site_id and c.member_id = m.id order by id desc limit 1) c on true
		where m.status not in (c.to_status, 'merged')`,
	"a merged member has nothing and counts nothing, and its lots are the survivor's": `
		select d.id from loyalty.member d join loyalty.member s on s.site_id = d.site_id and s.id = d.merged_into
		where d.earned <> 0 or s.merged_into is not null or not d.id = any (s.duplicates)
			or exists (select from loyalty.account a where a.site_id = d.site_id and d.id in (a.owner_id, a.pending_of) and a.balance <> 0)
			or exists (select from loyalty.lot l join loyalty.txn t on t.site_id = l.site_id and t.id = l.id join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
				where t.site_id = d.site_id and t.member_id = d.id and (l.home is distinct from d.id or coalesce(a.owner_id, a.pending_of) <> s.id))
		union all select s.id from loyalty.member s cross join unnest(s.duplicates) x (id) left join loyalty.member d on d.site_id = s.site_id and d.id = x.id
			where d.merged_into is distinct from s.id
		union all select l.id from loyalty.lot l join loyalty.member d on d.site_id = l.site_id and d.id = l.home where d.merged_into is null`,
}

func days(n int) *int { return &n }
