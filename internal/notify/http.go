package notify

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

// Routes adds the module's operations.
func (m *Module) Routes(api huma.API) {
	m.hookRoutes(api)
	m.smsRoutes(api)
	m.mailRoutes(api)
	m.mailHookRoutes(api)
	tags := []string{"Messages"}
	huma.Register(api, huma.Operation{OperationID: "listMessages", Method: http.MethodGet, Path: "/api/v2/messages", Tags: tags,
		Summary: "List messages", Description: "Messages to people, newest first, without their words. 400 for a cursor that isn't " +
			"of this list."}, m.list)
	huma.Register(api, huma.Operation{OperationID: "getMessage", Method: http.MethodGet, Path: "/api/v2/messages/{id}", Tags: tags,
		Summary: "Get a message", Description: "One message with what was sent, its state and the last error. 404 when there is none."}, m.get)
	huma.Register(api, huma.Operation{OperationID: "resendMessage", Method: http.MethodPost, Path: "/api/v2/messages/{id}/resend", Tags: tags,
		Summary: "Send a message again", Description: "Queues a failed or uncertain message again. An uncertain one may already have " +
			"arrived; nothing but this operation sends it a second time. 404 when there is none, 409 in any other state. Takes an " +
			"Idempotency-Key."}, m.again)
}

type listInput struct {
	Email    string `query:"email" maxLength:"320" doc:"What was sent to this address, or is for the person who has it"`
	PersonID int64  `query:"person_id" minimum:"0"`
	Status   string `query:"status" enum:"queued,sending,transmitting,sent,failed,uncertain,suppressed"`
	web.Page
}

type messageList struct {
	Messages   []message `json:"messages"`
	NextCursor *string   `json:"next_cursor" doc:"Null at the end"`
}

// place is what a cursor holds.
type place struct {
	ID int64 `json:"id"`
}

func (m *Module) list(ctx context.Context, in *listInput) (*web.OK[messageList], error) {
	siteID := web.From(ctx).Site.ID
	var after place
	if _, err := m.Cursors.Decode(siteID, "messages", in.Cursor, &after); err != nil {
		return nil, err
	}
	found, err := messages(ctx, m.DB, siteID, filter{email: in.Email, status: in.Status, personID: in.PersonID, before: after.ID}, in.Limit+1)
	if err != nil {
		return nil, err
	}
	result := messageList{Messages: []message{}}
	for _, one := range found[:min(len(found), in.Limit)] {
		one.Text, one.HTML = nil, nil
		result.Messages = append(result.Messages, one.shown())
	}
	if len(found) > in.Limit {
		next := m.Cursors.Encode(siteID, "messages", place{ID: found[in.Limit-1].ID})
		result.NextCursor = &next
	}
	return web.Answer(result), nil
}

type messageInput struct {
	ID int64 `path:"id" minimum:"1"`
}

func (m *Module) get(ctx context.Context, in *messageInput) (*web.OK[message], error) {
	found, err := messageByID(ctx, m.DB, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(found.shown()), nil
}

type againInput struct {
	ID   int64         `path:"id" minimum:"1"`
	Body *web.SiteBody `required:"false"`
}

func (m *Module) again(ctx context.Context, in *againInput) (*web.OK[message], error) {
	req := web.From(ctx)
	queued, replayed, err := m.resend(ctx, req.Site.ID, in.ID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(queued), nil
}
