package web_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/web"
)

// Inner and the others here are exported, as embedded answers are.
type (
	Inner struct {
		N int `json:"n"`
	}
	Some struct {
		Extra string `json:"extra"`
	}
	Amount struct{}

	AnswerShape struct {
		Plain    Inner   `json:"plain"`
		Pointer  *Inner  `json:"pointer"`
		Left     *Inner  `json:"left,omitempty"`
		*Some            // all of it may be missing
		Optional *int    `json:"optional"`
		Amount   *Amount `json:"amount"`
	}
)

// Schema is that of a number, as our own kinds of numbers say.
func (Amount) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber} }

func TestDescription_says_what_may_be_null_or_missing(t *testing.T) {
	api := web.NewAPI(chi.NewRouter(), "t", "1", "")
	huma.Register(api, huma.Operation{OperationID: "get", Method: "GET", Path: "/x"},
		func(context.Context, *struct{}) (*web.OK[AnswerShape], error) { return nil, nil })
	text, err := web.Description(api)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Required   []string
				Properties map[string]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	got := doc.Components.Schemas["Web_testAnswerShape"]
	if want := []string{"plain", "pointer", "optional", "amount"}; !slices.Equal(got.Required, want) {
		t.Errorf("required are %v, want %v", got.Required, want)
	}
	for name, want := range map[string]string{
		"plain":    `{"$ref":"#/components/schemas/Web_testInner"}`,
		"pointer":  `{"anyOf":[{"$ref":"#/components/schemas/Web_testInner"},{"type":"null"}]}`,
		"left":     `{"$ref":"#/components/schemas/Web_testInner"}`,
		"extra":    `{"type":"string"}`,
		"optional": `{"format":"int64","type":["integer","null"]}`,
		"amount":   `{"type":["number","null"]}`,
	} {
		if s := string(got.Properties[name]); s != want {
			t.Errorf("%s is %s, want %s", name, s, want)
		}
	}
}
