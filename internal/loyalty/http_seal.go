package loyalty

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/loyalty/seal"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) sealRoutes(api huma.API) {
	const path = "/api/v2/loyalty/ledger"
	huma.Register(api, huma.Operation{OperationID: "getLedger", Method: http.MethodGet, Path: path, Tags: []string{"Loyalty"},
		Summary: "Read what the ledger's chain has come to",
		Description: "Every transaction of points is put into a chain of hashes, a minute or two after it was posted: who knows the hash of a place knows that nothing " +
			"before it was changed since. `talkable ledger export` writes all that is hashed, `talkable ledger verify` checks it without the platform."}, m.getLedger)
	huma.Register(api, huma.Operation{OperationID: "listLedgerCheckpoints", Method: http.MethodGet, Path: path + "/checkpoints", Tags: []string{"Loyalty"},
		Summary: "List the ledger's daily checkpoints",
		Description: "What the chain had come to after each day (UTC) with postings, the newest first, signed with Ed25519 where the platform has a key. Kept elsewhere, " +
			"they prove later that nobody has rewritten what was before them."}, m.listCheckpoints)
}

// ChainView is a chain as it is answered.
type ChainView struct {
	Place         int64            `json:"place" doc:"How many transactions are in the chain"`
	TransactionID *int64           `json:"transaction_id" doc:"The last of them; null: there is none"`
	Hash          string           `json:"hash" doc:"SHA-256, hexadecimal" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Entries       int64            `json:"entries"`
	Allocations   int64            `json:"allocations"`
	Sums          map[string]int64 `json:"sums" doc:"Of the entries, by the name of their accounts: they add up to zero"`
}

func viewOf(c seal.Chain) ChainView {
	v := ChainView{Place: c.Place, Hash: c.Hash.String(), Entries: c.Entries, Allocations: c.Allocations, Sums: c.Sums}
	if c.ID != 0 {
		v.TransactionID = &c.ID
	}
	return v
}

type ledgerView struct {
	ChainView
	PublicKey *string `json:"public_key" doc:"Base64; of the key that signs checkpoints now. null: none does"`
	Format    string  `json:"format" doc:"How transactions are hashed: docs/loyalty.md has it byte by byte" example:"talkable-ledger-1"`
}

type checkpointView struct {
	Day string `json:"day" format:"date" doc:"That was over, UTC" example:"2026-11-01"`
	ChainView
	MadeAt    time.Time `json:"made_at"`
	PublicKey *string   `json:"public_key" doc:"Base64; null: nobody has signed"`
	Signature *string   `json:"signature" doc:"Base64"`
}

type ledgerAnswer struct {
	Ledger ledgerView `json:"ledger"`
}

type checkpointsAnswer struct {
	Checkpoints []checkpointView `json:"checkpoints"`
	NextCursor  *string          `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getLedger(ctx context.Context, _ *struct{}) (*web.OK[ledgerAnswer], error) {
	c, err := chainOf(ctx, m.db, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(ledgerAnswer{ledgerView{ChainView: viewOf(c), PublicKey: base64Of(m.PublicKey()), Format: seal.Format}}), nil
}

// PublicKey is that of the key which signs checkpoints; nil: none does.
func (m *Module) PublicKey() []byte {
	if m.seals.key == nil {
		return nil
	}
	return m.seals.key.Public().(ed25519.PublicKey)
}

// base64Of is how bytes are answered; nil: there are none.
func base64Of(b []byte) *string {
	if len(b) == 0 {
		return nil
	}
	text := base64.StdEncoding.EncodeToString(b)
	return &text
}

func (m *Module) listCheckpoints(ctx context.Context, in *struct{ web.Page }) (*web.OK[checkpointsAnswer], error) {
	site := web.From(ctx).Site.ID
	var after struct {
		Day string `json:"day"`
	}
	const list = "ledger checkpoints"
	if _, err := m.cursors.Decode(site, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	all, err := checkpointsOf(ctx, m.db, site, after.Day, in.Limit+1, true)
	if err != nil {
		return nil, err
	}
	answer := checkpointsAnswer{Checkpoints: []checkpointView{}}
	for _, k := range all[:min(in.Limit, len(all))] {
		answer.Checkpoints = append(answer.Checkpoints, checkpointView{Day: k.Day, ChainView: viewOf(k.Chain), MadeAt: k.MadeAt, PublicKey: base64Of(k.PublicKey), Signature: base64Of(k.Signature)})
	}
	if len(all) > in.Limit {
		after.Day = all[in.Limit-1].Day
		next := m.cursors.Encode(site, list, after)
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}
