package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/batchscore/batchscore/models/fetched"
	"github.com/batchscore/batchscore/models/ort"
)

// markdownFiles returns the repository's Markdown files, relative to its root.
func markdownFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, file := range trackedFiles(t) {
		if strings.HasSuffix(file, ".md") {
			files = append(files, file)
		}
	}
	if len(files) < 6 {
		t.Fatalf("%d Markdown files are tracked, want README.md, BENCHMARKS.md and the guides at least", len(files))
	}
	return files
}

// readDocument returns a file of the repository.
func readDocument(t *testing.T, file string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var fence = regexp.MustCompile("(?ms)^```.*?^```$")

// headingAnchor returns the anchor that GitHub gives a heading.
func headingAnchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.ReplaceAll(heading, "`", "")) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

// anchors returns the anchors of a Markdown file's headings, and those that it sets itself.
func anchors(body string) []string {
	var all []string
	body = fence.ReplaceAllString(body, "")
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(body, -1) {
		all = append(all, headingAnchor(m[1]))
	}
	for _, m := range regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestLinks checks that links between the repository's documents lead to files
// and headings that exist.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)
	checked := 0
	headings := map[string][]string{} // by document
	for _, file := range markdownFiles(t) {
		body := readDocument(t, file)
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(body, ""), -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") {
				continue
			}
			checked++
			name, anchor, _ := strings.Cut(target, "#")
			to := file
			if name != "" {
				to = path.Join(path.Dir(file), name)
				info, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(to)))
				if err != nil {
					t.Errorf("%s: the link %s leads nowhere: %v", file, target, err)
					continue
				}
				if anchor == "" || info.IsDir() {
					continue
				}
			}
			if headings[to] == nil {
				headings[to] = anchors(readDocument(t, to))
			}
			if !slices.Contains(headings[to], anchor) {
				t.Errorf("%s: the link %s leads to a heading that %s does not have", file, target, to)
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d links within the repository were checked, want 20 at least", checked)
	}
}

// shellWord is a word of a command line, with spaces only in quotation marks.
var shellWord = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)

// documentedCommandLines returns the commands in a document's sh blocks, one per line, split
// into words.
func documentedCommandLines(t *testing.T, file string) [][]string {
	t.Helper()
	var all [][]string
	for _, b := range fencedBlocks(t, file) {
		if b.info != "sh" && !strings.HasPrefix(b.info, "sh ") {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", "")) {
			line, _, _ = strings.Cut(line, " #")
			var words []string
			for _, word := range shellWord.FindAllString(line, -1) {
				if slices.Contains([]string{"|", "||", "&", "&&"}, word) || strings.HasPrefix(strings.TrimLeft(word, "12"), ">") {
					break
				}
				words = append(words, strings.Trim(word, `'"`))
			}
			for len(words) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
				words = words[1:]
			}
			if len(words) > 0 {
				all = append(all, words)
			}
		}
	}
	return all
}

// TestDocumentedCommands checks that every batchscore command line in the
// documents has a command, flags and arguments that the program knows, and that
// every "make TARGET" has its target.
func TestDocumentedCommands(t *testing.T) {
	makefile := readDocument(t, "Makefile")
	checked := 0
	for _, file := range markdownFiles(t) {
		for _, words := range documentedCommandLines(t, file) {
			if start := slices.Index(words, "batchscore"); words[0] == "mpirun" && start > 0 {
				words = words[start:]
			}
			if path.Base(words[0]) != "batchscore" {
				continue
			}
			checked++
			if err := parseCommandLine(words[1:]); err != nil {
				t.Errorf("%s: %q: %v", file, strings.Join(words, " "), err)
			}
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^ *)make (?:-s )?([a-z-]+)").FindAllStringSubmatch(readDocument(t, file), -1) {
			checked++
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names %q, but the Makefile has no target %s", file, strings.TrimSpace(m[0]), m[1])
			}
		}
	}
	if checked < 60 {
		t.Errorf("%d commands were checked, want 60 at least", checked)
	}
}

// parseCommandLine parses a command line without executing it.
func parseCommandLine(args []string) error {
	cmd, rest, err := newRoot(nil).Find(args)
	if err != nil {
		return err
	}
	if cmd.HasAvailableSubCommands() {
		if len(rest) > 0 && rest[0] != "--help" {
			return usagef("there is no command %q", rest[0])
		}
		return nil
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	operands := cmd.Flags().Args()
	if dash := cmd.ArgsLenAtDash(); cmd.Name() == "launch" && dash >= 0 {
		return parseCommandLine(append([]string{"run"}, operands[dash:]...))
	}
	return cmd.ValidateArgs(operands)
}

// TestParseCommandLine checks that unknown commands and flags are noticed.
func TestParseCommandLine(t *testing.T) {
	for _, tt := range []struct {
		line string
		ok   bool
	}{
		{line: "run --images photos --out result --model m.onnx", ok: true},
		{line: "launch -n 2 -- --images photos --out result", ok: true},
		{line: "jobs", ok: true},
		{line: "--help", ok: true},
		{line: "verify result", ok: true},
		{line: "verify", ok: false},
		{line: "score result", ok: false},
		{line: "jobs forget", ok: false},
		{line: "run --picture photos", ok: false},
		{line: "launch -n 2 -- --picture photos", ok: false},
	} {
		t.Run(tt.line, func(t *testing.T) {
			if err := parseCommandLine(strings.Fields(tt.line)); (err == nil) != tt.ok {
				t.Errorf("parseCommandLine(%q) = %v, want ok %v", tt.line, err, tt.ok)
			}
		})
	}
}

// TestDocumentsAreLinked checks that README.md links to each document.
func TestDocumentsAreLinked(t *testing.T) {
	readme := readDocument(t, "README.md")
	for _, file := range markdownFiles(t) {
		if strings.HasPrefix(file, "docs/") && !strings.Contains(readme, "("+file+")") {
			t.Errorf("README.md has no link to %s", file)
		}
	}
}

// TestNamedFilesExist checks that the paths of the repository that
// docs/architecture.md and docs/contributing.md name in code style exist, and
// that identifiers named as pkg.Name are declared in that package.
func TestNamedFilesExist(t *testing.T) {
	files := trackedFiles(t)
	folders := map[string]bool{}
	for _, file := range files {
		for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	declared := goDeclarations(t, files)
	code := regexp.MustCompile("`([^`\n]+)`")
	name := regexp.MustCompile(`^(?:([a-z0-9/]+)\.)?([A-Z]\w*)$`)
	checked := 0
	for _, doc := range []string{"docs/architecture.md", "docs/contributing.md"} {
		for _, m := range code.FindAllStringSubmatch(fence.ReplaceAllString(readDocument(t, doc), ""), -1) {
			word := strings.TrimSuffix(m[1], "/")
			top, _, nested := strings.Cut(word, "/")
			switch {
			case nested && folders[top] && !strings.ContainsAny(word, " *<.") || regexp.MustCompile(`^[\w./-]+/[\w.-]+\.(go|sh|md|tmpl|c|yaml|json)$`).MatchString(word):
				checked++
				if !folders[word] && !slices.Contains(files, word) {
					t.Errorf("%s names %s, which does not exist", doc, word)
				}
			case name.MatchString(word) && strings.Contains(word, "."):
				checked++
				if !declared[word] {
					t.Errorf("%s names %s, which no package declares", doc, word)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d names were checked, want 20 at least", checked)
	}
}

// TestArchitecture checks that docs/architecture.md lists the rules of TestArrows
// and every package, or the folder that a package is in. It need not list each
// engine. With -update it writes the rules.
func TestArchitecture(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("\n")
	for _, m := range regexp.MustCompile(`\n\t+name: "([^"]+)"`).FindAllStringSubmatch(readDocument(t, "cmd/batchscore/arch_test.go"), -1) {
		name := []rune(m[1])
		rules.WriteString("- " + string(unicode.ToUpper(name[0])) + string(name[1:]) + ".\n")
	}
	rules.WriteString("\n")
	if n := strings.Count(rules.String(), "\n"); n < 12 {
		t.Fatalf("found %d rules in arch_test.go, want 10 at least", n-2)
	}
	checkGenerated(t, "docs/architecture.md", "<!-- rules: \"make reference\" writes them from cmd/batchscore/arch_test.go -->\n",
		"<!-- end of the rules -->\n", rules.String())

	page, engines := readDocument(t, "docs/architecture.md"), readDocument(t, "deploy/engines/engines.go")
	for _, file := range trackedFiles(t) {
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || strings.Contains(file, "/testdata/") {
			continue
		}
		named := false
		for folder := path.Dir(file); strings.Contains(folder, "/") && !named; folder = path.Dir(folder) {
			named = strings.Contains(page, "`"+folder+"`") || strings.Contains(engines, `"`+module+"/"+folder+`"`)
		}
		if top := path.Dir(file); !named && !(!strings.Contains(top, "/") && strings.Contains(page, "`"+top+"`")) {
			t.Errorf("docs/architecture.md does not say what %s owns", path.Dir(file))
		}
	}
}

// goDeclarations returns the exported names that the repository's Go packages
// declare at their top level, as folder.Name with the last element of the folder
// or the whole of it.
func goDeclarations(t *testing.T, files []string) map[string]bool {
	t.Helper()
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^(?:func (?:\([^)]*\) )?|type |var |const |\t)([A-Z]\w*)\b`)
	for _, file := range files {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		body, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if os.IsNotExist(err) {
			continue // removed in the working tree, not yet in the index
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declaration.FindAllSubmatch(body, -1) {
			declared[path.Dir(file)+"."+string(m[1])] = true
			declared[path.Base(path.Dir(file))+"."+string(m[1])] = true
		}
	}
	return declared
}

// TestGlossary checks that docs/glossary.md is sorted, that it explains the words that
// the other documents link to it for, and that its words of measurements are those of the
// benchmarks.
func TestGlossary(t *testing.T) {
	term := regexp.MustCompile(`(?m)^\*\*([^*]+)\*\*`)
	glossary, measurements, found := strings.Cut(readDocument(t, "docs/glossary.md"), "\n## Words of measurements\n")
	if !found {
		t.Fatal("docs/glossary.md has no words of measurements")
	}
	var terms []string
	for _, m := range term.FindAllStringSubmatch(glossary, -1) {
		terms = append(terms, m[1])
	}
	bench := ""
	for _, name := range trackedFiles(t) {
		if (strings.HasPrefix(name, "bench/") || strings.HasPrefix(name, "cmd/batchscore/bench")) && strings.HasSuffix(name, ".go") {
			bench += readDocument(t, name)
		}
	}
	for _, m := range term.FindAllStringSubmatch(measurements, -1) {
		if !strings.Contains(bench, m[1]) {
			t.Errorf("docs/glossary.md explains %q, which no benchmark prints", m[1])
		}
	}
	if !slices.IsSortedFunc(terms, func(a, b string) int {
		return bytes.Compare([]byte(strings.ToLower(a)), []byte(strings.ToLower(b)))
	}) {
		t.Errorf("the terms are not sorted: %q", terms)
	}
	for _, want := range []string{"chunk", "part", "rank", "claim", "lane", "drift", "golden", "place", "manifest", "job record", "task", "contract",
		"activation", "engine", "inference engine", "provider", "stage"} {
		if !slices.Contains(terms, want) {
			t.Errorf("docs/glossary.md does not explain %q", want)
		}
	}
	var others string
	for _, file := range markdownFiles(t) {
		if file != "docs/glossary.md" {
			others += strings.ToLower(readDocument(t, file))
		}
	}
	for _, term := range terms {
		if !strings.Contains(others, strings.ToLower(term)) {
			t.Errorf("docs/glossary.md explains %q, which no other document uses", term)
		}
	}
}

// newReadmeFolder returns a folder in which the commands of README.md work: it has
// bin/batchscore, and the photographs in photos. The program make in bin does
// nothing. The fetched files are in .cache, or, if elsewhere is true, in a folder that
// BATCHSCORE_CACHE names; no other variable says where they are.
func newReadmeFolder(t *testing.T, elsewhere bool) (folder string, env []string) {
	t.Helper()
	needRuntime(t)
	needMpirun(t)
	folder = t.TempDir()
	cache, err := filepath.Abs(fetched.Path())
	if err != nil {
		t.Fatal(err)
	}
	place, variable := ".cache", ""
	if elsewhere {
		place = "elsewhere"
		variable = filepath.Join(folder, place)
	}
	for _, link := range []struct{ to, name string }{
		{to: "/bin/true", name: "bin/make"},
		{to: cache, name: place},
		{to: filepath.Join(cache, "images", "photos"), name: "photos"},
	} {
		if _, err := os.Stat(link.to); err != nil {
			skipWithout(t, link.to, "make deps")
		}
		name := filepath.Join(folder, filepath.FromSlash(link.name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(link.to, name)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(folder, "go.mod"), nil) // it is the root of a source tree
	// It finds .cache by the place of its file, which a symbolic link is not.
	if err := os.Link(plainProgram(t), filepath.Join(folder, "bin", "batchscore")); err != nil {
		t.Fatal(err)
	}
	return folder, []string{"XDG_STATE_HOME=" + t.TempDir(), "PATH=" + filepath.Join(folder, "bin") + ":" + os.Getenv("PATH"),
		"BATCHSCORE_CACHE=" + variable, ort.LibraryVariable + "=", "HOME=" + filepath.Join(folder, "home")}
}

// readmeSection returns the shell blocks of a section of README.md.
func readmeSection(t *testing.T, title string) []string {
	t.Helper()
	_, section, _ := strings.Cut(readDocument(t, "README.md"), "\n## "+title+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var scripts []string
	for _, b := range fencedBlocks(t, "README.md") {
		if b.info == "sh" && strings.Contains(section, b.text) {
			scripts = append(scripts, b.text)
		}
	}
	return scripts
}

// TestReadmeCaches executes the first commands under "Score your images", and those
// under "Install", with each place of the cache.
func TestReadmeCaches(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		t.Run(fmt.Sprintf("elsewhere=%v", elsewhere), func(t *testing.T) {
			folder, env := newReadmeFolder(t, elsewhere)
			first, _, found := strings.Cut(readmeSection(t, "Score your images")[0], "\nbin/batchscore run ")
			if !found || !strings.Contains(first, "models import") {
				t.Fatalf("README.md does not import a model before it runs: %s", first)
			}
			for _, script := range []string{first, readmeSection(t, "Install")[0], "bin/batchscore doctor; ~/.local/bin/batchscore doctor"} {
				cmd := process(t, env, "bash", "-euc", script)
				cmd.Dir = folder
				if r := finish(t, cmd); r.code != 0 {
					t.Fatalf("%s\n%v", script, r)
				}
			}
		})
	}
}

// TestReadme executes the commands under "Score your images" in README.md, and
// then what "make demo" does, whose output it compares with the one that README.md
// shows. Rounding of scores, and which rank did how much, differ between machines.
func TestReadme(t *testing.T) {
	t.Parallel()
	folder, env := newReadmeFolder(t, true)
	execute := func(t *testing.T, script string) processResult {
		t.Helper()
		cmd := process(t, env, "bash", "-euc", script)
		cmd.Dir = folder
		r := finish(t, cmd)
		if r.code != 0 {
			t.Fatalf("%s\n%v", script, r)
		}
		return r
	}
	scripts := readmeSection(t, "Score your images")
	for _, script := range scripts {
		execute(t, script)
	}
	var demo []string // the lines that README.md shows
	for _, b := range fencedBlocks(t, "README.md") {
		if b.info == "text" && strings.Contains(b.text, "demo-out") {
			demo = demoLines(b.text, "/src/batchscore")
		}
	}
	if len(scripts) < 2 || len(demo) < 10 {
		t.Fatalf("README.md has %d blocks to execute and %d lines of the demo, want 2 and 10 at least", len(scripts), len(demo))
	}
	labels, err := os.ReadFile(filepath.Join(folder, "labels.csv"))
	if n := bytes.Count(labels, []byte("\n")); err != nil || n != 28 {
		t.Errorf("labels.csv has %d lines (%v), want 28", n, err)
	}
	r := execute(t, `
		bin/batchscore launch --to local -n 2 -- --images elsewhere/demo --out demo-out --model moderation.onnx --log-level warn --max-errors 3
		bin/batchscore report demo-out -o demo-report.html >/dev/null
		echo "Look at    $PWD/demo-report.html"`)
	got := demoLines(r.stderr+r.stdout, folder)
	for _, line := range demo {
		if !slices.Contains(got, line) {
			t.Errorf("README.md shows %q, but the demo printed\n%s", line, strings.Join(got, "\n"))
		}
	}
	if last := demo[len(demo)-1]; got[len(got)-1] != last {
		t.Errorf("the demo ends with %q, and not with %q as README.md shows", got[len(got)-1], last)
	}
}

// demoLines returns the lines of the demo without what differs from one run or
// machine to another.
func demoLines(text, folder string) []string {
	text = strings.ReplaceAll(text, folder, "FOLDER")
	for _, r := range []struct{ pattern, by string }{
		{pattern: `rank \d \| `, by: "rank N | "},
		{pattern: `Worker \d needs to process \d+ images`, by: "Worker N needs to process N images"},
		{pattern: `Worker \d Processed \d+ images`, by: "Worker N Processed N images"},
		{pattern: `Worker \d is done`, by: "Worker N is done"},
		{pattern: `\b0\.\d\d on average; the least is 0\.\d\d,`, by: "SCORE on average; the least is SCORE,"},
		{pattern: `(Speed|Images) .*`, by: "$1"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.by)
	}
	return strings.Split(strings.TrimSpace(normalized(text)), "\n")
}
