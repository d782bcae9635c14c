package referral

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// Every reason of the code has words: who asks why reads a sentence, whatever it was.
func TestAttribution_reasons_all_have_words(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("attribute.go")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`\treason\w+ += "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(all) < 15 {
		t.Fatalf("only %d reasons were found", len(all))
	}
	for _, r := range all {
		if (traced{Cause: r[1], Method: byCookie}).explain(ruleSeen{Days: 7}, time.Now()) == "" {
			t.Errorf("%s has none", r[1])
		}
	}
}
