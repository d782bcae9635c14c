package referral

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) giftCardRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "listGiftCards", Method: http.MethodGet, Path: "/api/v2/gift_cards",
		Tags: []string{"Rewards"}, Summary: "List gift cards",
		Description: "Orders of gift cards for rewards, newest first, with what the provider said last. While no provider is configured they are queued. When its reward is taken back, an order is " +
			"cancelled at the provider: `cancelling` until it has answered, then `cancelled`, or `kept` if it was too late; a lost answer is asked for again."}, m.getGiftCards)
	huma.Register(api, huma.Operation{OperationID: "retryGiftCard", Method: http.MethodPost, Path: "/api/v2/gift_cards/{reward_id}/retry",
		Tags: []string{"Rewards"}, Summary: "Try a gift card again",
		Description: "Queues a gift card again that failed, is uncertain or was kept, to be ordered or cancelled as its reward stands. The provider knows an order by our number, so it is never made twice. Takes an Idempotency-Key. " +
			"404 if the site has no gift card for such a reward, 409 if it is none of these."}, m.postGiftCardRetry)
	huma.Register(api, huma.Operation{OperationID: "retryRedemptionGiftCard", Method: http.MethodPost, Path: "/api/v2/gift_cards/redemptions/{redemption_id}/retry",
		Tags: []string{"Rewards"}, Summary: "Try the gift card of a redemption again",
		Description: "As for one of a reward: queues a gift card again that failed or is uncertain. Takes an Idempotency-Key. 404 if the site has no gift card for such a redemption, 409 if it is none of these."},
		m.postRedemptionCardRetry)
}

// giftCardJSON is a gift card's order as the API shows it.
type giftCardJSON struct {
	RewardID   *int64     `json:"reward_id" doc:"null: it is of a redemption"`
	CampaignID *int64     `json:"campaign_id"`
	Redemption *int64     `json:"redemption_id" doc:"Of points; null: it is of a reward"`
	PersonID   int64      `json:"person_id"`
	Amount     int64      `json:"amount" doc:"Minor units"`
	Currency   string     `json:"currency"`
	Status     string     `json:"status" enum:"queued,sending,sent,failed,uncertain,cancelling,cancelled,kept"`
	Attempts   int        `json:"attempts"`
	NextAt     time.Time  `json:"next_at" doc:"Of one that is queued: when it is tried"`
	Lost       bool       `json:"lost" doc:"Its reward was taken back, but the provider couldn't cancel it any more: somebody has it"`
	RecalledAt *time.Time `json:"recalled_at" doc:"When its reward was taken back"`
	OrderID    *string    `json:"order_id" doc:"The provider's"`
	Error      *string    `json:"error" doc:"Of the last attempt"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
}

func (g *giftCard) json() giftCardJSON {
	return giftCardJSON{RewardID: orNull(g.RewardID), CampaignID: orNull(g.CampaignID), Redemption: orNull(g.RedemptionID), PersonID: g.PersonID, Amount: g.Amount, Currency: g.Currency, Status: g.Status,
		Attempts: g.Attempts, NextAt: g.NextAt.UTC(), Lost: g.lost(), RecalledAt: instant(g.RecalledAt), OrderID: g.OrderID, Error: g.Error, CreatedAt: g.CreatedAt.UTC(), UpdatedAt: g.UpdatedAt.UTC()}
}

type giftCardsResult struct {
	GiftCards  []giftCardJSON `json:"gift_cards"`
	NextCursor *string        `json:"next_cursor"`
}

func (m *Module) getGiftCards(ctx context.Context, in *struct {
	web.Page
	SiteSlug string `query:"site_slug"`
	Status   string `query:"status" enum:"queued,sending,sent,failed,uncertain,cancelling,cancelled,kept" doc:"Only these"`
}) (*web.OK[giftCardsResult], error) {
	siteID, before := web.From(ctx).Site.ID, int64(0)
	const name = "gift cards"
	if _, err := m.cursors.Decode(siteID, name, in.Cursor, &before); err != nil {
		return nil, err
	}
	rows, err := giftCardsBefore(ctx, m.db, siteID, in.Status, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := giftCardsResult{GiftCards: []giftCardJSON{}}
	for i := range rows[:min(len(rows), in.Limit)] {
		out.GiftCards = append(out.GiftCards, rows[i].json())
	}
	if len(rows) > in.Limit {
		next := m.cursors.Encode(siteID, name, rows[in.Limit-1].ID)
		out.NextCursor = &next
	}
	return web.Answer(out), nil
}

type giftCardResult struct {
	GiftCard giftCardJSON `json:"gift_card"`
}

func (m *Module) postGiftCardRetry(ctx context.Context, in *struct {
	RewardID int64         `path:"reward_id" minimum:"1"`
	Body     *web.SiteBody `required:"false"`
}) (*web.OK[giftCardResult], error) {
	return m.postRetry(ctx, cardOf{reward: in.RewardID})
}

func (m *Module) postRedemptionCardRetry(ctx context.Context, in *struct {
	RedemptionID int64         `path:"redemption_id" minimum:"1"`
	Body         *web.SiteBody `required:"false"`
}) (*web.OK[giftCardResult], error) {
	return m.postRetry(ctx, cardOf{redemption: in.RedemptionID})
}

func (m *Module) postRetry(ctx context.Context, of cardOf) (*web.OK[giftCardResult], error) {
	req := web.From(ctx)
	g, replayed, err := m.retryGiftCard(ctx, req.Site, of, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(giftCardResult{g}), nil
}
