package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/asset"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

const formData = "multipart/form-data"

var (
	errStore       = fault.New(fault.Unavailable, "assets_away", "The store of the assets is away; please repeat the request.")
	errAssetGone   = fault.New(fault.NotFound, "asset_not_found", "There is no such asset.")
	errAssetFile   = fault.New(fault.Unprocessable, "asset_missing", "Validation failed: File can't be blank").At("/file", "must be a file of a multipart form")
	errAssetBroken = fault.New(fault.Invalid, "invalid_form", "The body is no form that this API reads: its parts are not well formed.")
	errAssetLarge  = fault.New(fault.TooLarge, "too_large", "A file must have at most 10 MiB.").At("/file", "too large")
	errAssetTitle  = fault.New(fault.Unprocessable, "asset_name", "Validation failed: File name must be 1 to 255 characters without slashes").At("/file", "not such a name")
	errAssetForm   = fault.New(fault.Unsupported, "unsupported_media_type", "A file is sent as multipart/form-data, in its part file.")
)

// Routes lists the operations of assets.
func (s *Assets) Routes(api huma.API) {
	tags := []string{"Assets"}
	file := &huma.Schema{Type: huma.TypeObject, Required: []string{"file"}, Properties: map[string]*huma.Schema{
		"file": {Type: huma.TypeString, Format: "binary", Description: "The image; the part's filename is its name"}}}
	huma.Register(api, huma.Operation{OperationID: "listAssets", Method: http.MethodGet, Path: "/api/v2/assets", Tags: tags,
		Summary: "List assets", Description: "Newest first, by pages, with how many there are in all."}, s.list)
	huma.Register(api, huma.Operation{OperationID: "createAsset", Method: http.MethodPost, Path: "/api/v2/assets", Tags: tags,
		Summary: "Upload an image", DefaultStatus: http.StatusCreated, RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{formData: {}}},
		Description: "Takes a PNG, JPEG, GIF or WebP image of at most 10 MiB and 16 million pixels, whatever it is called: its bytes say what it is. The answer's url " +
			"may be opened by anybody; what is behind it never changes. 422 if another asset has the name, if it is no whole image, or if the site has no room."}, s.post)
	api.OpenAPI().Paths["/api/v2/assets"].Post.RequestBody.Content[formData].Schema = file // only now: huma would want to read such a body itself
	huma.Register(api, huma.Operation{OperationID: "getAsset", Method: http.MethodGet, Path: "/api/v2/assets/{id}", Tags: tags,
		Summary: "Read an asset", Description: "400 if the site has no such asset."}, s.get)
	huma.Register(api, huma.Operation{OperationID: "deleteAsset", Method: http.MethodDelete, Path: "/api/v2/assets/{id}", Tags: tags,
		Summary: "Delete an asset", Description: "Its url stops working, but for browsers and proxies that keep it. 404 if the site has no such asset."}, s.delete)
}

// assetJSON is an asset in Talkable's shape.
type assetJSON struct {
	ID          int64  `json:"id"`
	Name        string `json:"name" example:"logo.png"`
	URL         string `json:"url"`
	ContentType string `json:"content_type" example:"image/png"`
	Size        int64  `json:"size" doc:"Bytes"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Fingerprint string `json:"fingerprint" doc:"SHA-256 of the bytes"`
	CreatedAt   string `json:"created_at" format:"date-time"`
	UpdatedAt   string `json:"updated_at" format:"date-time"`
}

func (s *Assets) answer(of site.Site, a assetRow) assetJSON {
	_, extension, _ := strings.Cut(a.ContentType, "/")
	return assetJSON{ID: a.ID, Name: a.Name, URL: s.PublicURL + "/assets/" + strconv.FormatInt(of.ID, 10) + "/" + a.Fingerprint + "." + extension, ContentType: a.ContentType,
		Size: a.Size, Width: a.Width, Height: a.Height, Fingerprint: a.Fingerprint,
		CreatedAt: web.Talkable(a.CreatedAt, of.Zone), UpdatedAt: web.Talkable(a.UpdatedAt, of.Zone)}
}

type assetList struct {
	Assets []assetJSON `json:"assets"`
	Total  int64       `json:"total"`
}

func (s *Assets) list(ctx context.Context, in *struct {
	ContentType string `query:"content_type" maxLength:"100" doc:"How the content types begin" example:"image/"`
	Page        int    `query:"page" minimum:"1" maximum:"1000000" default:"1"`
	PerPage     int    `query:"per_page" minimum:"1" maximum:"100" default:"25"`
}) (*web.OK[assetList], error) {
	of := web.From(ctx).Site
	rows, total, err := assetPage(ctx, s.DB, of.ID, in.ContentType, in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	out := assetList{Assets: []assetJSON{}, Total: total}
	for _, a := range rows {
		out.Assets = append(out.Assets, s.answer(of, a))
	}
	return web.Answer(out), nil
}

type assetAnswer struct {
	Asset assetJSON `json:"asset"`
}

type assetPath struct {
	ID int64 `path:"id"`
}

func (s *Assets) get(ctx context.Context, in *assetPath) (*web.OK[assetAnswer], error) {
	of := web.From(ctx).Site
	a, err := assetByID(ctx, s.DB, of.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(assetAnswer{s.answer(of, a)}), nil
}

func (s *Assets) delete(ctx context.Context, in *assetPath) (*web.OK[assetGone], error) {
	req := web.From(ctx)
	out, replayed, err := s.remove(ctx, req.Site.ID, in.ID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

// assetUpload hands on the body unread.
type assetUpload struct {
	kind string
	body io.Reader
}

// Resolve implements huma.Resolver.
func (in *assetUpload) Resolve(ctx huma.Context) []error {
	in.kind, in.body = ctx.Header("Content-Type"), ctx.BodyReader()
	return nil
}

func (s *Assets) post(ctx context.Context, in *assetUpload) (*web.OK[assetAnswer], error) {
	req := web.From(ctx)
	name, data, err := readFile(in.kind, in.body)
	if err != nil {
		return nil, err
	}
	out, replayed, err := s.add(ctx, req.Site, name, data, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

// readFile finds the part called file in a multipart form; the others are small and passed over.
func readFile(kind string, body io.Reader) (name string, data []byte, err error) {
	media, params, err := mime.ParseMediaType(kind)
	if err != nil || media != formData || params["boundary"] == "" {
		return "", nil, errAssetForm
	}
	whole := &io.LimitedReader{R: body, N: asset.MaxBytes + 64<<10}
	parts := multipart.NewReader(whole, params["boundary"])
	for range 20 {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) && whole.N > 0 {
			return "", nil, errAssetFile
		}
		if err != nil {
			return "", nil, broken(whole, err)
		}
		if p.FormName() != "file" {
			continue // site_slug and the like: the key says it
		}
		if name = p.FileName(); name == "" {
			return "", nil, errAssetFile
		}
		if data, err = io.ReadAll(p); err != nil {
			return "", nil, broken(whole, err)
		}
		if len(data) > asset.MaxBytes {
			return "", nil, errAssetLarge
		}
		return name, data, checkAssetName(name)
	}
	return "", nil, errAssetFile
}

// broken is a form that broke off: at the limit, or on its way.
func broken(whole *io.LimitedReader, err error) error {
	if whole.N <= 0 {
		return errAssetLarge
	}
	return errAssetBroken.Because(err)
}

// checkAssetName takes names of files, not of places.
func checkAssetName(name string) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > 255 || strings.Trim(name, ". ") == "" ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == '\\' }) {
		return errAssetTitle
	}
	return nil
}

// ServeHTTP shows a content to anybody: GET /assets/{site}/{file}. It is what the upload found it to be, and no program to any browser.
func (s *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	siteID, err := strconv.ParseInt(chi.URLParam(r, "site"), 10, 64)
	fingerprint, _, _ := strings.Cut(chi.URLParam(r, "file"), ".")
	if err != nil || len(fingerprint) != 64 {
		web.Fail(w, r, errNoRoute)
		return
	}
	a, err := assetByFingerprint(r.Context(), s.DB, siteID, fingerprint)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	data, err := s.read(r.Context(), siteID, a)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.ContentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", `"`+a.Fingerprint+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // the shop's pages show it
	h.Set("Access-Control-Allow-Origin", "*")
	http.ServeContent(w, r, "", a.CreatedAt, bytes.NewReader(data))
}

// read takes the whole of it into memory, which is 10 MiB at most: what the store has must be what was put there.
func (s *Assets) read(ctx context.Context, siteID int64, a assetRow) ([]byte, error) {
	data, err := s.Store.Get(ctx, asset.Key(siteID, a.Fingerprint))
	if errors.Is(err, fs.ErrNotExist) {
		s.Log.Error().Int64("asset.id", a.ID).Msg("the store has lost an asset")
		return nil, errNoRoute
	}
	if err == nil && asset.Fingerprint(data) != a.Fingerprint {
		err = errors.New("the store's content is another")
	}
	if err != nil {
		return nil, errStore.Because(err)
	}
	return data, nil
}
