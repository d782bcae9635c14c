package customer

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) mergeRoutes(api huma.API) {
	tags := []string{"People"}
	huma.Register(api, huma.Operation{OperationID: "mergePeople", Method: http.MethodPost, Path: "/api/v2/people/merges", DefaultStatus: http.StatusCreated,
		Tags: tags, Summary: "Say that two persons are one",
		Description: "The duplicate keeps its id and its identifiers, but whoever asks by them gets the survivor, and what is told of either from now on is the survivor's: orders, refunds, " +
			"visits, points. What the survivor has stays; an e-mail address, phone number, customer id, username, name or custom property that it has none of comes from the duplicate " +
			"(`lent`). Who is unsubscribed as either is unsubscribed, and nobody is opted in. Points, with their dates, and what counts for tiers go to the survivor a moment later. " +
			"`dry_run` shows what would move.\n\nErrors: 404 `person_not_found`; 400 `same_person`, `invalid_merge`; 409 `already_merged`, `has_duplicates`, `person_anonymized`. Takes " +
			"an `Idempotency-Key`."}, m.postMerge)
	huma.Register(api, huma.Operation{OperationID: "listMerges", Method: http.MethodGet, Path: "/api/v2/people/merges", Tags: tags, Summary: "List merges of persons",
		Description: "Newest first, also those that were undone."}, m.getMerges)
	huma.Register(api, huma.Operation{OperationID: "getMerge", Method: http.MethodGet, Path: "/api/v2/people/merges/{id}", Tags: tags, Summary: "Read a merge",
		Description: "Errors: 404 `merge_not_found`."}, m.getMerge)
	huma.Register(api, huma.Operation{OperationID: "undoMerge", Method: http.MethodPost, Path: "/api/v2/people/merges/{id}/undo", Tags: tags, Summary: "Undo a merge",
		Description: "The duplicate is a person of its own again, with what it had: its identifiers and history, what is left of its points, what counted for its tier. An identifier that was " +
			"lent comes back unless somebody else has it by now. What came since stays the survivor's; who has unsubscribed since stays so as both. To ask again changes nothing.\n\n" +
			"Errors: 404 `merge_not_found`; 409 `person_anonymized`. Takes an `Idempotency-Key`."}, m.postUndo)
	huma.Register(api, huma.Operation{OperationID: "listMergeSuggestions", Method: http.MethodGet, Path: "/api/v2/people/merge_suggestions", Tags: tags,
		Summary: "List persons who may be one",
		Description: "Pairs of whom an order had the one's e-mail address and the other's customer id, once each, newest first, as long as neither is merged. The order is whose the e-mail address is. " +
			"Nobody is merged because of it."}, m.getSuggestions)
}

// mergeView is a merge as the API shows it.
type mergeView struct {
	ID          int64     `json:"id"`
	SurvivorID  int64     `json:"survivor_id"`
	DuplicateID int64     `json:"duplicate_id"`
	Status      string    `json:"status" enum:"merged,undone"`
	Reason      string    `json:"reason"`
	KeyID       *int64    `json:"key_id" doc:"The API key that asked for it"`
	Lent        []string  `json:"lent" doc:"What the survivor has of the duplicate because it had none: email, phone_number, customer_id, username, name, custom_properties, unsubscribed, existing_customer"`
	Purchases   int64     `json:"purchases_count" doc:"Of the duplicate, when they were merged"`
	Events      int64     `json:"events_count" doc:"The same"`
	MergedAt    time.Time `json:"merged_at"`
	Undone      *undone   `json:"undone" doc:"null: it holds"`
}

type undone struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	KeyID  *int64    `json:"key_id"`
}

func (m merge) view() mergeView {
	v := mergeView{ID: m.ID, SurvivorID: m.SurvivorID, DuplicateID: m.DuplicateID, Status: "merged", Reason: m.Reason, KeyID: keyOrNull(m.KeyID),
		Lent: noNil(m.Lent), Purchases: m.Purchases, Events: m.Events, MergedAt: m.MergedAt.UTC()}
	if m.UndoneAt != nil {
		v.Status, v.Undone = "undone", &undone{At: m.UndoneAt.UTC(), Reason: m.UndoReason, KeyID: keyOrNull(m.UndoKeyID)}
	}
	return v
}

func keyOrNull(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

type mergeAnswer struct {
	Merge mergeView `json:"merge"`
}

type mergesAnswer struct {
	Merges     []mergeView `json:"merges"`
	NextCursor *string     `json:"next_cursor" doc:"null on the last page"`
}

type mergeInput struct {
	Body struct {
		web.SiteBody
		Survivor    string `json:"survivor,omitempty" maxLength:"1020" doc:"E-mail address, phone number, customer id or username; or survivor_id" example:"ann@shop.example"`
		SurvivorID  int64  `json:"survivor_id,omitempty" minimum:"1"`
		Duplicate   string `json:"duplicate,omitempty" maxLength:"1020" doc:"The same; or duplicate_id" example:"ann@work.example"`
		DuplicateID int64  `json:"duplicate_id,omitempty" minimum:"1"`
		Reason      string `json:"reason" doc:"1 to 1000 characters" example:"She wrote from both addresses"`
	}
}

func (m *Module) postMerge(ctx context.Context, in *mergeInput) (*web.OK[mergeAnswer], error) {
	req, b := web.From(ctx), in.Body
	out, replayed, err := m.merge(ctx, wanted{site: req.Site.ID, survivor: whom{"/survivor", b.SurvivorID, b.Survivor},
		duplicate: whom{"/duplicate", b.DuplicateID, b.Duplicate}, reason: b.Reason, keyID: req.KeyID, key: req.Idempotency})
	return answerMerge(req, out, replayed, err)
}

func answerMerge(req *web.Request, out mergeView, replayed bool, err error) (*web.OK[mergeAnswer], error) {
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(mergeAnswer{out}), nil
}

type undoInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		web.SiteBody
		Reason string `json:"reason" doc:"1 to 1000 characters" example:"They are sisters"`
	}
}

func (m *Module) postUndo(ctx context.Context, in *undoInput) (*web.OK[mergeAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := m.undo(ctx, undoing{site: req.Site.ID, id: in.ID, reason: in.Body.Reason, keyID: req.KeyID, key: req.Idempotency})
	return answerMerge(req, out, replayed, err)
}

func (m *Module) getMerge(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[mergeAnswer], error) {
	found, ok, err := mergeByID(ctx, m.db, web.From(ctx).Site.ID, in.ID, "")
	if err == nil && !ok {
		err = errNoMerge
	}
	if err != nil {
		return nil, err
	}
	return web.Answer(mergeAnswer{found.view()}), nil
}

// afterID is where a page ends.
type afterID struct {
	ID int64 `json:"id"`
}

func (m *Module) getMerges(ctx context.Context, in *struct {
	web.Page
}) (*web.OK[mergesAnswer], error) {
	rows, next, err := pageOf(m, web.From(ctx).Site.ID, "merges", in.Page, func(before int64, limit int) ([]merge, error) {
		return mergesOf(ctx, m.db, web.From(ctx).Site.ID, before, limit)
	}, func(r merge) int64 { return r.ID })
	if err != nil {
		return nil, err
	}
	out := mergesAnswer{Merges: []mergeView{}, NextCursor: next}
	for _, r := range rows {
		out.Merges = append(out.Merges, r.view())
	}
	return web.Answer(out), nil
}

// pageOf reads a page of a list whose newest come first, by their ids, and says where the next begins.
func pageOf[T any](m *Module, siteID int64, list string, in web.Page, read func(before int64, limit int) ([]T, error), id func(T) int64) ([]T, *string, error) {
	var after afterID
	if _, err := m.cursors.Decode(siteID, list, in.Cursor, &after); err != nil {
		return nil, nil, err
	}
	rows, err := read(after.ID, in.Limit+1)
	if err != nil || len(rows) <= in.Limit {
		return rows, nil, err
	}
	next := m.cursors.Encode(siteID, list, afterID{id(rows[in.Limit-1])})
	return rows[:in.Limit], &next, nil
}

// suggestionView is a pair of persons as the API shows it.
type suggestionView struct {
	ID           int64     `json:"id"`
	ByEmail      int64     `json:"person_by_email" doc:"Whose the order is"`
	ByCustomerID int64     `json:"person_by_customer_id"`
	Number       string    `json:"order_number" doc:"The first order that said so; of an event, its number"`
	SuggestedAt  time.Time `json:"suggested_at"`
}

type suggestionsAnswer struct {
	Suggestions []suggestionView `json:"suggestions"`
	NextCursor  *string          `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getSuggestions(ctx context.Context, in *struct{ web.Page }) (*web.OK[suggestionsAnswer], error) {
	siteID := web.From(ctx).Site.ID
	rows, next, err := pageOf(m, siteID, "merge suggestions", in.Page, func(before int64, limit int) ([]suggestion, error) {
		return suggestionsOf(ctx, m.db, siteID, before, limit)
	}, func(r suggestion) int64 { return r.ID })
	if err != nil {
		return nil, err
	}
	out := suggestionsAnswer{Suggestions: []suggestionView{}, NextCursor: next}
	for _, r := range rows {
		out.Suggestions = append(out.Suggestions, suggestionView{ID: r.ID, ByEmail: r.ByEmailID, ByCustomerID: r.LowID + r.HighID - r.ByEmailID,
			Number: r.Number, SuggestedAt: r.SuggestedAt.UTC()})
	}
	return web.Answer(out), nil
}
