package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/deploy/record"
)

// completed returns what a shell is told to offer for the last word of a command
// line, without descriptions, and the directive.
func completed(t *testing.T, env []string, args ...string) ([]string, cobra.ShellCompDirective) {
	t.Helper()
	r := finish(t, command(t, env, append([]string{"__completeNoDesc"}, args...)...))
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	last := lines[len(lines)-1]
	n, err := strconv.Atoi(strings.TrimPrefix(last, ":"))
	if r.code != 0 || err != nil {
		t.Fatalf("completing %q: %v", args, r)
	}
	var offered []string
	for _, line := range lines[:len(lines)-1] {
		if cobra.ShellCompDirective(n)&cobra.ShellCompDirectiveFilterFileExt != 0 || strings.HasPrefix(line, args[len(args)-1]) { // as shells do
			offered = append(offered, line)
		}
	}
	return offered, cobra.ShellCompDirective(n)
}

// TestCompleteChoices: each flag with a closed set of values completes exactly the
// values that it accepts, and its error about another value names them.
func TestCompleteChoices(t *testing.T) {
	t.Parallel()
	checked := 0
	eachCommand(newRoot(nil), func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			want := f.Annotations[choicesKey]
			if want == nil {
				return
			}
			checked++
			path := strings.Fields(cmd.CommandPath())[1:]
			t.Run(cmd.CommandPath()+" --"+f.Name, func(t *testing.T) {
				t.Parallel()
				got, directive := completed(t, nil, append(path, "--"+f.Name, "")...)
				if !slices.Equal(got, want) || directive&cobra.ShellCompDirectiveNoFileComp == 0 {
					t.Errorf("completes %q, directive %d; want %q and no files", got, directive, want)
				}
			})
		})
	})
	if checked < 40 {
		t.Errorf("%d flags have a closed set of values, want 40 at least", checked)
	}
}

// TestCompleteChoicesAreAll: a flag whose help lists its values has them completed.
func TestCompleteChoicesAreAll(t *testing.T) {
	t.Parallel()
	for _, cmd := range leaves(newRoot(nil)) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			kind, _ := pflag.UnquoteUsage(f)
			closed := []string{"FORMAT", "FORMATS", "LEVEL", "ENGINE", "ORIGIN", "METHOD", "KIND", "PRECISION", "PRIORITY", "TASK", "DEVICE", "STATUS", "HOW", "ORDER"}
			if slices.Contains(closed, kind) && f.Annotations[choicesKey] == nil {
				t.Errorf("%s --%s takes a %s, but completes nothing", cmd.CommandPath(), f.Name, kind)
			}
		})
	}
}

// TestComplete: places complete folders and leave object storage alone, arguments
// complete what the usage line names, and launch completes the flags of run.
func TestComplete(t *testing.T) {
	t.Parallel()
	state, models := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(models, "registry.yaml"),
		[]byte("version: 1\nmodels:\n- {name: moderation, file: /m.onnx, digest: \"sha256:0\"}\n"))
	writeFile(t, filepath.Join(models, "vgg16.onnx"), nil)
	book := record.Open(filepath.Join(state, "batchscore", "jobs"))
	if err := book.Create(record.Record{ID: "nightly-1", Engine: "local", Launched: time.Now(), Phase: record.Done}); err != nil {
		t.Fatal(err)
	}
	env := []string{"XDG_STATE_HOME=" + state, "BATCHSCORE_MODELS=" + models}
	const none, dirs, keep = cobra.ShellCompDirectiveNoFileComp, cobra.ShellCompDirectiveFilterDirs, cobra.ShellCompDirectiveKeepOrder
	for _, tt := range []struct {
		line      string // ends with the word to complete, after a space
		want      []string
		directive cobra.ShellCompDirective
	}{
		{line: "run --images ", directive: dirs},
		{line: "run --images az://acme/ph", directive: none},
		{line: "run --out ", directive: dirs},
		{line: "run --labels ", directive: cobra.ShellCompDirectiveDefault},
		{line: "run --width ", directive: none},
		{line: "run --batch ", want: []string{"auto"}, directive: none},
		{line: "run --model ", want: []string{"moderation", "vgg16"}, directive: cobra.ShellCompDirectiveDefault},
		{line: "run --model ./m", want: []string{"onnx"}, directive: cobra.ShellCompDirectiveFilterFileExt},
		{line: "run --task cl", want: []string{"classification", "cloth_recognition"}, directive: none},
		{line: "run --inference cla", want: []string{"classification"}, directive: none},
		{line: "run ", directive: none},
		{line: "launch -- --ima", want: []string{"--images"}, directive: none},
		{line: "launch -n 2 -- --provider cud", want: []string{"cuda"}, directive: none},
		{line: "launch -- --images ", directive: dirs},
		{line: "show ", directive: dirs},
		{line: "merge result -o ", directive: cobra.ShellCompDirectiveDefault},
		{line: "verify a ", directive: none},
		{line: "show --status empty,not_", want: []string{"empty,not_image", "empty,not_found", "empty,not_finite"},
			directive: none | cobra.ShellCompDirectiveNoSpace},
		{line: "show result --columns path,sco", want: []string{"path,score", "path,score_2"}, directive: none | cobra.ShellCompDirectiveNoSpace},
		{line: "show --sort labe", want: []string{"label", "label_2"}, directive: none | cobra.ShellCompDirectiveNoSpace},
		{line: "jobs status ", want: []string{"nightly-1"}, directive: none},
		{line: "jobs status az", directive: dirs},
		{line: "jobs logs ni", want: []string{"nightly-1"}, directive: none | keep},
		{line: "jobs fetch nightly-1 ", directive: dirs},
		{line: "models build v", want: []string{"vgg16", "vit_b_16"}, directive: none},
		{line: "models build vgg16 --weights ", want: []string{"random"}, directive: cobra.ShellCompDirectiveDefault},
		{line: "models fuse ", want: []string{"onnx"}, directive: cobra.ShellCompDirectiveFilterFileExt},
		{line: "models remove ", want: []string{"moderation", "vgg16"}, directive: none},
		{line: "completion ", want: []string{"bash", "zsh", "fish", "powershell"}, directive: none},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			got, directive := completed(t, env, strings.Split(tt.line, " ")...)
			if !slices.Equal(got, tt.want) || directive != tt.directive {
				t.Errorf("completes %q, directive %d; want %q and %d", got, directive, tt.want, tt.directive)
			}
		})
	}
}

// TestCompletionScripts: the root help shows the command, which prints a script for
// each shell, and bash accepts its own.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	says(t, must(t, 0, "--help"), "  completion ", "  version ", "  exit-codes ")
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			described, plain := must(t, 0, "completion", shell), must(t, 0, "completion", shell, "--no-descriptions")
			if !strings.Contains(described.stdout, "batchscore") || described.stdout == plain.stdout {
				t.Errorf("completion %s printed\n%s", shell, described.stdout)
			}
			if shell != "bash" {
				return
			}
			cmd := exec.CommandContext(t.Context(), "bash", "-n")
			cmd.Stdin = strings.NewReader(described.stdout)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Error(fmt.Errorf("bash -n: %w: %s", err, out))
			}
		})
	}
}
