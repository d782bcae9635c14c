package blueprint

// Programme is the section that a site's loyalty programme has.
const Programme = "programme"

// Section is a part of a file: how it is known, and by which operations of the API it is read and written. The table of sections is all that
// the file knows of the API; what they hold is what those operations take.
type Section struct {
	Name  string
	Key   string // member that names one of a list for good; "": the section is a single object
	About string

	Many, One string // what a list and a single one are called in answers
	List      string // operation that lists them
	Read      string // that reads one whole, where the list doesn't; "": it does
	Create    string
	Replace   string
	Versions  string // that lists versions, of which later ones may be scheduled; "": none are
	Of        string // section whose id is in their paths, too; "" is the site's
	ID        string // parameter of their own id
	Most      int    // of them in a file

	Apart  []string // members of the body that are no setting
	Retire *member  // what ends one that a file doesn't name any more; nil: nothing can
	Gone   string   // the status of those that are over, which an export leaves out
	Parts  []Part
	Effect string // what a change does to what there is already
}

// Part is settings of a thing that have operations of their own.
type Part struct {
	Name          string
	Read, Replace string
	Answer        string // member of their answers
	Body          string // member of the body that holds them; "": they are the body
	Usual         string // JSON of what holds if nothing was ever set, which an export leaves out
	Decides       string // member that alone says whether it does; "": all of them
	Effect        string
}

const siteSlug = "site_slug"

// sections are in the order in which a file is written.
var sections = []*Section{
	{Name: Programme, About: "The loyalty programme: rates, expiry, pending points, debt, tiers with their plan, and rules of earning. The members of PUT /loyalty/programs/{id}",
		Many: "programs", One: "program", List: "listLoyaltyPrograms", Create: "createLoyaltyProgram", Replace: "replaceLoyaltyProgram", ID: "id",
		Apart: []string{siteSlug, "effective_at"}, Effect: "points that were earned keep their number and their dates"},
	{Name: "actions", Key: "identifier", Most: 200, About: "What members collect points for. The members of PUT /loyalty/programs/{id}/action_configs/{config_id}",
		Many: "action_configs", One: "action_config", List: "listActionConfigs", Create: "createActionConfig", Replace: "replaceActionConfig", Of: Programme, ID: "config_id",
		Apart: []string{siteSlug}, Retire: &member{"status", "archived"}, Gone: "archived", Effect: "what was collected stays"},
	{Name: "rewards", Key: "description", Most: 200, About: "What members spend points on. The members of PUT /loyalty/programs/{id}/redemption_batches/{batch_id}",
		Many: "redemption_batches", One: "redemption_batch", List: "listProgramRedemptionBatches", Create: "createRedemptionBatch", Replace: "replaceRedemptionBatch", Of: Programme, ID: "batch_id",
		Apart: []string{siteSlug}, Retire: &member{"status", "archived"}, Gone: "archived", Effect: "redemptions keep the cost, description and coupon list that they were made with"},
	{Name: "campaigns", Key: "name", Most: 300, About: "Referral campaigns with their incentives. The members of PUT /campaigns/{id}, and of its parts",
		Many: "campaigns", One: "campaign", List: "listCampaigns", Read: "getCampaign", Create: "createCampaign", Replace: "replaceCampaign", Versions: "listCampaignVersions", ID: "id",
		Apart: []string{siteSlug}, Retire: &member{"status", "Disabled"}, Effect: "offers that were made keep the incentives of their version, and rewards stay",
		Parts: []Part{
			{Name: "links", Read: "getCampaignLinks", Replace: "replaceCampaignLinks", Answer: "links", Usual: `{"claim_page":false,"gate":"none","opt_in":false}`,
				Effect: "links of offers that were made work so from then on"},
			{Name: "limits", Read: "getCampaignLimits", Replace: "replaceCampaignLimits", Answer: "limits", Body: "limits", Usual: `{}`,
				Effect: "rewards that were given stay"},
			{Name: "fraud_policy", Read: "getCampaignFraudPolicy", Replace: "replaceCampaignFraudPolicy", Answer: "policy", Usual: `{"profile":"site"}`, Decides: "profile",
				Effect: "referrals that were judged stay as they are"},
		}},
	{Name: "coupon_lists", Key: "name", Most: 500, About: "Coupon lists: what the shop gives for their codes. The codes are stock, and no part of a file. The members of PUT /coupon_lists/{id}",
		Many: "coupon_lists", One: "coupon_list", List: "listCouponLists", Create: "createCouponList", Replace: "replaceCouponList", ID: "id",
		Apart: []string{siteSlug}, Effect: "coupons that were handed out keep the date that was counted from then"},
	{Name: "commission_plans", Key: "name", Most: 200, About: "What orders pay to advocates. The members of PUT /commission_plans/{id}",
		Many: "commission_plans", One: "commission_plan", List: "listCommissionPlans", Create: "createCommissionPlan", Replace: "replaceCommissionPlan", ID: "id",
		Apart: []string{siteSlug}, Retire: &member{"active", false}, Effect: "commissions keep the terms that they were made by"},
}

// Sections are in the order in which they are applied: each after those that it may name.
func Sections() []*Section {
	var out []*Section
	for _, name := range []string{"coupon_lists", "commission_plans", Programme, "actions", "rewards", "campaigns"} {
		out = append(out, SectionOf(name))
	}
	return out
}

// SectionOf is the section of a name; nil: there is none.
func SectionOf(name string) *Section {
	for _, s := range sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// reference is a member that names a thing by its id.
type reference struct {
	name, section string   // what it is called in a file, and where that is
	says          []string // members beside it that the thing says: they are shown, and can't be set then
}

var references = map[string]reference{
	"coupon_list_id":     {"coupon_list", "coupon_lists", []string{"coupon_percent", "coupon_amount", "currency"}},
	"commission_plan_id": {"commission_plan", "commission_plans", nil},
	"campaign_id":        {"campaign", "campaigns", nil},
}

// referenceOf is the reference that a member of a file is.
func referenceOf(name string) (id, section string, ok bool) {
	for id, r := range references {
		if r.name == name {
			return id, r.section, true
		}
	}
	return "", "", false
}

// IsRetired says of settings that they are those of a thing that was ended.
func (s *Section) IsRetired(settings *Object) bool {
	if s.Retire == nil {
		return false
	}
	v, _ := settings.Get(s.Retire.name)
	return v == s.Retire.value
}

// Retired are settings as they are of a thing that is ended; nil: nothing ends it.
func (s *Section) Retired(settings *Object) *Object {
	if s.Retire == nil {
		return nil
	}
	return settings.With(s.Retire.name, s.Retire.value)
}

// UsualSettings are what holds if nothing was ever set.
func (p *Part) UsualSettings() *Object {
	v, err := ParseJSON([]byte(p.Usual))
	if err != nil {
		panic(err) // the table says so, and a test reads it
	}
	return v.(*Object)
}

// IsUsual says of settings that they are as if nothing was ever set.
func (p *Part) IsUsual(settings *Object) bool {
	usual := p.UsualSettings()
	if p.Decides != "" {
		return settings.Text(p.Decides) == usual.Text(p.Decides)
	}
	return settings == nil || Same(usual, settings)
}
