package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupKey is the annotation of a flag that names its heading in the help.
const groupKey = "batchscore_group"

// groupFlags shows the flags that register adds to cmd under a heading of their
// own in the help. Flags without a heading come first.
func groupFlags(cmd *cobra.Command, heading string, register func()) {
	before := map[string]bool{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
	register()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if before[f.Name] {
			return
		}
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[groupKey] = []string{heading}
	})
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
	for _, sub := range cmd.Commands() {
		layOutHelp(sub)
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

// usageText returns the part of the help that is common to all commands: usage,
// examples, subcommands and flags.
func usageText(cmd *cobra.Command, width int) string {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	for _, g := range cmd.Groups() {
		writeCommands(&b, cmd, g.Title, g.ID)
	}
	writeCommands(&b, cmd, "Commands", "")
	writeFlags(&b, cmd, width)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n'%s COMMAND --help' explains a command.\n", cmd.CommandPath())
	}
	return b.String()
}

func writeCommands(b *strings.Builder, cmd *cobra.Command, heading, group string) {
	for _, sub := range cmd.Commands() {
		if sub.GroupID != group || !sub.IsAvailableCommand() || sub.Name() == "help" {
			continue
		}
		if heading != "" {
			fmt.Fprintf(b, "\n%s:\n", heading)
			heading = ""
		}
		fmt.Fprintf(b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
	}
}

func writeFlags(b *strings.Builder, cmd *cobra.Command, width int) {
	headings := []string{"Flags"}
	groups := map[string]*pflag.FlagSet{}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		heading := headings[0]
		if own := f.Annotations[groupKey]; len(own) > 0 {
			heading = own[0]
		}
		if groups[heading] == nil {
			groups[heading] = pflag.NewFlagSet(heading, pflag.ContinueOnError)
			groups[heading].SortFlags = false
			if heading != headings[0] {
				headings = append(headings, heading)
			}
		}
		groups[heading].AddFlag(f)
	})
	for _, heading := range headings {
		if fs := groups[heading]; fs != nil {
			fmt.Fprintf(b, "\n%s:\n%s", heading, fs.FlagUsagesWrapped(width))
		}
	}
}
