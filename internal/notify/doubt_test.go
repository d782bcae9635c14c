package notify

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDoubt: a worker was frozen while it sent, and its message was told as uncertain; then it wakes up and knows. What it was told
// to be before is taken back, once.
func TestDoubt(t *testing.T) {
	t.Parallel()
	const doubted, failed1 = "notify.message_failed.v1 message:1 uncertain", "notify.message_failed.v1 message:1 failed"
	for _, tt := range []struct {
		saw  []fate
		want []string
	}{
		{[]fate{{status: sent}}, []string{doubted, "notify.message_sent.v1 message:1 doubted "}},
		{[]fate{{status: failed, reason: refused}}, []string{doubted, failed1 + " doubted "}},
		{[]fate{{status: uncertain, reason: lost}}, []string{doubted}},
		{[]fate{{status: uncertain, reason: lost}, {status: sent}, {status: sent}}, []string{doubted, "notify.message_sent.v1 message:1 doubted "}},
	} {
		t.Run(tt.saw[0].status, func(t *testing.T) {
			t.Parallel()
			b := ready(t)
			b.earn(earned(1, 1, 7))
			w, j := b.transmitting()
			b.clock.Move(handLease + time.Second)
			since := b.clock.Now().UTC().Format("2006-01-02T15:04:05Z")
			if err := b.tidy(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			b.clock.Move(time.Hour)
			for _, f := range tt.saw {
				if err := w.finish(t.Context(), j, f, ""); err != nil {
					t.Fatal(err)
				}
			}
			got := b.told()
			for i, want := range tt.want {
				if strings.HasSuffix(want, "doubted ") {
					tt.want[i] = want + since
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("told %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestDoubt_ends_without_an_attempt: a message in doubt is sent again, which nobody may want any more, or which ends in the same doubt.
func TestDoubt_ends_without_an_attempt(t *testing.T) {
	t.Parallel()
	const doubted = "notify.message_failed.v1 message:1 uncertain"
	for name, tt := range map[string]struct {
		then func(b *bench)
		want string
	}{
		"unsubscribed": {func(b *bench) {
			b.unsubscribes(1, 7, "anna@example.com")
			b.round()
		}, "notify.message_suppressed.v1 message:1 doubted "},
		"anonymized":     {func(b *bench) { b.anonymizes(1, 7) }, "notify.message_suppressed.v1 message:1 doubted "},
		"lost once more": {func(b *bench) { b.loses() }, ""},
		"no address any more": {func(b *bench) {
			b.clock.Move(time.Second)
			b.person(1, 7, "", "Anna")
			b.round()
		}, "notify.message_failed.v1 message:1 failed doubted "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := ready(t)
			b.earn(earned(1, 1, 7))
			b.loses()
			want := []string{doubted}
			if tt.want != "" {
				want = append(want, tt.want+b.clock.Now().UTC().Format("2006-01-02T15:04:05Z"))
			}
			if status, body := call(t, b.server(1), "POST", "/api/v2/messages/1/resend"); status != 200 {
				t.Fatal(status, body)
			}
			tt.then(b)
			if got := b.told(); !slices.Equal(got, want) {
				t.Errorf("told %q\nwant %q", got, want)
			}
		})
	}
}

// loses lets a worker die while it sends the one message.
func (b *bench) loses() {
	b.t.Helper()
	b.transmitting()
	b.clock.Move(handLease + time.Second)
	if err := b.tidy(b.t.Context(), false); err != nil {
		b.t.Fatal(err)
	}
}
