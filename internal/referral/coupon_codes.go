package referral

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
)

const (
	codesBatch   = 5000
	refusedShown = 1000
)

// delivery says what became of a delivery of codes.
type delivery struct {
	Lines    int           `json:"lines" doc:"That said something"`
	Added    int           `json:"added"`
	Known    int           `json:"known" doc:"That the list had already, or that were there twice"`
	Refused  int           `json:"refused"`
	Refusals []refusedLine `json:"refusals" doc:"The first 1000"`
}

type refusedLine struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

func (d *delivery) refuse(line int, reason string) {
	if d.Refused++; len(d.Refusals) < refusedShown {
		d.Refusals = append(d.Refusals, refusedLine{line, reason})
	}
}

// deliver takes codes into a list, in transactions of some thousands, and serves who waits for them. A delivery that breaks off is
// simply sent again: what is there already counts as known.
func (m *Module) deliver(ctx context.Context, siteID, keyID, listID int64, format string, body io.Reader) (delivery, error) {
	out := delivery{Refusals: []refusedLine{}}
	l, err := couponListByID(ctx, m.db, siteID, listID)
	if err != nil {
		return out, err
	}
	lines := newCodeLines(body, format)
	batch := make(map[string]int, codesBatch) // code → its line
	for {
		line, err := lines.next()
		if err == nil {
			out.Lines++
			switch _, twice := batch[line.code]; {
			case line.why != "":
				out.refuse(line.number, line.why)
			case twice:
				out.Known++
			default:
				batch[line.code] = line.number
			}
		}
		if len(batch) == codesBatch || err != nil && len(batch) > 0 {
			if err := m.stock(ctx, l, keyID, batch, &out); err != nil {
				return out, err
			}
			clear(batch)
		}
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return out, fault.New(fault.Invalid, "incomplete_body",
				"The body did not arrive whole, or not in time. %d codes of it were taken; please send it again.", out.Added).Because(err)
		}
	}
}

// stock takes a batch of codes, each with its line, and serves who waits.
func (m *Module) stock(ctx context.Context, l *couponList, keyID int64, batch map[string]int, out *delivery) error {
	codes := make([]string, 0, len(batch))
	for c := range batch {
		codes = append(codes, c)
	}
	var made []string
	var rest map[string]knownCode
	err := m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		if made, err = insertCodes(ctx, u.Tx, u.Now, l, codes); err != nil {
			return err
		}
		left := make([]string, 0, len(codes)-len(made))
		fresh := make(map[string]bool, len(made))
		for _, c := range made {
			fresh[c] = true
		}
		for _, c := range codes {
			if !fresh[c] {
				left = append(left, c)
			}
		}
		if rest, err = knownCodes(ctx, u, l.SiteID, left); err != nil || len(made) == 0 {
			return err
		}
		if err := addStock(ctx, u.Tx, []key{{l.SiteID, l.ID}}, []int64{int64(len(made))}, []int64{0}); err != nil {
			return err
		}
		return logCouponList(ctx, u.Tx, u.Now, l.SiteID, l.ID, keyID, "uploaded", map[string]any{"added": len(made), "known": len(left)})
	})
	if err != nil {
		return err
	}
	out.Added += len(made)
	for _, c := range codes { // sorted by now
		k, ok := rest[c]
		switch {
		case !ok:
		case k.ListID == l.ID:
			out.Known++
		case k.ListID != 0:
			out.refuse(batch[c], "stands in coupon list "+itoa(k.ListID))
		default:
			out.refuse(batch[c], "is a code that a campaign names itself")
		}
	}
	if l.Kind != singleUse || len(made) == 0 {
		return nil
	}
	_, err = m.serve(ctx, key{l.SiteID, l.ID})
	return err
}

// formatOf reads a Content-Type.
func formatOf(header string) (string, error) {
	media, _, _ := strings.Cut(header, ";")
	switch media = strings.ToLower(strings.TrimSpace(media)); media {
	case plainText, csvText, ndjson:
		return media, nil
	case "application/ndjson", "application/jsonl":
		return ndjson, nil
	}
	return "", fault.New(fault.Unsupported, "unsupported_media_type", "Codes are sent as text/plain, text/csv or application/x-ndjson, in UTF-8.")
}
