package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestFault42_UnknownSchemes passes places with unknown schemes to every command and
// launcher that takes a place.
func TestFault42_UnknownSchemes(t *testing.T) {
	in, model := pictures(t, 2), tiny(t, graphtest.Options{})
	jobs := t.TempDir()
	t.Chdir(t.TempDir())
	jobOf := func(images, out string) string {
		path := filepath.Join(jobs, "job.yaml")
		writeFile(t, path, fmt.Appendf(nil, "images: %s\nout: %s\nmodel: %s\nimage: x\n", images, out, model))
		return path
	}
	for _, bad := range []string{"s3://bucket/x", "gs://bucket", "abfss://c@acme.dfs.core.windows.net/x", "azz://acme/photos", "file:///data", "az:/acme/photos"} {
		commands := [][]string{
			{"run", "--images", in, "--out", bad, "--model", model},
			{"run", "--images", bad, "--out", "out", "--model", model},
			{"plan", "--images", bad},
			{"sample", "--images", in, "--out", bad},
			{"sample", "--images", bad, "--out", "out"},
			{"merge", bad, "-o", "-"},
			{"merge", "out", "-o", bad},
			{"verify", bad}, {"show", bad}, {"jobs", "status", bad}, {"jobs", "fetch", "job", bad},
			{"bench", "run", "--images", bad, "--model", model},
			{"bench", "decode", "--images", bad},
			{"models", "golden", model, "--images", bad, "-o", "golden.onnx"},
			{"models", "convert", "--precision", "int8", "--calibrate", bad, model, "-o", "int8.onnx"},
			{"run", "--images", in, "--out", "out", "--model", model, "--profile", bad},
			{"run", "--images", in, "--out", "out", "--model", model, "--tune-cache", bad},
		}
		for _, engine := range []string{"local", "slurm", "kubernetes", "azureml", "batchai"} {
			commands = append(commands,
				[]string{"launch", "--to", engine, "--", "--images", in, "--out", bad, "--model", model},
				[]string{"launch", "--to", engine, "--dry-run", "--", "--images", bad, "--out", "out", "--model", model},
				[]string{"launch", "--to", engine, "-f", jobOf(in, bad)})
		}
		for _, args := range commands {
			var stdout, stderr strings.Builder
			if code := Main(args, &stdout, &stderr); code != 64 || !strings.Contains(stderr.String(), "az://ACCOUNT/CONTAINER") {
				t.Errorf("%q: got exit code %d, want 64 and the schemes that exist\n%s", args, code, &stderr)
			}
			if made, err := os.ReadDir("."); err != nil || len(made) > 0 {
				t.Errorf("%q: made %v, %v", args, made, err)
			}
		}
	}
}

// TestFault42_NoPlace passes an empty place, as an unset variable does, in a working
// directory that is an output.
func TestFault42_NoPlace(t *testing.T) {
	in, model, out := pictures(t, 2), tiny(t, graphtest.Options{}), filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", in, "--out", out, "--model", model)
	for _, args := range [][]string{
		{"verify", ""}, {"show", ""}, {"repair", ""}, {"merge", "", "-o", "-"}, {"merge", out, "-o", ""},
		{"plan", "--images", ""}, {"sample", "--images", "", "--out", "s"}, {"sample", "--images", in, "--out", ""},
		{"run", "--images", "", "--out", out, "--model", model}, {"run", "--images", in, "--out", "", "--model", model},
		{"bench", "run", "--images", "", "--model", model},
		{"models", "golden", model, "--images", "", "-o", "golden.onnx"},
		{"models", "convert", "--precision", "int8", "--calibrate", "", model, "-o", "int8.onnx"},
	} {
		cmd := command(t, nil, args...)
		cmd.Dir = out
		if r := finish(t, cmd); r.code != 64 {
			t.Errorf("%q: got %v, want exit code 64", args, r)
		}
	}
	must(t, 0, "verify", out)
}

// TestFault42_LocalFolderOfThatName writes to a folder that looks like a place, spelled
// as a path.
func TestFault42_LocalFolderOfThatName(t *testing.T) {
	in, model := pictures(t, 2), tiny(t, graphtest.Options{})
	cmd := command(t, nil, "run", "--images", in, "--out", "./s3://bucket", "--model", model)
	cmd.Dir = t.TempDir()
	if r := finish(t, cmd); r.code != 0 || !exists(filepath.Join(cmd.Dir, "s3:", "bucket", "_SUCCESS")) {
		t.Errorf("got %v, want a complete result in the folder s3:", r)
	}
}

// TestFault42_BlobsWhereFilesBelong passes blob storage where only a path on this
// machine is allowed.
func TestFault42_BlobsWhereFilesBelong(t *testing.T) {
	cmd := command(t, nil, "jobs", "fetch", "job", "az://acme/labels")
	cmd.Dir = t.TempDir()
	if r := finish(t, cmd); r.code != 64 || !strings.Contains(r.stderr, "on this machine") || exists(filepath.Join(cmd.Dir, "az:")) {
		t.Errorf("got %v, want exit code 64 and no folder az:", r)
	}
}
