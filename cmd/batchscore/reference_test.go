package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/azureml"
	"github.com/batchscore/batchscore/deploy/batchai"
	"github.com/batchscore/batchscore/deploy/engines"
	"github.com/batchscore/batchscore/deploy/goldentest"
	"github.com/batchscore/batchscore/deploy/kubernetes"
	"github.com/batchscore/batchscore/deploy/local"
	"github.com/batchscore/batchscore/deploy/slurm"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
)

// The generated parts of docs/reference.md are between these lines.
const (
	exitCodesBegin = "<!-- exit codes: \"make reference\" writes them from the program's help -->\n"
	exitCodesEnd   = "<!-- end of the exit codes -->\n"
	eventsBegin    = "<!-- events: \"make reference\" writes them from package event -->\n"
	eventsEnd      = "<!-- end of the events -->\n"
	commandsBegin  = "<!-- commands: \"make reference\" writes them from the program's help -->\n"
	commandsEnd    = "<!-- end of the commands -->\n"
	metricsBegin   = "<!-- metrics: \"make reference\" writes them from scorer/telemetry/metrics -->\n"
	metricsEnd     = "<!-- end of the metrics -->\n"
)

// A flag is described once for all commands if so many have it with the same
// meaning; a paragraph of help, likewise.
const (
	flagSharedBy      = 3
	paragraphSharedBy = 2
)

// TestReference checks that docs/reference.md describes the commands, flags and exit
// codes as the program does. With -update it writes them.
func TestReference(t *testing.T) {
	withListedEngines(t)
	checkGenerated(t, "docs/reference.md", commandsBegin, commandsEnd, describeCommands(newRoot(nil)))
	checkGenerated(t, "docs/reference.md", metricsBegin, metricsEnd, describeMetrics())
	checkGenerated(t, "docs/reference.md", eventsBegin, eventsEnd, describeEvents())
	checkGenerated(t, "docs/reference.md", exitCodesBegin, exitCodesEnd, describeExitCodes(t))
}

// describeMetrics returns all metrics as a table in Markdown.
func describeMetrics() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range metrics.All() {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, labels, cell(m.Help))
	}
	return b.String()
}

// describeExitCodes returns the exit codes of the help as a table in Markdown.
func describeExitCodes(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| code | meaning |\n|---|---|\n")
	codes := regexp.MustCompile(`(?m)^  (\d+) +(.+(?:\n {7}.+)*)$`).FindAllStringSubmatch(exitCodesHelp, -1)
	for _, m := range codes {
		fmt.Fprintf(&b, "| %s | %s |\n", m[1], cell(strings.Join(strings.Fields(m[2]), " ")))
	}
	if len(codes) < 10 {
		t.Errorf("the help lists %d exit codes, want 10 or more", len(codes))
	}
	return b.String()
}

// listedEngines are the engines of the program, without those that tests add.
var listedEngines = slices.Clone(engines.All)

// withListedEngines removes for one test the engines that tests add. The test must
// not be parallel.
func withListedEngines(t *testing.T) {
	all := engines.All
	engines.All = listedEngines
	t.Cleanup(func() { engines.All = all })
}

// checkGenerated checks that a document has a text between two lines. With -update
// it writes the text.
func checkGenerated(t *testing.T, document, begin, end, want string) {
	t.Helper()
	body := readDocument(t, document)
	before, rest, ok := strings.Cut(body, begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no lines %q and %q", document, begin, end)
	}
	if *goldentest.Update {
		path := filepath.Join("..", "..", filepath.FromSlash(document))
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s is out of date (make reference updates it): %s", document, firstDifference(got, want))
	}
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d of the generated part is\n%s\nwant\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("the generated part has %d lines, want %d", len(g), len(w))
}

// leaves returns the commands that do something by themselves, in the order of
// their names, without hidden ones.
func leaves(cmd *cobra.Command) []*cobra.Command {
	if !cmd.HasAvailableSubCommands() {
		return []*cobra.Command{cmd}
	}
	var all []*cobra.Command
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, leaves(sub)...)
		}
	}
	return all
}

// describeCommands describes every command and flag in Markdown.
func describeCommands(root *cobra.Command) string {
	commands := leaves(root)
	paragraphs, rows := map[string]int{}, map[string]int{}
	for _, cmd := range commands {
		for _, p := range helpParagraphs(cmd) {
			paragraphs[p]++
		}
		for _, row := range flagRows(cmd) {
			rows[row.text]++
		}
	}
	var b strings.Builder
	b.WriteString("| command | purpose |\n|---|---|\n")
	for _, cmd := range commands {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", cmd.CommandPath(), headingAnchor(cmd.CommandPath()), cell(cmd.Short))
	}
	for _, cmd := range commands {
		fmt.Fprintf(&b, "\n### %s\n\n```text\n", cmd.CommandPath())
		for _, p := range helpParagraphs(cmd) {
			if paragraphs[p] < paragraphSharedBy {
				b.WriteString(p + "\n\n")
			}
		}
		fmt.Fprintf(&b, "usage: %s\n", cmd.UseLine())
		if cmd.HasExample() {
			fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(cmd.Example, "\n"))
		}
		b.WriteString("```\n")
		var own, shared []string
		for _, row := range flagRows(cmd) {
			if rows[row.text] < flagSharedBy {
				own = append(own, row.text)
			} else {
				shared = append(shared, "`--"+row.name+"`")
			}
		}
		if len(own) > 0 {
			b.WriteString("\n| flag | meaning | default |\n|---|---|---|\n" + strings.Join(own, ""))
		}
		if len(shared) > 0 {
			b.WriteString("\nAlso the [shared flags](#shared-flags) " + strings.Join(shared, ", ") + ".\n")
		}
	}
	b.WriteString("\n### Shared flags\n\nA flag with the same meaning in several commands.\n\n| flag | meaning | default |\n|---|---|---|\n")
	b.WriteString(strings.Join(sharedTexts(rows, flagSharedBy), ""))
	b.WriteString("\n### Shared help\n\nParagraphs that several help texts contain.\n")
	for _, p := range sharedTexts(paragraphs, paragraphSharedBy) {
		fmt.Fprintf(&b, "\n```text\n%s\n```\n", p)
	}
	return b.String()
}

// sharedTexts returns the texts that at least that many commands have, sorted.
func sharedTexts(counts map[string]int, least int) []string {
	var texts []string
	for text, n := range counts {
		if n >= least {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return texts
}

// helpParagraphs returns the paragraphs of a command's help before its usage.
func helpParagraphs(cmd *cobra.Command) []string {
	return strings.Split(strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)), "\n\n")
}

// flagRow is a row of a table of flags.
type flagRow struct{ name, text string }

// flagRows returns a table row for each flag of a command that its help shows.
func flagRows(cmd *cobra.Command) []flagRow {
	var rows []flagRow
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind != "" {
			name += " " + kind
		}
		value := f.DefValue
		if slices.Contains([]string{"", "0", "0s", "false", "[]"}, value) {
			value = ""
		} else {
			value = "`" + value + "`"
		}
		rows = append(rows, flagRow{f.Name, fmt.Sprintf("| `%s` | %s | %s |\n", strings.ReplaceAll(name, "|", `\|`), cell(usage), value)})
	})
	return rows
}

// cell escapes a text for a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}

// TestReferenceIsComplete checks that docs/reference.md names every field of the
// files that it describes, every environment variable, field of the log, status and
// form of a place, each in the part of the page that it belongs in.
func TestReferenceIsComplete(t *testing.T) {
	page := readDocument(t, "docs/reference.md")
	type part struct {
		name  string
		begin string // the beginning of the part of the page
		words []string
		least int
	}
	const (
		jobRecord, success, summary = "**`_batchscore/job.json`**", "**`_SUCCESS`**", "**`_batchscore/workers/*.json`**"
		jobFile, environment        = "**`job.yaml`**", "## Environment variables\n"
	)
	parts := []part{
		{name: "every record", begin: "## Records\n", words: sharedNames},
		{name: "job record", begin: jobRecord, words: ownNames(output.Job{}), least: 25},
		{name: "retry in the job record", begin: jobRecord, words: fieldNames(output.Retry{}), least: 3},
		{name: "_SUCCESS", begin: success, words: ownNames(output.Success{}), least: 20},
		{name: "digests", begin: success, words: fieldNames(output.Digests{}), least: 5},
		{name: "outcome of a retry", begin: success, words: fieldNames(output.RetryOutcome{}), least: 5},
		{name: "increment", begin: success, words: fieldNames(output.Increment{}), least: 15},
		{name: "increment in the job record", begin: jobRecord, words: append(fieldNames(output.After{}), fieldNames(output.Source{})...), least: 10},
		{name: "drift", begin: success, words: fieldNames(output.Drift{}), least: 3},
		{name: "storage", begin: success, words: fieldNames(output.Storage{}), least: 5},
		{name: "worker summary", begin: summary, words: ownNames(output.WorkerSummary{}), least: 10},
		{name: "worker", begin: summary, words: fieldNames(claim.Worker{}), least: 8},
		{name: "job.yaml", begin: jobFile, words: fieldNames(deploy.Job{}), least: 18},
		{name: "mount", begin: jobFile, words: fieldNames(deploy.Mount{}), least: 3},
		{name: "model.yaml", begin: "**`model.yaml`**", words: fieldNames(models.Answers{}), least: 15},
		{name: "environment variables", begin: environment, words: slices.DeleteFunc(sourceNames(t, `"(BATCHSCORE_[A-Z_]+|ONNXRUNTIME_LIB|`+
			`LIBTURBOJPEG|NO_COLOR|LD_LIBRARY_PATH|OMPI_COMM_WORLD_RANK|SLURM_PROCID|JOB_COMPLETION_INDEX)"`, ""),
			func(name string) bool { return name == "BATCHSCORE_GPU_ROOT" }), least: 11}, // which only tests set
		{name: "log fields", begin: "## Log fields\n", words: sourceNames(t, `(?m)(?:^\s+|[^g]\.)(?:Str|Int|Int64|Uint64|Float64|Bool|`+
			`Dur|Stringer|Interface|AnErr)\("([a-z_]+)", `, ".Msg"), least: 50},
		{name: "statuses", begin: "## Statuses\n", words: append(row.FailureStatuses(), row.StatusOK), least: 12},
	}
	options := map[string]any{
		"local": local.Options{}, "slurm": slurm.Options{}, "kubernetes": kubernetes.Options{},
		"azureml": azureml.Options{}, "batchai": batchai.Options{},
	}
	for _, driver := range listedEngines {
		section, ok := options[driver.Name]
		if !ok {
			t.Errorf("the options of the engine %s are missing in this test", driver.Name)
			continue
		}
		parts = append(parts, part{
			name: "service.yaml, " + driver.Name, begin: "\n| `" + driver.Name + "` | `", words: nestedNames(reflect.TypeOf(section)), least: 8,
		})
	}
	for _, scheme := range storages {
		if !scheme.Local() {
			words := slices.Concat(scheme.Forms, scheme.Secrets)
			parts = append(parts, part{name: fmt.Sprintf("places %q", scheme.Names), begin: "## Places\n", words: words, least: 1})
		}
	}
	for _, tt := range parts {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.words) < tt.least {
				t.Errorf("found %q, want %d names at least", tt.words, tt.least)
			}
			text := partOf(page, tt.begin)
			if text == "" {
				t.Fatalf("docs/reference.md has no %q", tt.begin)
			}
			for _, word := range tt.words {
				if !strings.Contains(text, "`"+word+"`") {
					t.Errorf("docs/reference.md does not name `%s` in the part that begins with %q", word, tt.begin)
				}
			}
		})
	}
}

// partOf returns the part of a page that begins with a text: a row of a table, a
// table with the bold text before it, or a section. Empty if there is none.
func partOf(page, begin string) string {
	start := strings.Index(page, begin)
	if start < 0 {
		return ""
	}
	rest := page[start+len(begin):]
	ends := []string{"\n## "}
	switch {
	case strings.HasPrefix(begin, "\n| "):
		ends = append(ends, "\n")
	case strings.HasPrefix(begin, "**"):
		ends = append(ends, "\n**")
	}
	for _, end := range ends {
		rest, _, _ = strings.Cut(rest, end)
	}
	return begin + rest
}

// fieldNames returns the names that the fields of a struct have in JSON or YAML.
func fieldNames(v any) []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		tag := cmp.Or(f.Tag.Get("json"), f.Tag.Get("yaml"))
		if name, _, _ := strings.Cut(tag, ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// sharedNames are the fields that every record has.
var sharedNames = []string{"version", "checksum"}

// ownNames returns the names of a record's fields without those of every record.
func ownNames(record any) []string {
	return slices.DeleteFunc(fieldNames(record), func(name string) bool { return slices.Contains(sharedNames, name) })
}

// nestedNames returns the names of the fields of a struct in YAML, and those of the
// structs of the same package that it holds.
func nestedNames(of reflect.Type) []string {
	names := fieldNames(reflect.Zero(of).Interface())
	for _, f := range reflect.VisibleFields(of) {
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if !f.Anonymous && inner.Kind() == reflect.Struct && inner.PkgPath() == of.PkgPath() {
			names = append(names, nestedNames(inner)...)
		}
	}
	return names
}

// sourceNames returns what the pattern's group matches, each once, in the Go files
// that are not for tests and contain a text.
func sourceNames(t *testing.T, pattern, containing string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var names []string
	for _, file := range trackedFiles(t) {
		if top, _, _ := strings.Cut(file, "/"); !slices.Contains([]string{"cmd", "scorer", "shard", "models", "deploy"}, top) ||
			!strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		body, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if os.IsNotExist(err) {
			continue // removed in the working tree, not yet in the index
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), containing) {
			continue
		}
		for _, m := range re.FindAllSubmatch(body, -1) {
			names = append(names, string(m[1]))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
