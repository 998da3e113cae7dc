package main

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/scorer/telemetry/columns"
)

// groupKey is the annotation of a flag that names its heading in the help.
const groupKey = "batchscore_group"

// The headings of the flags that are in no other group. Flags whose description
// says "(required" come first.
const (
	requiredFlags = "Required flags"
	commonFlags   = "Common flags"
)

// headings are the headings of flags in the order in which the help shows them.
// Others follow in the order in which they were added.
var headings = []string{requiredFlags, commonFlags, "Model flags", "Tuning flags", "Image flags", "Storage flags"}

// groupFlags shows the flags that register adds to cmd under a heading of their
// own in the help.
func groupFlags(cmd *cobra.Command, heading string, register func()) {
	before := map[string]bool{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
	register()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if before[f.Name] || f.Annotations[groupKey] != nil {
			return
		}
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[groupKey] = []string{heading}
	})
}

// headingOf returns the heading of a flag.
func headingOf(f *pflag.Flag) string {
	if strings.Contains(f.Usage, "(required") {
		return requiredFlags
	}
	return cmp.Or(strings.Join(f.Annotations[groupKey], ""), commonFlags)
}

// groupCommands shows commands under a heading of their own in the help.
func groupCommands(parent *cobra.Command, heading string, commands ...*cobra.Command) {
	parent.AddGroup(&cobra.Group{ID: heading, Title: heading})
	for _, c := range commands {
		c.GroupID = heading
	}
	parent.AddCommand(commands...)
}

// layOutHelp prepares the help of a command and those under it: flags in the
// order in which they were added, the usual ones first, and the default of a list
// without the brackets, as users write it.
func layOutHelp(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.DefValue != "[]" { // pflag prints no default for this one
			f.DefValue = strings.Trim(f.DefValue, "[]")
		}
	})
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := fmt.Fprint(cmd.OutOrStderr(), usageText(cmd, helpWidth()))
		return err
	})
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		fmt.Fprint(cmd.OutOrStdout(), helpText(cmd, helpWidth()))
	})
	for _, sub := range cmd.Commands() {
		layOutHelp(sub)
	}
}

// checkHelpWords makes help refuse words that name neither a command nor a topic.
func checkHelpWords(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Args = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err != nil || found == nil {
					found, rest = root, args
				}
				if len(rest) > 0 {
					return unknownCommand(found, rest[0])
				}
				return nil
			}
		}
	}
}

// helpWidth returns the columns that help may use.
func helpWidth() int {
	if !isTerminal(os.Stdout) {
		return 100
	}
	width, _ := terminalSize(os.Stdout)
	return min(max(width, 60), 120)
}

// maxProse is the most columns of a paragraph, for the eye to find the next line.
const maxProse = 90

// helpText returns the whole help of a command, or of a topic.
func helpText(cmd *cobra.Command, width int) string {
	text := reflow(cmp.Or(cmd.Long, cmd.Short), min(width, maxProse)) + "\n"
	if cmd.IsAdditionalHelpTopicCommand() {
		return text
	}
	return text + "\n" + usageText(cmd, width)
}

// usageText returns the part of the help that is common to all commands: usage,
// examples, subcommands and flags.
func usageText(cmd *cobra.Command, width int) string {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		b.WriteString(foldCommand("  "+cmd.UseLine(), width, ""))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		b.WriteString("\nExamples:\n")
		for line := range strings.Lines(cmd.Example) {
			b.WriteString(foldCommand(strings.TrimSuffix(line, "\n"), width, ` \`))
		}
	}
	for _, g := range cmd.Groups() {
		writeCommands(&b, g.Title, width, cmd, func(sub *cobra.Command) bool { return sub.GroupID == g.ID && sub.IsAvailableCommand() })
	}
	writeCommands(&b, "Commands", width, cmd, func(sub *cobra.Command) bool {
		return sub.GroupID == "" && sub.IsAvailableCommand() && sub.Name() != "help"
	})
	writeFlags(&b, cmd, width)
	writeCommands(&b, "Help topics", width, cmd, (*cobra.Command).IsAdditionalHelpTopicCommand)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n'%s COMMAND --help' explains a command", cmd.CommandPath())
		if cmd.HasHelpSubCommands() {
			fmt.Fprintf(&b, ", '%s help TOPIC' a topic", cmd.CommandPath())
		}
		b.WriteString(".\n")
	}
	return b.String()
}

// writeCommands writes a table of those commands under cmd that belong to a
// heading.
func writeCommands(b *strings.Builder, heading string, width int, cmd *cobra.Command, belongs func(*cobra.Command) bool) {
	for _, sub := range cmd.Commands() {
		if !belongs(sub) {
			continue
		}
		if heading != "" {
			fmt.Fprintf(b, "\n%s:\n", heading)
			heading = ""
		}
		indent := strings.Repeat(" ", sub.NamePadding()+3)
		short := strings.Join(columns.Wrap(sub.Short, width-len(indent)), "\n"+indent)
		fmt.Fprintf(b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), short)
	}
}

func writeFlags(b *strings.Builder, cmd *cobra.Command, width int) {
	groups := map[string]*pflag.FlagSet{}
	order := slices.Clone(headings)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		heading := headingOf(f)
		if groups[heading] == nil {
			groups[heading] = pflag.NewFlagSet(heading, pflag.ContinueOnError)
			groups[heading].SortFlags = false
			if !slices.Contains(order, heading) {
				order = append(order, heading)
			}
		}
		groups[heading].AddFlag(f)
	})
	for _, heading := range order {
		fs := groups[heading]
		if fs == nil {
			continue
		}
		if heading == commonFlags && len(groups) == 1 {
			heading = "Flags"
		}
		fmt.Fprintf(b, "\n%s:\n%s\n", heading, reflow(fs.FlagUsages(), width))
	}
}

// indentation matches the spaces at the beginning of a line of help.
var indentation = regexp.MustCompile(`^ *`)

// reflow breaks the paragraphs of a text at width. An indented line begins an item
// of a list, or of a table with two columns; it continues below its text.
func reflow(text string, width int) string {
	var b strings.Builder
	var head string // of the paragraph or item that is being read
	var words []string
	flush := func() {
		if len(words) > 0 {
			indent := "\n" + strings.Repeat(" ", len(head))
			b.WriteString(head + strings.Join(columns.Wrap(strings.Join(words, " "), width-columns.Width(head)), indent) + "\n")
		}
		head, words = "", nil
	}
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		indent := len(indentation.FindString(line))
		if line == "" {
			flush()
			b.WriteString("\n")
			continue
		}
		if continues := len(words) > 0 && indent == len(head); !continues {
			flush()
			at := indent
			if i := strings.LastIndex(line, "  "); i > at {
				at = i + 2
			}
			if indent > 0 {
				head, line = line[:at], line[at:]
			}
		}
		words = append(words, strings.TrimSpace(line))
	}
	flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// foldCommand breaks a command line before flags, into lines of at most width
// bytes where that is possible. All but the last end with the continuation.
func foldCommand(line string, width int, continuation string) string {
	const indent = "      "
	var b strings.Builder
	for len(line) > width {
		at := -1
		for _, before := range []string{" -", " (", " [", " | "} {
			if i := strings.LastIndex(line[:width-len(continuation)], before); i > len(indent) {
				at = max(at, i)
			}
		}
		if at < 0 {
			break
		}
		b.WriteString(line[:at] + continuation + "\n")
		line = indent + line[at+1:]
	}
	b.WriteString(line + "\n")
	return b.String()
}
