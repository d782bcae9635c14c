package gateway

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/asset"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

func newAssets(h *house, quota int64) *Assets {
	return NewAssets(AssetsDeps{DB: h.db, Outbox: bus.NewOutbox("gateway", h.db, h.clock.Now, nil), Log: zerolog.Nop(), Reg: prometheus.NewRegistry(), Now: h.clock.Now,
		Store: asset.Folder(filepath.Join(h.t.TempDir(), "assets")), PublicURL: "https://api.example", Quota: quota})
}

// picture is a PNG that is another for each width.
func picture(t *testing.T, width int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, width, 5))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asSite(s Site) site.Site { return site.Site{ID: s.ID, Slug: s.Slug, Zone: time.UTC} }

func (h *house) add(s *Assets, of Site, name string, data []byte) (assetJSON, error) {
	h.t.Helper()
	out, _, err := s.add(h.t.Context(), asSite(of), name, data, idempotency.Key{})
	return out.Asset, err
}

func code(err error) string {
	if f, ok := fault.Of(err); ok {
		return f.Code
	}
	return fmt.Sprint(err)
}

func (h *house) usage(of Site) (files, bytes int64) {
	h.t.Helper()
	if err := h.db.QueryRow(`select files, bytes from gateway.asset_usage where site_id = $1`, of.ID).Scan(&files, &bytes); err != nil {
		h.t.Fatal(err)
	}
	return files, bytes
}

// TestAssets: a name is a site's once, a content is stored once, and goes when the last file that has it is gone and time has passed.
func TestAssets(t *testing.T) {
	h := newHouse(t)
	s := newAssets(h, 1<<20)
	ctx, logo := t.Context(), picture(t, 10)
	one, err := h.add(s, h.shop, "logo.png", logo)
	if err != nil || one.ContentType != "image/png" || one.Width != 10 || one.Height != 5 || one.Size != int64(len(logo)) || one.Fingerprint != asset.Fingerprint(logo) {
		t.Fatalf("%+v, %v", one, err)
	}
	if _, err := h.add(s, h.shop, "logo.png", picture(t, 11)); code(err) != "asset_name_taken" {
		t.Errorf("the name again: %v", err)
	}
	theirs, err := h.add(s, h.other, "logo.png", logo)
	if err != nil || theirs.URL == one.URL {
		t.Errorf("another site: %+v, %v", theirs, err)
	}
	two, err := h.add(s, h.shop, "same.png", logo)
	if err != nil || two.URL != one.URL {
		t.Errorf("the content again: %+v, %v", two, err)
	}
	if files, bytes := h.usage(h.shop); files != 2 || bytes != int64(len(logo)+len(picture(t, 11))) {
		t.Errorf("%d files, %d bytes", files, bytes)
	}
	rows, total, err := assetPage(ctx, h.db, h.shop.ID, "image/", 1, 1)
	if err != nil || total != 2 || len(rows) != 1 || rows[0].Name != "same.png" {
		t.Errorf("%v, %d, %v", rows, total, err)
	}
	if rows, total, err := assetPage(ctx, h.db, h.shop.ID, "video", 1, 25); err != nil || total != 0 || len(rows) != 0 {
		t.Errorf("%v, %d, %v", rows, total, err)
	}
	if _, err := assetByID(ctx, h.db, h.other.ID, one.ID); code(err) != "asset_not_found" {
		t.Errorf("from another site: %v", err)
	}
	if _, _, err := s.remove(ctx, h.other.ID, one.ID, idempotency.Key{}); code(err) != "asset_not_found" {
		t.Errorf("deleted from another site: %v", err)
	}
	for _, id := range []int64{one.ID, two.ID} {
		h.clock.Move(contentKept + time.Second)
		if err := s.sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Store.Get(ctx, asset.Key(h.shop.ID, one.Fingerprint)); err != nil {
			t.Errorf("the content of %d is gone: %v", id, err)
		}
		if gone, _, err := s.remove(ctx, h.shop.ID, id, idempotency.Key{}); err != nil || !gone.Deleted {
			t.Error(gone, err)
		}
	}
	h.clock.Move(contentKept + time.Second)
	if err := s.sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.Get(ctx, asset.Key(h.shop.ID, one.Fingerprint)); err == nil {
		t.Error("the content stays")
	}
	if files, bytes := h.usage(h.shop); files != 0 || bytes != 0 {
		t.Errorf("%d files, %d bytes", files, bytes)
	}
	if _, err := s.Store.Get(ctx, asset.Key(h.other.ID, one.Fingerprint)); err != nil {
		t.Errorf("the other site's is gone: %v", err)
	}
}

// TestAssets_at_once: of twenty that want a name one gets it; the quota holds; deleting and storing one content at once ends with the content
// where a file has it.
func TestAssets_at_once(t *testing.T) {
	h := newHouse(t)
	room := int64(len(picture(t, 10))) * 3
	s := newAssets(h, room)
	var mu sync.Mutex
	got := map[string]int{}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			_, err := h.add(s, h.shop, "logo.png", picture(t, 10+i%2))
			mu.Lock()
			defer mu.Unlock()
			got[code(err)]++
		})
	}
	all.Wait()
	if got["<nil>"] != 1 || got["asset_name_taken"] != 19 {
		t.Errorf("%v", got)
	}
	for i := range 20 {
		all.Go(func() { _, _ = h.add(s, h.other, fmt.Sprint(i), picture(t, 20+i)) })
	}
	all.Wait()
	if files, bytes := h.usage(h.other); files < 1 || bytes > room {
		t.Errorf("%d files, %d of %d bytes", files, bytes, room)
	}
	for range 5 {
		var id int64
		if err := h.db.Get(&id, `select id from gateway.asset where site_id = $1 limit 1`, h.shop.ID); err != nil {
			t.Fatal(err)
		}
		a, err := assetByID(t.Context(), h.db, h.shop.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Store.Get(t.Context(), asset.Key(h.shop.ID, a.Fingerprint))
		if err != nil {
			t.Fatal(err)
		}
		h.clock.Move(2 * contentKept)
		all.Go(func() { _, _, _ = s.remove(t.Context(), h.shop.ID, id, idempotency.Key{}) })
		all.Go(func() { _ = s.sweep(t.Context()) })
		all.Go(func() {
			if _, err := h.add(s, h.shop, fmt.Sprint("again ", id), data); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		h.clock.Move(2 * contentKept)
		if err := s.sweep(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.Store.Get(t.Context(), asset.Key(h.shop.ID, a.Fingerprint)); err != nil {
			t.Errorf("a file lost its content: %v", err)
		}
	}
}

func TestAssets_repeated(t *testing.T) {
	h := newHouse(t)
	s := newAssets(h, 1<<20)
	k := idempotency.Key{Value: "k", Fingerprint: "f"}
	one, _, err := s.add(t.Context(), asSite(h.shop), "a.png", picture(t, 3), k)
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := s.add(t.Context(), asSite(h.shop), "a.png", picture(t, 3), k)
	if err != nil || !replayed || again != one {
		t.Errorf("%+v, %v, %v", again, replayed, err)
	}
	for name, data := range map[string][]byte{"b.png": picture(t, 3), "a.png": picture(t, 4)} {
		if _, _, err := s.add(t.Context(), asSite(h.shop), name, data, k); code(err) != "idempotency_key_reused" {
			t.Errorf("the key with another file: %v", err)
		}
	}
}

func TestAssets_are_shown(t *testing.T) {
	h := newHouse(t)
	s := newAssets(h, 1<<20)
	one, err := h.add(s, h.shop, "logo.png", picture(t, 10))
	if err != nil {
		t.Fatal(err)
	}
	r := chi.NewRouter()
	r.Method(http.MethodGet, "/assets/{site}/{file}", s)
	ask := func(path string, headers ...string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		return w
	}
	path := strings.TrimPrefix(one.URL, "https://api.example")
	w := ask(path)
	if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), picture(t, 10)) {
		t.Fatalf("%d, %d bytes", w.Code, w.Body.Len())
	}
	for name, want := range map[string]string{"Content-Type": "image/png", "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'; sandbox", "ETag": `"` + one.Fingerprint + `"`} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w := ask(path, "If-None-Match", `"`+one.Fingerprint+`"`); w.Code != http.StatusNotModified {
		t.Errorf("known already: %d", w.Code)
	}
	if w := ask(path, "Range", "bytes=0-3"); w.Code != http.StatusPartialContent || w.Body.Len() != 4 {
		t.Errorf("a part: %d", w.Code)
	}
	for _, nothing := range []string{strings.Replace(path, fmt.Sprint("/", h.shop.ID, "/"), fmt.Sprint("/", h.other.ID, "/"), 1), "/assets/x/y", "/assets/1/" + strings.Repeat("0", 64) + ".png",
		"/assets/99999999999999999999/" + one.Fingerprint + ".png"} {
		if w := ask(nothing); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", nothing, w.Code)
		}
	}
	if err := s.Store.Delete(t.Context(), asset.Key(h.shop.ID, one.Fingerprint)); err != nil {
		t.Fatal(err)
	}
	if w := ask(path); w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "" {
		t.Errorf("lost: %d, %v", w.Code, w.Header())
	}
	if _, _, err := s.remove(t.Context(), h.shop.ID, one.ID, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if w := ask(path); w.Code != http.StatusNotFound {
		t.Errorf("deleted: %d", w.Code)
	}
}

// fileForm is a multipart body with one file.
func fileForm(t *testing.T, part, name string, data []byte) (kind string, body *bytes.Buffer) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	if err := w.WriteField("site_slug", "my-store"); err != nil {
		t.Fatal(err)
	}
	p, err := w.CreateFormFile(part, name)
	if err == nil {
		_, err = p.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), body
}

func TestReadFile(t *testing.T) {
	kind, body := fileForm(t, "file", "logo.png", []byte("abc"))
	if name, data, err := readFile(kind, body); name != "logo.png" || string(data) != "abc" || err != nil {
		t.Errorf("%q, %q, %v", name, data, err)
	}
	for name, tt := range map[string]struct {
		part, file string
		data       []byte
		cut        int
		kind, want string
	}{
		"no file":        {part: "picture", file: "a.png", want: "asset_missing"},
		"no name":        {part: "file", want: "asset_missing"},
		"a path upwards": {part: "file", file: "..", want: "asset_name"},
		"a backslash":    {part: "file", file: `a\b.png`, want: "asset_name"},
		"a long name":    {part: "file", file: strings.Repeat("a", 256), want: "asset_name"},
		"too large":      {part: "file", file: "a.png", data: make([]byte, asset.MaxBytes+1), want: "too_large"},
		"much too large": {part: "file", file: "a.png", data: make([]byte, 2*asset.MaxBytes), want: "too_large"},
		"cut":            {part: "file", file: "a.png", data: make([]byte, 5000), cut: 3000, want: "invalid_form"},
		"JSON":           {kind: "application/json", want: "unsupported_media_type"},
		"no boundary":    {kind: "multipart/form-data", want: "unsupported_media_type"},
	} {
		kind, body := fileForm(t, tt.part, tt.file, tt.data)
		if tt.kind != "" {
			kind = tt.kind
		}
		var in io.Reader = body
		if tt.cut > 0 {
			in = io.LimitReader(body, int64(tt.cut))
		}
		_, _, err := readFile(kind, in)
		if code(err) != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}
