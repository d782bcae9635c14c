package criteria

import (
	"reflect"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/talkable/talkable/internal/fault"
)

// Limits of a condition. The cost is CEL's own measure, about a unit an operation; the time is a net for where it is wrong.
const (
	MaxLength = 2000 // characters of the text
	maxDepth  = 40
	maxNodes  = 2000
	maxRegex  = 1000 // steps of a compiled pattern
	maxCost   = 20_000
	maxTime   = 2 * time.Second

	kept = 2000 // compiled conditions in memory
)

// Criteria is a condition that was checked. It may be asked by many at once.
type Criteria struct {
	text    string
	program cel.Program
	uses    map[string]bool  // variables: "friend"
	named   map[string]bool  // members: "friend.id"
	seen    map[string][]int // members whose values are kept with a decision, by their place in Facts
}

// compiled remembers conditions by their text, which is all that they depend on.
var compiled = sync.OnceValue(func() *lru.Cache[string, *Criteria] {
	c, err := lru.New[string, *Criteria](kept)
	if err != nil {
		panic(err) // the size is positive
	}
	return c
})

// Compile checks a condition. Its error is a fault that says where in the text it is wrong; an empty text is always met.
func Compile(text string) (*Criteria, error) {
	if c, ok := compiled().Get(text); ok {
		return c, nil
	}
	c, err := compile(text)
	if err == nil {
		compiled().Add(text, c)
	}
	return c, err
}

func compile(text string) (*Criteria, error) {
	c := &Criteria{text: text, uses: map[string]bool{}, named: map[string]bool{}, seen: map[string][]int{}}
	if strings.TrimSpace(text) == "" {
		return c, nil
	}
	if n := utf8.RuneCountInString(text); n > MaxLength || !utf8.ValidString(text) {
		return nil, wrong(1, 1, "must be at most %d characters of valid UTF-8", MaxLength)
	}
	checked, issues := environment().Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, wrong(max(first.Location.Line(), 1), max(first.Location.Column()+1, 1), "%s", plain(first.Message))
	}
	if out := checked.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.StringType) && !out.IsExactType(cel.DynType) {
		return nil, wrong(1, 1, "must give true, false or a text, and this gives %s", cel.FormatCELType(out))
	}
	if err := patterns(checked.NativeRep()); err != nil {
		return nil, err
	}
	program, err := environment().Program(checked, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, wrong(1, 1, "%s", plain(err.Error()))
	}
	c.program = program
	c.look(checked.NativeRep().Expr())
	return c, nil
}

func wrong(line, column int, detail string, args ...any) error {
	return fault.New(fault.Invalid, "invalid_criteria", "Line "+strconv.Itoa(line)+", column "+strconv.Itoa(column)+": "+detail, args...)
}

// plain keeps the first line of a message, within bounds: it is shown.
func plain(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	if runes := []rune(message); len(runes) > 300 {
		message = string(runes[:300]) + "…"
	}
	return strings.ToValidUTF8(message, "?")
}

// patterns refuses regular expressions that are wrong, large, or made at run time. CEL's own check of their size panics over a pattern
// with a repetition, so it isn't asked for.
func patterns(checked *ast.AST) error {
	var first error
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "matches" || first != nil {
			return
		}
		arguments := e.AsCall().Args()
		pattern := arguments[len(arguments)-1]
		if why := badPattern(pattern); why != "" {
			at := checked.SourceInfo().GetStartLocation(pattern.ID())
			first = wrong(at.Line(), at.Column()+1, "%s", why)
		}
	}))
	return first
}

func badPattern(e ast.Expr) string {
	if e.Kind() != ast.LiteralKind {
		return "a pattern must be written out, not made"
	}
	text, ok := e.AsLiteral().(types.String)
	if !ok {
		return "a pattern must be a text"
	}
	parsed, err := syntax.Parse(string(text), syntax.Perl)
	if err != nil {
		return plain(err.Error())
	}
	if steps, err := syntax.Compile(parsed.Simplify()); err != nil || len(steps.Inst) > maxRegex {
		return "the pattern is too large"
	}
	return ""
}

// environment is the language: CEL's own functions, the variables of Facts, and lowerAscii. Functions that could make a long text of
// a short one (replace, join, format) are left out on purpose: the cost of their results isn't counted.
var environment = sync.OnceValue(func() *cel.Env {
	var env *cel.Env
	options := []cel.EnvOption{
		ext.NativeTypes(ext.ParseStructTags(true), reflect.TypeFor[Person](), reflect.TypeFor[Origin](), reflect.TypeFor[Item](),
			reflect.TypeFor[Campaign](), reflect.TypeFor[Share](), reflect.TypeFor[Click](),
			reflect.TypeFor[Member](), reflect.TypeFor[History](), reflect.TypeFor[Mail](), reflect.TypeFor[Date]()),
		cel.ParserExpressionSizeLimit(MaxLength), cel.ParserRecursionLimit(maxDepth), cel.ExpressionNodeLimit(maxNodes),
		cel.DefaultUTCTimeZone(true), cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		cel.Function("lowerAscii", cel.MemberOverload("string_lower_ascii", []*cel.Type{cel.StringType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.String(lower(string(v.(types.String)))) }))),
		cel.Function("date", cel.Overload("date_of_string", []*cel.Type{cel.StringType}, celType(reflect.TypeFor[Date]()),
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				return env.CELTypeAdapter().NativeToValue(ParseDate(string(v.(types.String))))
			}))),
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Facts]()) {
		options = append(options, cel.Variable(f.Tag.Get("cel"), celType(f.Type)))
	}
	var err error
	if env, err = cel.NewEnv(options...); err != nil {
		panic(err) // Facts are what they are when this is built, and every test asks for them
	}
	return env
})

func celType(t reflect.Type) *cel.Type {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return cel.TimestampType
	case t.Kind() == reflect.Slice:
		return cel.ListType(celType(t.Elem()))
	default:
		return cel.ObjectType("criteria." + t.Name())
	}
}

// lower folds ASCII only, so that no letter becomes another one.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// look notes which variables and members the condition names.
func (c *Criteria) look(e ast.Expr) {
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			if f, ok := field(reflect.TypeFor[Facts](), e.AsIdent()); ok {
				c.uses[e.AsIdent()] = true
				if f.Type == reflect.TypeFor[time.Time]() {
					c.seen[e.AsIdent()] = f.Index
				}
			}
		case ast.SelectKind:
			c.lookAt(e.AsSelect())
		}
	}))
}

func (c *Criteria) lookAt(s ast.SelectExpr) {
	if s.Operand().Kind() != ast.IdentKind {
		return
	}
	name := s.Operand().AsIdent()
	of, ok := field(reflect.TypeFor[Facts](), name)
	if !ok || of.Type.Kind() != reflect.Struct {
		return
	}
	if member, ok := field(of.Type, s.FieldName()); ok {
		c.named[name+"."+s.FieldName()] = true
		if _, personal := member.Tag.Lookup("personal"); !personal {
			c.seen[name+"."+s.FieldName()] = append(of.Index[:len(of.Index):len(of.Index)], member.Index...)
		}
	}
}

func field(t reflect.Type, name string) (reflect.StructField, bool) {
	return t.FieldByNameFunc(func(n string) bool {
		f, _ := t.FieldByName(n)
		return f.Tag.Get("cel") == name
	})
}
