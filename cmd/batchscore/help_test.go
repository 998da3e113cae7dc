package main

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelpOfEveryCommand checks the form of help: one line that says what a command
// does, an example, and flags that say what they do and name their value.
func TestHelpOfEveryCommand(t *testing.T) {
	t.Parallel()
	for _, cmd := range leaves(newRoot(nil)) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if !unicode.IsUpper(rune(cmd.Short[0])) || strings.HasSuffix(cmd.Short, ".") || strings.Contains(cmd.Short, "\n") {
				t.Errorf("Short = %q, want one line in sentence case without a full stop", cmd.Short)
			}
			if cmd.Long != "" && !cmd.HasExample() {
				t.Error("no Example, want one")
			}
			cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { checkFlag(t, f) })
		})
	}
}

func checkFlag(t *testing.T, f *pflag.Flag) {
	t.Helper()
	if f.Hidden {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	if slices.Contains([]string{"string", "int", "float", "uint", "strings", "ints", "stringArray", "duration"}, value) {
		t.Errorf("--%s takes a %q, want the value named in backquotes: %q", f.Name, value, f.Usage)
	}
	if strings.HasSuffix(usage, ".") || unicode.IsUpper(rune(usage[0])) && usage[0] != value[0] {
		t.Errorf("--%s: %q, want lower case without a full stop", f.Name, usage)
	}
}

// TestUsageHint: an error in the command line names the help of the command itself.
func TestUsageHint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{args: []string{"bogus"}, want: "batchscore"},
		{args: []string{"jobs", "bogus"}, want: "batchscore jobs"},
		{args: []string{"run", "--bogus"}, want: "batchscore run"},
		{args: []string{"models", "build", "--bogus"}, want: "batchscore models build"},
		{args: []string{"launch", "--", "--bogus"}, want: "batchscore run"},
		{args: []string{"launch", "--bogus"}, want: "batchscore launch"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			r := must(t, 64, tt.args...)
			if want := "Run '" + tt.want + " --help' for usage.\n"; !strings.HasSuffix(r.stderr, want) {
				t.Errorf("got %v, want %q at the end of stderr", r, want)
			}
		})
	}
}

func TestUsageText(t *testing.T) {
	t.Parallel()
	parent := &cobra.Command{Use: "tool"}
	cmd := &cobra.Command{Use: "work [flags]", Short: "Work", Example: "  tool work", RunE: func(*cobra.Command, []string) error { return nil }}
	groupCommands(parent, "Everything", cmd)
	groupFlags(cmd, "Rare flags", func() { cmd.Flags().Int("zeal", 0, "work with `N` hands") })
	cmd.Flags().String("at", "", "work at `PLACE`, which has a description that is longer than the line")
	cmd.Flags().Bool("secret", false, "hidden")
	if err := cmd.Flags().MarkHidden("secret"); err != nil {
		t.Fatal(err)
	}
	layOutHelp(parent)
	want := `Usage:
  tool work [flags]

Examples:
  tool work

Common flags:
      --at PLACE   work at PLACE, which has a description
                   that is longer than the line

Rare flags:
      --zeal N   work with N hands
`
	if got := usageText(cmd, 60); got != want {
		t.Errorf("usageText =\n%swant\n%s", got, want)
	}
	want = `Usage:
  tool COMMAND

Everything:
  work        Work

'tool COMMAND --help' explains a command.
`
	if got := usageText(parent, 60); got != want {
		t.Errorf("usageText =\n%swant\n%s", got, want)
	}
}

// TestHelpOfNothing: help of a command that does not exist is wrong usage.
func TestHelpOfNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		says string
	}{
		{args: []string{"help", "nosuch"}, says: `there is no command "nosuch"`},
		{args: []string{"help", "jobs", "nosuch"}, says: `jobs has no command "nosuch"`},
		{args: []string{"help", "shwo"}, says: `did you mean "show"?`},
		{args: []string{"launch", "--example", ""}, says: "--example"},
	} {
		if r := must(t, 64, test.args...); !strings.Contains(r.stderr, test.says) {
			t.Errorf("%q: got %v, want %q", test.args, r, test.says)
		}
	}
	for _, args := range [][]string{{"help"}, {"help", "jobs", "list"}, {"help", "places"}} {
		must(t, 0, args...)
	}
}
