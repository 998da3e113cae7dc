package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"regexp/syntax"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
)

// turn is a turn of phrase that readers stumble over, and what to write instead.
type turn struct {
	pattern string // of a text on one line, in any case
	unless  string // a pattern of matches that are fine
	instead string
	bad     string // an example that the pattern must find
	good    string // an example that it must not find
}

// turns are kept out of comments, strings, documents and scripts. A pattern is
// narrow enough to have no false alarms.
var turns = []turn{
	{
		pattern: `(there )?\b(is|are|was|were) no [\w-]+ (that|which|who)\b`, unless: `^there `,
		instead: "is not a ... that", bad: "a place that is no folder that we know", good: "there is no folder that we know",
	},
	{
		pattern: `(\b(that|what|which|it|this)|["']|%[qsv]) (is|are|was) no [\w-]+`, unless: ` no (longer|more|less|other|different|better|worse|doubt)$`,
		instead: "is not a ...", bad: "what is no file", good: "it is no longer a file",
	},
	{pattern: `\banew\b`, instead: "again", bad: "is made anew", good: "a new part"},
	{pattern: `\bbelong(s|ed)? into\b`, instead: "belongs in", bad: "what belongs into it", good: "what belongs in it"},
	{
		pattern: `\b(held|h[eo]lds?|holding) ([\w-]+ ){0,3}against\b`,
		instead: "compare with", bad: "is held against the manifest", good: "compared with the manifest",
	},
	{
		pattern: `\b(that stands?\b|stands? already|still stands?)|\bstands?([.,;:)]|$)`,
		unless:  `^that stands? (for|in|on|by|at|out)\b`,
		instead: "exists, or is committed", bad: "a part that stands is kept", good: "what the name stands for",
	},
	{pattern: `\bsigns? of life\b`, instead: "say what it is: a renewed claim, a heartbeat", bad: "without a sign of life", good: "signs"},
	{pattern: `\b(do|does|did) not do for\b`, instead: "is not valid for, cannot", bad: "x does not do for --to", good: "does not do this"},
	{
		pattern: `\b((that|which) (do|does|did) not do([.,;:)]|$)|(do|does|did) not do, (and|but|or)\b)`,
		instead: "is not accepted, cannot replace it", bad: "of another release, which does not do", good: "which run does not do, to measure it",
	},
	{pattern: `\bwould rather\b`, instead: "say what it does: prefers, uses by default", bad: "that would rather use TF32", good: "rather large"},
	{
		pattern: `\bfor good\b( [\w-]+)?`, unless: ` reasons?$`,
		instead: "from then on, permanently, never again", bad: "loads a library for good", good: "left alone for good reasons",
	},
	{pattern: `\bthe way of\b`, instead: "say where it goes", bad: "the way of the pixels", good: "the way that pixels go"},
	{pattern: `\bfor the way([.,;:)]|$)`, instead: "say for what", bad: "too large for the way", good: "in the way"},
	{pattern: `\bby halves\b`, instead: "partly", bad: "does it by halves", good: "in two halves"},
	{pattern: `\b(is|are|was) asked about\b`, instead: "say who asks whom", bad: "a model is asked about", good: "asked for"},
	{pattern: `\bat hand\b`, instead: "available", bad: "the client at hand", good: "by hand"},
	{pattern: `\bbeside\b`, instead: "next to", bad: "a file beside the model", good: "besides"},
	{pattern: `\b(go|goes|went) on\b`, instead: "continue", bad: "running again goes on", good: "ongoing"},
	{
		pattern: `\b(lie|lies|lay) (in|under|at|next|where|there|elsewhere)\b`,
		instead: "is in", bad: "the file lies in a folder", good: "lies outside the interval",
	},
	{pattern: `\bgoes by\b`, instead: "follows, uses", bad: "the order goes by name", good: "as time passes"},
}

// allowedTurns are matches that stay, each with its reason.
var allowedTurns = []struct {
	path, phrase, reason string
}{
	{path: "cmd/batchscore/english_test.go", phrase: "", reason: "the list itself"},
	{path: "scorer/store/azblob/errors.go", phrase: "lies in", reason: "the error of a row, whose bytes stay as they are"},
	{path: "scorer/fault41_test.go", phrase: "lies in", reason: "the error of a row, whose bytes stay as they are"},
}

// TestEnglish keeps turns of phrase out of the repository that are not English,
// or that readers have to decode.
func TestEnglish(t *testing.T) {
	t.Parallel()
	for _, file := range writtenFiles(t) {
		for _, p := range passages(t, file) {
			for _, m := range p.find() {
				if !isAllowed(file.path, m.phrase) {
					t.Errorf("%s:%d: %q: write %q", file.path, m.line, m.phrase, m.instead)
				}
			}
		}
	}
}

// TestEnglishFindsTurns proves each pattern of TestEnglish with its examples.
func TestEnglishFindsTurns(t *testing.T) {
	t.Parallel()
	for _, turn := range turns {
		t.Run(turn.bad, func(t *testing.T) {
			wrapped := strings.Replace(turn.bad, " ", "\n// ", 1)
			file := sourceFile{path: "x.go", text: "package x\n\n// " + wrapped + "\nvar x = `" + turn.bad + "`\n"}
			var got []int
			for _, p := range passages(t, file) {
				for _, f := range p.find() {
					if f.instead == turn.instead {
						got = append(got, f.line)
					}
				}
			}
			if want := []int{3, 5}; len(got) != 2 || got[0] > 4 || got[1] != 4+strings.Count(wrapped, "\n") {
				t.Errorf("found in lines %v of %q, want %v", got, file.text, want)
			}
			for _, f := range (&passage{lines: []string{turn.good}}).find() {
				if f.instead == turn.instead {
					t.Errorf("found %q in %q, want nothing", f.phrase, turn.good)
				}
			}
		})
	}
}

// TestEnglishReports keeps doc comments of functions that return a bool to the form
// that Go uses: "f reports whether".
func TestEnglishReports(t *testing.T) {
	t.Parallel()
	for _, file := range writtenFiles(t) {
		if !strings.HasSuffix(file.path, ".go") {
			continue
		}
		for _, wrong := range wrongReports(t, file) {
			t.Error(wrong)
		}
	}
}

func TestEnglishFindsWrongReports(t *testing.T) {
	t.Parallel()
	const head = "package x\n\n"
	for _, test := range []struct {
		name, text string
		want       int
	}{
		{name: "says whether", text: "// f says whether it is.\nfunc f() bool { return true }\n", want: 1},
		{name: "says that", text: "// f says that it is.\nfunc (t T) f() (ok bool) { return true }\n", want: 1},
		{name: "tells if", text: "// f tells if it is.\nfunc f() bool { return true }\n", want: 1},
		{name: "reports whether", text: "// f reports whether it is.\nfunc f() bool { return true }\n", want: 0},
		{name: "no bool", text: "// f says whether it is.\nfunc f() string { return \"\" }\n", want: 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := wrongReports(t, sourceFile{path: "x.go", text: head + test.text}); len(got) != test.want {
				t.Errorf("wrongReports = %q, want %d of them", got, test.want)
			}
		})
	}
}

var saysWhether = regexp.MustCompile(`^\w+ (says?|tells?|is) (that|whether|if|true)\b`)

// wrongReports returns one error text for each function of a Go file that
// returns a bool and whose comment does not say "reports whether".
func wrongReports(t *testing.T, file sourceFile) []string {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file.path, file.text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for _, decl := range parsed.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Doc == nil || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
			continue
		}
		if result, ok := f.Type.Results.List[0].Type.(*ast.Ident); !ok || result.Name != "bool" {
			continue
		}
		if m := saysWhether.FindString(f.Doc.Text()); m != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %q: write \"%s reports whether\"", set.Position(f.Pos()), m, f.Name.Name))
		}
	}
	return wrong
}

// passage is text whose lines belong together, so that a turn of phrase may
// begin on one and end on the next.
type passage struct {
	first int // number of the first line
	lines []string
}

// match is one turn of phrase that was found.
type match struct {
	line            int
	phrase, instead string
}

// passages returns the text of a file that people read: of Go, its comments and
// strings; of everything else, all of it.
func passages(t *testing.T, file sourceFile) []passage {
	t.Helper()
	if !strings.HasSuffix(file.path, ".go") {
		return []passage{{first: 1, lines: strings.Split(file.text, "\n")}}
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file.path, file.text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []passage
	add := func(at token.Pos, text string) {
		all = append(all, passage{first: set.Position(at).Line, lines: strings.Split(text, "\n")})
	}
	for _, group := range parsed.Comments {
		var lines []string
		for _, c := range group.List {
			lines = append(lines, strings.Split(c.Text, "\n")...)
		}
		add(group.Pos(), strings.Join(lines, "\n"))
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			add(lit.Pos(), strings.Trim(lit.Value, "`\""))
		}
		return true
	})
	return all
}

// marker is what begins a line of a comment, a list or a quotation.
var marker = regexp.MustCompile(`^\s*(//|#+|\*|>|-)?\s*`)

// compiledTurn is a turn with its patterns.
type compiledTurn struct {
	turn
	find, fine *regexp.Regexp
	needs      []string // of which each match has one, in lower case
}

// compiledTurns has the turns in order. Processes that tests start do not need them.
var compiledTurns = sync.OnceValue(compileTurns)

func compileTurns() []compiledTurn {
	var all []compiledTurn
	for _, turn := range turns {
		parsed, err := syntax.Parse(turn.pattern, syntax.Perl)
		if err != nil {
			panic(err)
		}
		c := compiledTurn{turn: turn, find: regexp.MustCompile(`(?i)` + turn.pattern), needs: needs(parsed)}
		if turn.unless != "" {
			c.fine = regexp.MustCompile(`(?i)` + turn.unless)
		}
		all = append(all, c)
	}
	return all
}

// needs returns texts of which each match of an expression contains one, as long as there are
// some; nil if it knows of none. Looking for them first takes a tenth of the time.
func needs(re *syntax.Regexp) []string {
	shortest := func(texts []string) int {
		n := 0
		for i, text := range texts {
			if i == 0 || len(text) < n {
				n = len(text)
			}
		}
		return n
	}
	var found []string
	switch re.Op {
	case syntax.OpLiteral:
		found = []string{string(re.Rune)}
	case syntax.OpCapture, syntax.OpPlus:
		found = needs(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if texts := needs(sub); shortest(texts) > shortest(found) {
				found = texts
			}
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			texts := needs(sub)
			if texts == nil {
				return nil
			}
			found = append(found, texts...)
		}
	}
	return found
}

// find returns the turns in a passage.
func (p *passage) find() []match {
	var text strings.Builder
	var starts []int // of each line in text
	for _, line := range p.lines {
		starts = append(starts, text.Len())
		text.WriteString(marker.ReplaceAllString(line, "") + " ")
	}
	whole := strings.TrimSuffix(text.String(), " ")
	lower := strings.ToLower(whole)
	var found []match
	for _, turn := range compiledTurns() {
		if turn.needs != nil && !slices.ContainsFunc(turn.needs, func(text string) bool { return strings.Contains(lower, text) }) {
			continue
		}
		for _, at := range turn.find.FindAllStringIndex(whole, -1) {
			phrase := whole[at[0]:at[1]]
			if turn.fine != nil && turn.fine.MatchString(phrase) {
				continue
			}
			line := sort.SearchInts(starts, at[0]+1) - 1
			found = append(found, match{line: p.first + line, phrase: phrase, instead: turn.instead})
		}
	}
	return found
}

// isAllowed reports whether a phrase may stay in a file.
func isAllowed(path, phrase string) bool {
	for _, a := range allowedTurns {
		if a.path == path && (a.phrase == "" || strings.EqualFold(a.phrase, phrase)) {
			return true
		}
	}
	return false
}
