package referral

import (
	"context"
	"encoding/csv"
	"io"
	"strings"

	"github.com/talkable/talkable/internal/money"
)

const csvChunk = 500

// writeCSV writes a batch as a list to pay by, a chunk at a time: what a bank or a provider's upload asks for, and the line's id to tell its outcome by.
func (m *Module) writeCSV(ctx context.Context, b *payoutBatch, to io.Writer) error {
	w := csv.NewWriter(to)
	if err := w.Write([]string{"line_id", "person_id", "email", "first_name", "last_name", "amount", "currency", "status", "reference", "reason"}); err != nil {
		return err
	}
	for after := int64(0); ; {
		lines, err := linesAfter(ctx, m.db, b.SiteID, b.ID, after, csvChunk)
		if err != nil {
			return err
		}
		who, err := m.payeesOf(ctx, b.SiteID, lines)
		if err != nil {
			return err
		}
		for _, l := range lines {
			p := who[l.PersonID]
			err := w.Write([]string{itoa(l.ID), itoa(l.PersonID), cell(p.Email), cell(p.FirstName), cell(p.LastName), money.Format(l.Amount, b.Currency),
				b.Currency, l.Status, cell(l.Reference), cell(l.Reason)})
			if err != nil {
				return err
			}
		}
		if w.Flush(); w.Error() != nil || len(lines) < csvChunk {
			return w.Error()
		}
		after = lines[len(lines)-1].ID
	}
}

// cell is a text that no spreadsheet takes for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(s[0])) {
		return "'" + s
	}
	return s
}
