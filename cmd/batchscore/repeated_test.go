package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestRepeatedFlags gives every flag of every command two values: the first is never
// lost without an error.
func TestRepeatedFlags(t *testing.T) {
	values := map[string][2]string{
		"string": {"first", "second"}, "int": {"1", "2"}, "int64": {"1", "2"}, "uint64": {"1", "2"}, "float64": {"1", "2"}, "float32": {"1", "2"},
		"bool": {"true", "false"}, "duration": {"1s", "2s"}, "SIZE": {"1MB", "2MB"}, "N|auto": {"1", "auto"},
		"stringSlice": {"first", "second"}, "stringArray": {"first", "second"}, "intSlice": {"1", "2"}, "float64Slice": {"1", "2"},
		"stringToString": {"a=first", "b=second"}, "PRICE": {"a=1", "b=2"}, "FILE": {"first", "second"},
	}
	list := map[string]bool{}
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			v, known := values[f.Value.Type()]
			if !known {
				t.Fatalf("%s --%s: this test has no values of the type %s", cmd.CommandPath(), f.Name, f.Value.Type())
			}
			set := func(text string) error { return cmd.Flags().Set(f.Name, text) }
			if err := set(v[0]); err != nil {
				t.Fatalf("%s --%s %s: %v", cmd.CommandPath(), f.Name, v[0], err)
			}
			err := set(v[1])
			text := f.Value.String()
			switch {
			case err == nil && strings.Contains(text, v[0]) && strings.Contains(text, v[1]):
				list[f.Name] = true
			case err == nil:
				t.Errorf("%s --%s %s --%s %s is %s, without a word", cmd.CommandPath(), f.Name, v[0], f.Name, v[1], text)
			case f.Value.String() != v[0] && f.Value.Type() != "SIZE":
				t.Errorf("%s --%s: got %s after the error %v", cmd.CommandPath(), f.Name, text, err)
			default:
				if err := set(v[0]); err != nil {
					t.Errorf("%s --%s: the same value again is an error: %v", cmd.CommandPath(), f.Name, err)
				}
			}
		})
		for _, sub := range cmd.Commands() {
			look(sub)
		}
	}
	look(newRoot(nil))
	for _, name := range []string{"where", "status", "retry", "sort", "columns", "env", "device", "price"} {
		if !list[name] {
			t.Errorf("two values of --%s do not add up", name)
		}
	}
}

// TestRepeatedConditions chooses rows by conditions in several flags.
func TestRepeatedConditions(t *testing.T) {
	in, out := pictures(t, 12), filepath.Join(t.TempDir(), "out")
	writeFile(t, filepath.Join(in, "broken.jpg"), []byte("no picture"))
	writeFile(t, filepath.Join(in, "empty.jpg"), nil)
	must(t, 0, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--max-errors", "5")

	show := func(args ...string) string {
		return must(t, 0, append([]string{"show", out, "--json"}, args...)...).stdout
	}
	const first, second = "path~pic", "score<0.5"
	both := show("--where", first+" "+second)
	if got := show("--where", first, "--where", second); got != both || got == show("--where", second) && got == show("--where", first) {
		t.Errorf("got\n%s\nwant\n%s", got, both)
	}
	if got, want := show("--status", "empty", "--status", "ok"), show("--status", "empty,ok"); got != want {
		t.Errorf("--status twice: got\n%s\nwant\n%s", got, want)
	}
	if got, want := show("--columns", "status", "--columns", "path"), show("--columns", "status,path"); got != want {
		t.Errorf("--columns twice: got\n%s\nwant\n%s", got, want)
	}
	says(t, must(t, 64, "show", out, "--limit", "3", "--limit", "4"), `--limit is given twice, as "3" and as "4": give it once`)
	says(t, must(t, 64, "launch", "--", "--images", in, "--images", out), `--images is given twice`)
}
