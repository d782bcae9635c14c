package referralapi

// CampaignLabels are what reports put campaigns together by.
type CampaignLabels struct {
	Tags  []string
	Types []string // categories of origins that the campaign is joined by
}
