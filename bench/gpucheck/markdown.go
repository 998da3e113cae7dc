package gpucheck

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// warnings returns what must be read before any figure.
func (r *Report) warnings() []string {
	var all []string
	if r.Hardware.StandIn {
		all = append(all, "The GPU is a stand-in that computes nothing. This report proves control flow, counts and messages, and no score and no speed.")
	}
	if r.Interrupted {
		all = append(all, "The check was interrupted: the claims after that were not measured.")
	}
	return all
}

// markdown returns the report for people. charts are next to it.
func (r *Report) markdown(charts []drawing) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# GPU check\n\n")
	for _, text := range r.warnings() {
		fmt.Fprintf(&b, "**%s**\n\n", text)
	}
	fmt.Fprintf(&b, "%s. It took %.0f s.\n\n", r.Summary(), r.Seconds)
	r.machine(&b)
	subject := ""
	for i := range r.Claims {
		c := &r.Claims[i]
		if c.Subject != subject {
			subject = c.Subject
			fmt.Fprintf(&b, "\n## %s\n\n| | claim | limit | measured | log |\n|---|---|---|---|---|\n", titles[subject])
		}
		said := c.Measured
		if c.Reason != "" && c.Verdict != Pass && c.Reason != limitReason+c.Limit { // the limit has a column
			said = strings.TrimPrefix(said+"; "+c.Reason, "; ")
		}
		fmt.Fprintf(&b, "| %s | **%s** %s | %s | %s | %s |\n", mark(c.Verdict), c.Claim, cell(c.Says), cell(c.Limit), cell(said), links(c.Commands))
	}
	r.speeds(&b, charts)
	fmt.Fprintf(&b, "\n## Commands\n\nWhat was run, in this order. Claims share some of them.\n\n")
	seen := map[string]bool{}
	for i := range r.Claims {
		for _, c := range r.Claims[i].Commands {
			if !seen[c.Log] {
				seen[c.Log] = true
				fmt.Fprintf(&b, "- [%s](%s), exit code %d, %.1f s: %s\n", strings.TrimPrefix(c.Log, "logs/"), c.Log, c.ExitCode, c.Seconds, code(c.Line))
			}
		}
	}
	return []byte(b.String())
}

// titles are the headings of subjects.
var titles = map[string]string{
	Machine: "Machine", Doctor: "Doctor", Correctness: "Correctness: the GPU compared with the CPU", Bits: "Bits: the same bytes every time",
	Shapes: "Shapes: batches of other sizes", Faults: "Faults", Scale: "Scale: several GPUs, whole runs",
	Decode: "Decode: JPEG on a GPU", Speed: "Speed on ready tensors",
}

// machine describes what was checked.
func (r *Report) machine(b *strings.Builder) {
	p := &r.Provenance
	rows := [][2]string{{"GPUs", describe(r.Hardware.GPUs)}}
	nodes := counted(r.Hardware.NUMA, "NUMA node")
	rows = append(rows, [2]string{"processor", fmt.Sprintf("%s, %d cores, %.0f GB, %s", p.CPU, p.Cores, float64(p.Memory)/1e9, nodes)},
		[2]string{"system", p.OS + " " + p.Kernel},
		[2]string{"batchscore", fmt.Sprintf("%s (%s), %s", p.Versions["batchscore"], p.Commit, p.Date.Format("2006-01-02 15:04 MST"))})
	for _, name := range []string{"onnxruntime", "jpeg", "go"} {
		if p.Versions[name] != "" {
			rows = append(rows, [2]string{name, p.Versions[name]})
		}
	}
	b.WriteString("| | |\n|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(b, "| %s | %s |\n", row[0], cell(row[1]))
	}
}

// mark returns a verdict that can be found with a glance.
func mark(v Verdict) string {
	switch v {
	case Pass:
		return "✅ pass"
	case Fail:
		return "❌ **FAIL**"
	}
	return "➖ not measured"
}

// links returns links to the logs of commands; of many, to the last ones.
func links(commands []Command) string {
	const most = 4
	var all []string
	for i, c := range commands {
		if i < len(commands)-most {
			continue
		}
		all = append(all, fmt.Sprintf("[%d](%s)", i+1, c.Log))
	}
	return strings.Join(all, " ")
}

// cell returns a text for a cell of a table in Markdown, without elements of its own.
func cell(text string) string { return markdownText.Replace(printable.Line(oneLine(text))) }

var markdownText = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "&", "&amp;", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "`", "\\`", "!", `\!`)

// code returns a text as code in a line of Markdown.
func code(text string) string {
	return "`" + strings.ReplaceAll(printable.Line(oneLine(text)), "`", "'") + "`"
}
