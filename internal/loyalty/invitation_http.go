package loyalty

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// invitationRoutes adds how invitations end. They are made through the edge, which knows whose addresses there are.
func (m *Module) invitationRoutes(api huma.API) {
	const path = "/api/v2/loyalty/invitations"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "acceptLoyaltyInvitation", Method: http.MethodPost, Path: path + "/accept", Tags: tags, Metadata: map[string]any{"public": true},
		Summary: "Accept an invitation",
		Description: "Who was invited is a member from now on, or again. The code is all that is needed, so a page may call this with a public key; the answer says nothing of who it is. To accept again changes nothing, whatever became of the member since. " +
			"Takes `Idempotency-Key`. Errors: 404 `invitation_not_found`; 409 `invitation_revoked`, `invitation_lapsed`, `member_status`; 400 `no_program`."}, m.postAcceptance)
	huma.Register(api, huma.Operation{OperationID: "revokeLoyaltyInvitation", Method: http.MethodPost, Path: path + "/{id}/revoke", Tags: tags,
		Summary: "Revoke an invitation", Description: "Its code is worth nothing from now on. To revoke it again changes nothing; the candidate stays one. Takes `Idempotency-Key`. " +
			"Errors: 404 `invitation_not_found`; 409 `invitation_accepted`."}, m.postRevocation)
}

type acceptedAnswer struct {
	Invitation loyaltyapi.Accepted `json:"invitation"`
}

type invitationAnswer struct {
	Invitation loyaltyapi.Invitation `json:"invitation"`
}

func (m *Module) postAcceptance(ctx context.Context, in *struct {
	Body struct {
		web.SiteBody
		Code string `json:"code" minLength:"1" maxLength:"100" doc:"Of the invitation" example:"inv_mfrggzdfmztwq2lknnwg23tpoa"`
	}
}) (*web.OK[acceptedAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := m.AcceptInvitation(ctx, req.Site.ID, in.Body.Code, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(acceptedAnswer{out}), nil
}

func (m *Module) postRevocation(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct{ web.SiteBody }
}) (*web.OK[invitationAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := m.revokeInvitation(ctx, req.Site.ID, in.ID, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(invitationAnswer{out}), nil
}
