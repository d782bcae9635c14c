package page

import (
	"embed"
	"encoding/json"
	"strings"
	"unicode"

	"golang.org/x/text/language"

	"github.com/talkable/talkable/internal/gateway/gatewayapi"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

//go:embed words
var wordFiles embed.FS

// words are the sentences of the pages, by language and name.
var words = func() map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, l := range gatewayapi.Languages {
		text, err := wordFiles.ReadFile("words/" + l + ".json")
		if err != nil {
			panic(err) // the files are part of the build; a test sees it first
		}
		said := map[string]string{}
		if err := json.Unmarshal(text, &said); err != nil {
			panic(l + ": " + err.Error())
		}
		out[l] = said
	}
	return out
}()

var languages = func() language.Matcher {
	var tags []language.Tag
	for _, l := range gatewayapi.Languages {
		tags = append(tags, language.Make(l))
	}
	return language.NewMatcher(tags)
}()

// languageOf is that of the pages which the browser likes best, or the site's.
func languageOf(accepted string, look gatewayapi.Look) string {
	wanted, _, err := language.ParseAcceptLanguage(accepted)
	if err == nil && len(wanted) > 0 {
		if _, i, sure := languages.Match(wanted...); sure > language.Low {
			return gatewayapi.Languages[i]
		}
	}
	return look.Language
}

// say is a sentence in the site's words, or in ours; pairs are what is filled in, by name.
func (f frame) say(name string, pairs ...string) string {
	text := f.look.Texts[f.Lang][name]
	if text == "" {
		text = words[f.Lang][name]
	}
	if !strings.Contains(text, "{{") {
		return text
	}
	fill := []string{"{{site}}", f.Site}
	for i := 0; i+1 < len(pairs); i += 2 {
		fill = append(fill, "{{"+pairs[i]+"}}", pairs[i+1])
	}
	return strings.NewReplacer(fill...).Replace(text)
}

// Say is say, for templates.
func (f frame) Say(name string) string { return f.say(name) }

// promises are what incentives give one side, in words.
func (f frame) promises(of map[string]referralapi.Incentive, friend bool) string {
	var out []string
	for _, action := range []string{"click", "referred", "referrer"} { // what comes first is said first
		for _, name := range sortedNames(of) {
			i := of[name]
			if i.ActionType != action || i.ForFriend != friend {
				continue
			}
			out = append(out, f.promise(i))
		}
	}
	return joined(out, f.say("and"))
}

func (f frame) promise(i referralapi.Incentive) string {
	switch amount := string(i.Amount); {
	case i.IncentiveType == "rebate":
		return f.say("back", "value", i.Description)
	case i.IncentiveType == "discount_coupon" && (amount == "" || amount == "null"): // its description is the code
		return f.say("coupon")
	case i.IncentiveType == "discount_coupon":
		return f.say("off", "value", i.Description)
	}
	return i.Description
}

func joined(list []string, and string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + and + list[len(list)-1]
}

const longestName = 40 // runes

// friendly is a name that may stand on a page for others: people type theirs themselves. One that could be an address or an
// advertisement isn't used.
func friendly(name string) string {
	name = strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " ")
	runes := []rune(name)
	if len(runes) > longestName {
		return ""
	}
	for _, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune(" '’-", r) {
			return ""
		}
	}
	return name
}
