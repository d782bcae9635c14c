package referral

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

// byMove is how a referral was found that was made elsewhere, and causeMoved why it stands as it does.
const (
	byMove     = "moved"
	causeMoved = "moved"
)

// Kinds of what is taken in once for each number.
const (
	movedReferral = "referral"
	movedReward   = "reward"
	movedBalance  = "balance"
)

const aboutMoves = "site"

// mostNumber is the longest number of another's, and the longest name of a source.
const mostNumber, mostSource = 200, 40

// taken is what became of a row: true if it is new.
type taken = postgres.Result[bool]

// refused is why a row can't be taken in. member is the row's.
func refused(code, member, detail string) error {
	return fault.New(fault.Invalid, code, "%s", detail).At("/data/"+member, detail)
}

// checkSource says why a source can't have this name.
func checkSource(source string) error {
	if len(source) == 0 || len(source) > mostSource || strings.Trim(source, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return fault.New(fault.Invalid, "invalid_source", "The source needs a name of 1 to %d of a-z, 0-9, _ and -.", mostSource)
	}
	return nil
}

// takeIn runs a set in one transaction, and again where somebody else took in the same meanwhile.
func (m *Module) takeIn(ctx context.Context, source string, work func(u *bus.Unit) error) error {
	if err := checkSource(source); err != nil {
		return err
	}
	err := m.outbox.InTx(ctx, work)
	for try := 1; err != nil && try < 3 && (raced(err) || postgres.Violates(err, "moved_pkey") || postgres.Violates(err, "attribution_pkey") || postgres.Violates(err, "coupon_code")); try++ {
		err = m.outbox.InTx(ctx, work)
	}
	return err
}

// movedRow is a number that was taken in.
type movedRow struct {
	Number    string `db:"number"`
	SubjectID int64  `db:"subject_id"`
	Digest    string `db:"digest"`
}

// digestOf is what was said, so that the same number can't say something else later.
func digestOf(said any) string {
	text, err := json.Marshal(said)
	if err != nil {
		panic(err) // plain fields
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// fresh says which rows of a set are to be taken in, and notes of the others that they are known, or say something else by now.
func fresh(known map[string]movedRow, numbers, digests []string, out []taken) []int {
	var todo []int
	for i, n := range numbers {
		before, was := known[n]
		switch {
		case out[i].Err != nil:
		case n == "" || len(n) > mostNumber:
			out[i].Err = refused("invalid_external_id", "external_id", fmt.Sprintf("must have 1 to %d characters", mostNumber))
		case was && before.Digest != digests[i]:
			out[i].Err = refused("moved_before", "external_id", "was taken in before, and said something else then")
		case !was:
			known[n] = movedRow{Number: n, Digest: digests[i]} // a second one of the set is known
			todo = append(todo, i)
		}
	}
	return todo
}

// noteMove keeps in the audit log that somebody took in a set.
func (m *Module) noteMove(ctx context.Context, u *bus.Unit, siteID int64, action, source string, counts map[string]int) error {
	for _, n := range counts {
		if n > 0 {
			return writeAudit(ctx, u.Tx, u.Now, siteID, audit.Change{Action: action, Subject: aboutMoves, Reason: "moved here from " + source, After: counts})
		}
	}
	return nil
}
