package referral

// clicksOf are the visits by links of shares, those of one visitor as one.
func clicksOf(visits []visit) []click {
	at := map[click]int{}
	var out []click
	for _, v := range visits {
		if v.link.Kind != linkShared {
			continue
		}
		k := click{site: v.link.SiteID, code: v.link.Code, visitor: v.visitor}
		i, seen := at[k]
		if !seen {
			i = len(out)
			at[k] = i
			out = append(out, k)
		}
		out[i].clicks++
		out[i].friend = out[i].friend || v.live
	}
	return out
}
