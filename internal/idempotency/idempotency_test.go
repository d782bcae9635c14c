package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

func TestMain(m *testing.M) { leaktest.Main(m, pgtest.IgnoreServer()) }

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// module is a pool of a module that keeps keys, as its role.
func module(t *testing.T) *sqlx.DB {
	t.Helper()
	schema := postgres.Schema{Name: "work", Parts: []string{idempotency.Schema}, Files: fstest.MapFS{}}
	url := pgtest.Database(t, "work", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Role: schema.Role(), Size: 25})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// take claims in a transaction of its own, and keeps an answer "n" for each claim that goes ahead.
func take(t *testing.T, db *sqlx.DB, claims ...idempotency.Claim) (out []idempotency.Claimed) {
	t.Helper()
	err := postgres.InTx(t.Context(), db, func(tx *sqlx.Tx) (err error) {
		if out, err = idempotency.Take(t.Context(), tx, "work", now, claims); err != nil {
			return err
		}
		answers := make([][]byte, len(claims))
		for i, c := range out {
			if !c.Replayed && c.Err == nil {
				answers[i] = fmt.Appendf(nil, "answer %d", i)
			}
		}
		return idempotency.Keep(t.Context(), tx, "work", claims, answers)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func claim(site int64, key, print string) idempotency.Claim {
	return idempotency.Claim{SiteID: site, Key: idempotency.Key{Value: key, Fingerprint: print}}
}

// words tells what became of claims.
func words(claimed []idempotency.Claimed) string {
	var all []string
	for _, c := range claimed {
		switch {
		case fault.Is(c.Err, fault.Unprocessable) && !c.Replayed && c.Answer == nil:
			all = append(all, "refused")
		case c.Err != nil:
			all = append(all, c.Err.Error())
		case c.Replayed:
			all = append(all, "replayed "+string(c.Answer))
		default:
			all = append(all, "fresh"+string(c.Answer))
		}
	}
	return strings.Join(all, ", ")
}

func TestTake(t *testing.T) {
	t.Parallel()
	db := module(t)
	for _, step := range []struct {
		says   string
		claims []idempotency.Claim
		want   string
	}{
		{"nothing", nil, ""},
		{"no keys guard nothing", []idempotency.Claim{claim(1, "", "x"), claim(1, "", "x")}, "fresh, fresh"},
		{"a new key goes ahead", []idempotency.Claim{claim(1, "a", "x")}, "fresh"},
		{"the key again", []idempotency.Claim{claim(1, "a", "x")}, "replayed answer 0"},
		{"with another request", []idempotency.Claim{claim(1, "a", "y")}, "refused"},
		{"which did not change it", []idempotency.Claim{claim(1, "a", "x")}, "replayed answer 0"},
		{"another site's", []idempotency.Claim{claim(2, "a", "x"), claim(11, "a", "z")}, "fresh, fresh"},
		{"site and key do not run together", []idempotency.Claim{claim(1, "1 a", "x"), claim(11, " a", "x"), claim(11, "a", "z")}, "fresh, fresh, replayed answer 1"},
		{"one key more than once in a batch", []idempotency.Claim{claim(1, "b", "x"), claim(1, "c", "x"), claim(1, "b", "x"), claim(1, "b", "y"), claim(2, "b", "y"), claim(1, "b", "x")},
			"fresh, fresh, replayed , refused, fresh, replayed "},
		{"all of it", []idempotency.Claim{claim(1, "c", "x"), claim(3, "n", "x"), claim(1, "", ""), claim(2, "b", "y"), claim(1, "b", "x"), claim(1, "a", "y")},
			"replayed answer 1, fresh, fresh, replayed answer 4, replayed answer 0, refused"},
		{"who had the key before decides, not who is first in the batch", []idempotency.Claim{claim(1, "a", "y"), claim(1, "a", "x"), claim(1, "a", "y"), claim(1, "a", "x")},
			"refused, replayed answer 0, refused, replayed answer 0"},
	} {
		if got := words(take(t, db, step.claims...)); got != step.want {
			t.Errorf("%s: %s; want %s", step.says, got, step.want)
		}
	}
}

func TestTake_any_key(t *testing.T) {
	t.Parallel()
	db := module(t)
	keys := []string{
		" ", "'", `"`, `\`, `\x00`, "'; drop table work.idempotency; --", "{}", "{a,b}", "NULL", "null", `","`, "%s %d", "$1", "\t\r\n",
		"ä", "a\u0308", "Ä", "İ", "ß", "ss", "\u202e", "😀", strings.Repeat("k", 255), "key", "KEY", "key ",
	}
	claims := make([]idempotency.Claim, len(keys))
	for i, k := range keys {
		claims[i] = claim(1, k, k)
	}
	if got, want := words(take(t, db, claims...)), strings.TrimSuffix(strings.Repeat("fresh, ", len(keys)), ", "); got != want {
		t.Errorf("first: %s", got)
	}
	for i, c := range take(t, db, claims...) {
		if want := fmt.Sprintf("answer %d", i); !c.Replayed || string(c.Answer) != want {
			t.Errorf("%q again: %s; want %s", keys[i], words([]idempotency.Claimed{c}), want)
		}
	}
}

// do is one request as modules do it, with an answer of its own; work is what it guards.
func do(ctx context.Context, db *sqlx.DB, key idempotency.Key, answer string, work func() error) (said string, replayed bool, err error) {
	err = postgres.InTx(ctx, db, func(tx *sqlx.Tx) (err error) {
		replayed, err = idempotency.Once(ctx, tx, "work", now, 1, key, &said, func() error {
			said = answer
			return work()
		})
		return err
	})
	return said, replayed, err
}

func TestOnce_by_20_at_once_executes_once(t *testing.T) {
	t.Parallel()
	db := module(t)
	for round := range 5 {
		key := idempotency.Key{Value: fmt.Sprint("round ", round), Fingerprint: "x"}
		var all sync.WaitGroup
		var mu sync.Mutex
		gate, answers, executed, repeated := make(chan struct{}), map[string]int{}, 0, 0
		for i := range 20 {
			all.Go(func() {
				<-gate
				said, replayed, err := do(t.Context(), db, key, fmt.Sprint("by ", i), func() error {
					mu.Lock()
					defer mu.Unlock()
					executed++
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				if answers[said]++; err != nil {
					t.Error(err)
				}
				if replayed {
					repeated++
				}
			})
		}
		close(gate)
		all.Wait()
		if executed != 1 || repeated != 19 || len(answers) != 1 || answers[""] != 0 {
			t.Errorf("executed %d times, repeated %d times, answers %v; want one for all", executed, repeated, answers)
		}
	}
}

func TestTake_of_overlapping_batches_does_not_deadlock(t *testing.T) {
	t.Parallel()
	db := module(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			var claims []idempotency.Claim
			for j := range 40 {
				n := j
				if i%2 == 1 {
					n = 39 - j
				}
				claims = append(claims, claim(int64(n%3), fmt.Sprint("key ", n), "x"))
			}
			tries := 0
			err := postgres.InTx(t.Context(), db, func(tx *sqlx.Tx) error {
				tries++
				_, err := idempotency.Take(t.Context(), tx, "work", now, claims)
				return err
			})
			if err != nil || tries != 1 {
				t.Errorf("%d tries, %v", tries, err)
			}
		})
	}
	all.Wait()
}

func TestRolled_back_work_frees_its_key(t *testing.T) {
	t.Parallel()
	db := module(t)
	key, failed := idempotency.Key{Value: "k", Fingerprint: "x"}, errors.New("failed")
	inside, leave := make(chan struct{}), make(chan struct{})
	first := make(chan error)
	go func() {
		_, _, err := do(t.Context(), db, key, "first", func() error { close(inside); <-leave; return failed })
		first <- err
	}()
	<-inside
	second := make(chan string)
	go func() { // waits for the first, then goes ahead in its place
		said, _, err := do(t.Context(), db, key, "second", func() error { return nil })
		second <- fmt.Sprint(said, " ", err)
	}()
	close(leave)
	if err := <-first; !errors.Is(err, failed) {
		t.Errorf("first: %v", err)
	}
	if got := <-second; got != "second <nil>" {
		t.Errorf("second: %s", got)
	}
	if said, _, err := do(t.Context(), db, key, "third", nil); said != "second" || err != nil {
		t.Errorf("third: %s, %v", said, err)
	}
	key.Fingerprint = "y"
	if _, _, err := do(t.Context(), db, key, "other", nil); !fault.Is(err, fault.Unprocessable) {
		t.Errorf("another request: %v", err)
	}
}

func TestOnce_without_a_key_always_works(t *testing.T) {
	t.Parallel()
	db := module(t)
	for i := range 2 {
		want := fmt.Sprint("answer ", i)
		if said, replayed, err := do(t.Context(), db, idempotency.Key{}, want, func() error { return nil }); said != want || replayed || err != nil {
			t.Errorf("%q, replayed %t, %v; want %q", said, replayed, err, want)
		}
	}
}

// TestOnce_answers_that_are_no_JSON: what cannot be kept is not done, and what cannot be read back is no answer.
func TestOnce_answers_that_are_no_JSON(t *testing.T) {
	t.Parallel()
	db := module(t)
	key := idempotency.Key{Value: "k", Fingerprint: "x"}
	once := func(answer any) (replayed bool, err error) {
		err = postgres.InTx(t.Context(), db, func(tx *sqlx.Tx) (err error) {
			replayed, err = idempotency.Once(t.Context(), tx, "work", now, 1, key, answer, func() error { return nil })
			return err
		})
		return replayed, err
	}
	if _, err := once(new(chan int)); err == nil {
		t.Error("a channel was kept")
	}
	if replayed, err := once(new("text")); replayed || err != nil {
		t.Errorf("the key of what could not be kept: replayed %t, %v; want it free", replayed, err)
	}
	if replayed, err := once(new(int)); replayed || err == nil {
		t.Errorf("a text is read as a number: replayed %t, %v", replayed, err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	db := module(t)
	for i := range 5 {
		err := postgres.InTx(t.Context(), db, func(tx *sqlx.Tx) error {
			_, err := idempotency.TakeOne(t.Context(), tx, "work", now.Add(time.Duration(i)*time.Hour), 1, claim(1, fmt.Sprint(i), "x").Key)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	left := func() (keys string) {
		if err := db.Get(&keys, `select coalesce(string_agg(key, '' order by key), '') from work.idempotency`); err != nil {
			t.Fatal(err)
		}
		return keys
	}
	for _, step := range []struct {
		before time.Time
		limit  int
		went   int64
		left   string
	}{
		{now, 10, 0, "01234"},                     // not older: equal
		{now.Add(4 * time.Hour), 3, 3, "34"},      // the oldest first, no more than limit
		{now.Add(4 * time.Hour), 3, 1, "4"},       // the rest
		{now.Add(4 * time.Hour), 3, 0, "4"},       // idle
		{now.Add(1000 * time.Hour), 0, 0, "4"},    // nothing is asked
		{now.Add(1000 * time.Hour), 1000, 1, ""},  // all
		{now.Add(-1000 * time.Hour), 1000, 0, ""}, // none there
	} {
		went, err := idempotency.Sweep(t.Context(), db, "work", step.before, step.limit)
		if got := left(); went != step.went || got != step.left || err != nil {
			t.Errorf("before %s, at most %d: %d went, %q left, %v; want %d, %q", step.before, step.limit, went, got, err, step.went, step.left)
		}
	}
}

// batch does requests as modules do them in sets: each is answered by its place, or refused where no says so.
func batch(t *testing.T, db *sqlx.DB, no map[int]bool, claims ...idempotency.Claim) string {
	t.Helper()
	var done []idempotency.Done[string]
	err := postgres.InTx(t.Context(), db, func(tx *sqlx.Tx) (err error) {
		done, err = idempotency.Batch(t.Context(), tx, "work", now, claims, func(fresh []int, out []idempotency.Done[string]) error {
			for _, i := range fresh {
				if out[i].Value = fmt.Sprint("answer ", i); no[i] {
					out[i] = idempotency.Done[string]{Err: fault.New(fault.Invalid, "no", "not now")}
				}
			}
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range done {
		switch {
		case fault.Is(d.Err, fault.Unprocessable):
			all = append(all, "another's")
		case d.Err != nil:
			all = append(all, "refused")
		case d.Replayed:
			all = append(all, "replayed "+d.Value)
		default:
			all = append(all, d.Value)
		}
	}
	return strings.Join(all, ", ")
}

func TestBatch(t *testing.T) {
	t.Parallel()
	db := module(t)
	for _, step := range []struct {
		says   string
		no     map[int]bool
		claims []idempotency.Claim
		want   string
	}{
		{"nothing", nil, nil, ""},
		{"no keys guard nothing", nil, []idempotency.Claim{claim(1, "", "x"), claim(1, "", "x")}, "answer 0, answer 1"},
		{"a key twice is done once", nil, []idempotency.Claim{claim(1, "a", "x"), claim(2, "a", "x"), claim(1, "a", "x"), claim(1, "a", "y")}, "answer 0, answer 1, replayed answer 0, another's"},
		{"later too", nil, []idempotency.Claim{claim(1, "b", "x"), claim(1, "a", "x"), claim(2, "a", "z")}, "answer 0, replayed answer 0, another's"},
		{"who is refused is refused with all of his key", map[int]bool{0: true}, []idempotency.Claim{claim(1, "c", "x"), claim(1, "d", "x"), claim(1, "c", "x")}, "refused, answer 1, refused"},
		{"and has it free", nil, []idempotency.Claim{claim(1, "d", "x"), claim(1, "c", "y")}, "replayed answer 1, answer 1"},
	} {
		if got := batch(t, db, step.no, step.claims...); got != step.want {
			t.Errorf("%s: %s; want %s", step.says, got, step.want)
		}
	}
}
