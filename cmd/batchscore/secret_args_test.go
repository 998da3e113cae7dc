package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestNoCommandEchoesASecret puts secrets in each position of each command line: as an
// argument, as the value of each flag, as a flag, as a command, and in what a shell asks
// to complete. Nothing repeats them.
func TestNoCommandEchoesASecret(t *testing.T) {
	const planted = "c2VjcmV0LWtleS1wbGFudGVk"
	t.Setenv("AZURE_STORAGE_KEY", planted+"Variable")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	texts := map[string]string{
		"a URL":               "https://acme.blob.core.windows.net/photos?sv=2024&sig=" + planted,
		"a place":             "az://acme/photos?sig=" + planted,
		"a token":             "sv=2024&sig=" + planted,
		"a connection string": "AccountName=acme;AccountKey=" + planted + ";EndpointSuffix=x",
		"a key":               strings.Repeat(planted, 4)[:86] + "==",
		"a variable's value":  planted + "Variable",
	}
	check := func(t *testing.T, args ...string) {
		t.Helper()
		var stdout, stderr strings.Builder
		code := Main(args, &stdout, &stderr)
		if code != 64 && code != 78 {
			t.Errorf("exit code %d of a command line with a secret, want 64 or 78", code)
		}
		if said := stdout.String() + stderr.String(); strings.Contains(said, planted) || strings.Contains(said, planted[:10]) {
			t.Errorf("the secret is shown by %q:\n%s", args[:len(args)-1], said)
		}
	}
	for number, name := range slices.Sorted(maps.Keys(texts)) {
		text, turn := texts[name], 0
		t.Run(name, func(t *testing.T) {
			for _, flag := range []string{"--" + text, "--imagse=" + text, "-x" + text, "--env=A=" + text, "--images=" + text, "-n=" + text} {
				check(t, "launch", flag)
				check(t, "launch", "--", flag)
			}
			check(t, "launch", text)
			check(t, "launch", "--", text)
			check(t, text)
			check(t, "help", text)
			check(t, "__complete", "run", "--images", text)
			eachCommand(newRoot(nil), func(c *cobra.Command) {
				path := strings.Fields(c.CommandPath())[1:]
				if c.Name() == "launch" {
					return
				}
				lines := [][]string{{text}, {"a", "b", text}, {"--", text}, {"--" + text}, {"--imagse", text}}
				c.Flags().VisitAll(func(f *pflag.Flag) { lines = append(lines, []string{"--" + f.Name + "=" + text}) })
				for _, line := range lines {
					// Each line gets one of the secrets, and run gets all: a command line
					// makes all commands again, and cobra keeps each of them.
					if turn++; turn%len(texts) == number || c.Name() == "run" {
						check(t, append(path, line...)...)
					}
				}
			})
		})
	}
}

// TestFinalErrorIsRedacted: a secret that comes from elsewhere than the command line, such
// as from a file, is not repeated either.
func TestFinalErrorIsRedacted(t *testing.T) {
	const planted = "c2VjcmV0LWtleS1wbGFudGVk"
	t.Setenv("BATCHSCORE_MODELS", t.TempDir()+"/AccountKey="+planted)
	var stdout, stderr strings.Builder
	if code := Main([]string{"models", "check", "nobody"}, &stdout, &stderr); code != 78 {
		t.Errorf("exit code %d, want 78", code)
	}
	said := stdout.String() + stderr.String()
	if strings.Contains(said, planted) || !strings.Contains(said, "AccountKey=REDACTED") {
		t.Errorf("got %s", said)
	}
}
