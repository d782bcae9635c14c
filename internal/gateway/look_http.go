package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

// Routes lists the operations of looks.
func (l *Looks) Routes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getLook", Method: http.MethodGet, Path: "/api/v2/look", Tags: []string{"Sites"},
		Summary: "Read how the site's pages look", Description: "Claim and share pages, and that for unsubscribing. Where nothing was chosen they have a look of their own."}, l.get)
	huma.Register(api, huma.Operation{OperationID: "replaceLook", Method: http.MethodPut, Path: "/api/v2/look", Tags: []string{"Sites"},
		Summary: "Choose how the site's pages look",
		Description: "Replaces all of it; what is left out is ours. Colours must be readable: a contrast of 3 with what is behind them. Takes an `Idempotency-Key`. " +
			"400 `invalid_look` with a pointer to each place that is wrong."}, l.put)
}

type lookAnswer struct {
	Look look `json:"look"`
}

func (l *Looks) get(ctx context.Context, _ *struct {
	SiteSlug string `query:"site_slug"`
}) (*web.OK[lookAnswer], error) {
	got, err := lookOf(ctx, l.db, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(lookAnswer{plainly(got)}), nil
}

type putLookInput struct {
	Body struct {
		web.SiteBody
		Name      string                       `json:"name,omitempty" example:"Demo Shop"`
		LogoURL   string                       `json:"logo_url,omitempty" example:"https://shop.example/logo.png"`
		Color     string                       `json:"primary_color,omitempty" example:"#0b7a4b"`
		ColorDark string                       `json:"primary_color_dark,omitempty" example:"#7ce0b0"`
		Language  string                       `json:"default_language,omitempty" example:"en"`
		Texts     map[string]map[string]string `json:"texts,omitempty"`
	}
}

func (l *Looks) put(ctx context.Context, in *putLookInput) (*web.OK[lookAnswer], error) {
	req, b, to := web.From(ctx), in.Body, plainLook()
	to.Name, to.LogoURL, to.ColorDark = b.Name, b.LogoURL, strings.ToLower(b.ColorDark)
	if b.Color != "" {
		to.Color = strings.ToLower(b.Color)
	}
	if b.Language != "" {
		to.Language = b.Language
	}
	if b.Texts != nil {
		to.Texts = b.Texts
	}
	if err := to.check(l.assets); err != nil {
		return nil, err
	}
	out, replayed, err := l.replace(ctx, req.Site.ID, req.KeyID, to, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}
