package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

// Routes lists the gateway's own operations.
func (g *Gateway) Routes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getSite", Method: http.MethodGet, Path: "/api/v2/site", Tags: []string{"Sites"},
		Summary:     "Read the site of the key",
		Description: "Every key belongs to one site, and everything that it asks and tells is of this site."}, getSite)
}

type siteAnswer struct {
	Site siteSettings `json:"site"`
}

type siteSettings struct {
	Slug     string `json:"slug" example:"demo"`
	Name     string `json:"name" example:"Demo Shop"`
	Currency string `json:"currency" doc:"ISO 4217; of amounts that name none" example:"USD"`
	TimeZone string `json:"time_zone" doc:"IANA name; days begin in it" example:"America/New_York"`
	URL      string `json:"url" doc:"The shop" example:"https://shop.example"`
}

func getSite(ctx context.Context, _ *struct{}) (*web.OK[siteAnswer], error) {
	s := web.From(ctx).Site
	return web.Answer(siteAnswer{siteSettings{Slug: s.Slug, Name: s.Name, Currency: s.Currency, TimeZone: s.Zone.String(), URL: s.URL}}), nil
}
