package loyaltyapi

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// FulfilmentHook is whom a site asks to fulfil what its members redeemed.
type FulfilmentHook struct {
	URL       *string    `json:"url" doc:"null: none is set"`
	TimeoutMS int        `json:"timeout_ms"`
	Deadline  int        `json:"deadline_minutes"`
	OnFailure string     `json:"on_failure" doc:"wait or cancel; empty where none is set"`
	Enabled   bool       `json:"enabled"`
	Secret    *string    `json:"secret" doc:"Of the signature (Standard Webhooks); shown when it is made, null else"`
	ChangedAt *time.Time `json:"changed_at"`
}

// RedemptionStory is a redemption with all that became of it, and why.
type RedemptionStory struct {
	Redemption
	History []RedemptionStep `json:"history" doc:"Its statuses, in their order"`
	Rule    Rule             `json:"rule" doc:"The rule that let it be redeemed, with the values that it saw"`
	Hook    *FulfilmentAsk   `json:"hook" doc:"What the fulfilment hook was asked; null: nothing"`
}

// RedemptionStep is a status that a redemption came to.
type RedemptionStep struct {
	Status        string    `json:"status" enum:"waiting,fulfilled,cancelled"`
	At            time.Time `json:"at"`
	TransactionID *int64    `json:"transaction_id" doc:"That moved points"`
	Note          *string   `json:"note"`
}

// FulfilmentAsk is what a fulfilment hook was asked about a redemption.
type FulfilmentAsk struct {
	ID       string     `json:"id" doc:"In the header webhook-id, the same at each try"`
	State    string     `json:"state" enum:"waiting,asking,answered,failed,moot" doc:"failed: nobody answered until the deadline; moot: it was settled meanwhile"`
	Answer   *string    `json:"answer" doc:"fulfilled, refused or later"`
	Tries    int        `json:"tries"`
	NextAt   *time.Time `json:"next_at" doc:"Of one that waits"`
	Attempts Attempts   `json:"attempts" doc:"The last twenty: when, how long, the status, what came back or failed"`
}

// Attempts are tries as they were kept: a JSON list of objects.
type Attempts string

// MarshalJSON writes the list itself.
func (a Attempts) MarshalJSON() ([]byte, error) { return []byte(a), nil }

// Schema describes it to the API description.
func (Attempts) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}
}
