package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestRunMerge: a run writes all rows to one file once it is complete, in every format, to
// a folder, to the output folder itself and to object storage.
func TestRunMerge(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	images, model := pictures(t, 12), tiny(t, graphtest.Options{})
	for _, test := range []struct{ name, file string }{
		{name: "csv", file: "labels.csv"}, {name: "jsonl", file: "labels.jsonl"}, {name: "parquet", file: "labels.parquet"},
		{name: "in the output", file: "out/labels.csv"}, {name: "blob", file: "az"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			out, file := filepath.Join(folder, "out"), filepath.Join(folder, test.file)
			if err := os.Mkdir(out, 0o755); err != nil {
				t.Fatal(err)
			}
			read := func() string { return readFile(t, file) }
			if test.file == "az" {
				place := newPlace(t, server)
				file = place + "/labels.csv"
				read = func() string { return readBlob(t, server, place, "labels.csv") }
			}
			args := []string{"run", "--images", images, "--out", out, "--model", model, "--chunk", "5", "--absolute", "--merge", file}
			for range 2 { // the second time there is nothing to do
				if r := withBlobs(t, server, server.Endpoint, args...); r.code != 0 {
					t.Fatal(r)
				}
				want := must(t, 0, "merge", out, "-o", "-", "--absolute", "--format", strings.TrimPrefix(filepath.Ext(file), ".")).stdout
				if got := read(); got != want || len(want) < 1000 {
					t.Fatalf("the file has %d bytes, want the %d of merge", len(got), len(want))
				}
			}
			must(t, 0, "verify", out)
		})
	}
}

// TestRunMergeRefuses: what cannot be written in the end is refused in the beginning.
func TestRunMergeRefuses(t *testing.T) {
	t.Parallel()
	images, model, folder := pictures(t, 3), tiny(t, graphtest.Options{}), t.TempDir()
	mine := filepath.Join(folder, "mine.csv")
	writeFile(t, mine, []byte("mine"))
	for _, test := range []struct {
		name  string
		flags []string
		code  int
		says  string
	}{
		{name: "unknown ending", flags: []string{"--merge", folder + "/labels.xlsx"}, code: 64, says: "want .jsonl, .csv or .parquet"},
		{name: "standard output", flags: []string{"--merge", "-"}, code: 64, says: "--merge takes a file"},
		{name: "a folder", flags: []string{"--merge", folder}, code: 64, says: "name a file"},
		{name: "no folder", flags: []string{"--merge", folder + "/none/labels.csv"}, code: 78, says: "/none"},
		{name: "unknown scheme", flags: []string{"--merge", "s3://bucket/labels.csv"}, code: 64, says: "s3://"},
		{name: "file of somebody else", flags: []string{"--merge", mine}, code: 78, says: "--force"},
		{name: "absolute alone", flags: []string{"--absolute"}, code: 64, says: "--absolute needs --merge"},
		{name: "force alone", flags: []string{"--force"}, code: 64, says: "--force needs --merge"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			r := batchscore(t, append([]string{"run", "--images", images, "--out", out, "--model", model}, test.flags...)...)
			if r.code != test.code || !strings.Contains(r.stderr, test.says) {
				t.Errorf("got %v, want exit code %d and %q", r, test.code, test.says)
			}
			wantEmpty(t, out)
		})
	}
	if got := readFile(t, mine); got != "mine" {
		t.Errorf("the file holds %q now", got)
	}
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", images, "--out", out, "--model", model, "--merge", mine, "--force")
	if got := readFile(t, mine); !strings.HasPrefix(got, "path,") {
		t.Errorf("the file holds %q, want the rows", got)
	}
}

// TestFault01_KilledBeforeTheFile kills a run between _SUCCESS and the file. The same
// command then writes the file, whole.
func TestFault01_KilledBeforeTheFile(t *testing.T) {
	t.Parallel()
	images, model := pictures(t, 12), tiny(t, graphtest.Options{})
	for _, ranks := range []string{"1", "3"} {
		t.Run(ranks+" ranks", func(t *testing.T) {
			folder := t.TempDir()
			out, file := filepath.Join(folder, "out"), filepath.Join(folder, "labels.csv")
			args := []string{"run", "--images", images, "--out", out, "--model", model, "--chunk", "5", "--merge", file}
			if ranks != "1" {
				needMpirun(t)
				args = append([]string{"launch", "-n", ranks, "--"}, args[1:]...)
			}
			cmd := command(t, nil, args...)
			cmd.Env = append(cmd.Env, killAt+"=before delivery")
			if r := finish(t, cmd); r.code == 0 {
				t.Fatalf("want a run that was killed, got %v", r)
			}
			readSuccess(t, out)
			if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
				t.Fatalf("%d entries next to the output, %v, want none", len(entries)-1, err)
			}
			if r := finish(t, command(t, nil, args...)); r.code != 0 {
				t.Fatal(r)
			}
			if want := must(t, 0, "merge", out, "-o", "-", "--format", "csv").stdout; readFile(t, file) != want {
				t.Errorf("the file has %d bytes, want %d", len(readFile(t, file)), len(want))
			}
		})
	}
}

// TestRunMergeRetry: the file follows a retry, and a file that was changed is not
// replaced.
func TestRunMergeRetry(t *testing.T) {
	t.Parallel()
	images, model, folder := pictures(t, 6), tiny(t, graphtest.Options{}), t.TempDir()
	broken := filepath.Join(images, "broken.jpg")
	writeFile(t, broken, []byte("no image"))
	out, file := filepath.Join(folder, "out"), filepath.Join(folder, "labels.csv")
	args := []string{"run", "--images", images, "--out", out, "--model", model, "--merge", file}
	must(t, 0, args...)
	if !strings.Contains(readFile(t, file), "not_image,,,,,,,[]") {
		t.Fatalf("no row of a failed image with empty numbers in\n%s", readFile(t, file))
	}
	good, err := filepath.Glob(filepath.Join(images, "*", "*.jpg"))
	if err != nil || len(good) == 0 {
		good, err = filepath.Glob(filepath.Join(images, "*.jpg"))
	}
	if err != nil || len(good) == 0 {
		t.Fatal(err)
	}
	writeFile(t, broken, []byte(readFile(t, good[0])))
	must(t, 0, append(args, "--retry", "failed")...)
	want := must(t, 0, "merge", out, "-o", "-", "--format", "csv").stdout
	if got := readFile(t, file); got != want || strings.Contains(got, "not_image") {
		t.Errorf("after the retry the file holds\n%s\nwant\n%s", got, want)
	}
	writeFile(t, file, []byte("mine"))
	if r := batchscore(t, args...); r.code != 78 || !strings.Contains(r.stderr, "--force") || readFile(t, file) != "mine" {
		t.Errorf("got %v, want exit code 78 and the file as it was", r)
	}
	must(t, 0, append(args, "--force")...)
	if got := readFile(t, file); got != want {
		t.Errorf("with --force the file has %d bytes, want %d", len(got), len(want))
	}
}
