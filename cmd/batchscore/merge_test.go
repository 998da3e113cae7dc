package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// scoredOnce runs a job over a few pictures, and returns where they and the result are.
func scoredOnce(t *testing.T, more ...string) (images, out string) {
	t.Helper()
	images, out = pictures(t, 5), filepath.Join(t.TempDir(), "out")
	must(t, 0, append([]string{"run", "--images", images, "--out", out, "--model", tiny(t, graphtest.Options{})}, more...)...)
	return images, out
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestMergeEndings: the ending of a file says its format, and one that is not known is
// refused before anything is read or written.
func TestMergeEndings(t *testing.T) {
	t.Parallel()
	_, out := scoredOnce(t)
	folder := t.TempDir()
	for _, test := range []struct {
		file  string
		flags []string
		begin string // of the file; empty if it is refused
		says  string
	}{
		{file: "labels.csv", begin: "path,"},
		{file: "LABELS.CSV", begin: "path,"},
		{file: "labels.jsonl", begin: `{"path":`},
		{file: "labels.parquet", begin: "PAR1"},
		{file: "labels", says: "the name has no ending, which says the format: want .jsonl, .csv, .parquet or .npy, or --format"},
		{file: "other labels", flags: []string{"--format", "jsonl"}, begin: `{"path":`},
		{file: "labels.xlsx", says: `unknown ending ".xlsx": want .jsonl, .csv, .parquet or .npy`},
		{file: "labels.csv.gz", says: `unknown ending ".gz"`},
		{file: "labels.json", says: `unknown ending ".json"`},
		{file: "labels.2019", says: `unknown ending ".2019"`},
		{file: "labels.2020", flags: []string{"--format", "csv"}, begin: "path,"},
		{file: "of another ending.parquet", flags: []string{"--format", "csv"}, begin: "path,"},
	} {
		t.Run(test.file, func(t *testing.T) {
			file := filepath.Join(folder, test.file)
			r := batchscore(t, append([]string{"merge", out, "-o", file}, test.flags...)...)
			if test.begin == "" {
				if _, err := os.Stat(file); r.code != 64 || !strings.Contains(r.stderr, test.says) || !os.IsNotExist(err) {
					t.Errorf("got %v, %v; want exit code 64, %q and no file", r, err, test.says)
				}
				return
			}
			if !strings.HasSuffix(r.stdout, " images\n") || !strings.Contains(r.stdout, test.file+" has the rows of ") {
				t.Errorf("got %v, want a line that names the file", r)
			}
			if r.code != 0 || !strings.HasPrefix(readFile(t, file), test.begin) {
				t.Errorf("got %v and %.20q, want a file that begins with %q", r, readFile(t, file), test.begin)
			}
		})
	}
}

// TestMergeReplaces: a file that holds these rows is left alone, and any other is replaced
// only with --force, here and in object storage.
func TestMergeReplaces(t *testing.T) {
	t.Parallel()
	_, out := scoredOnce(t)
	server := azuritetest.Start(t)
	blobs := newPlace(t, server)
	want := must(t, 0, "merge", out, "-o", "-", "--format", "csv").stdout
	for _, test := range []struct{ name, file string }{
		{name: "folder", file: filepath.Join(t.TempDir(), "labels.csv")},
		{name: "blobs", file: blobs + "/labels.csv"},
	} {
		t.Run(test.name, func(t *testing.T) {
			read := func() string { return readFile(t, test.file) }
			if test.name == "blobs" {
				read = func() string { return readBlob(t, server, blobs, "labels.csv") }
			}
			for _, step := range []struct {
				flags []string
				code  int
				want  string // what the file holds then
			}{
				{want: want},
				{want: want}, // the same rows again
				{flags: []string{"--format", "jsonl"}, code: 78, want: want},
				{flags: []string{"--format", "jsonl", "--force"}, want: must(t, 0, "merge", out, "-o", "-").stdout},
				{code: 78, want: must(t, 0, "merge", out, "-o", "-").stdout},
				{flags: []string{"--force"}, want: want},
			} {
				r := withBlobs(t, server, server.Endpoint, append([]string{"merge", out, "-o", test.file}, step.flags...)...)
				if r.code != step.code || read() != step.want {
					t.Fatalf("%q: got %v and %d bytes, want exit code %d and %d bytes", step.flags, r, len(read()), step.code, len(step.want))
				}
				if step.code != 0 && !strings.Contains(r.stderr, "exists already and holds something else") ||
					step.code != 0 && !strings.Contains(r.stderr, "--force") {
					t.Errorf("%q: got %v, want the reason and the way out", step.flags, r)
				}
			}
		})
	}
	// A file that begins with the same rows, or ends before them, holds something else.
	for name, body := range map[string]string{"longer": want + "x", "shorter": want[:len(want)-1], "empty": ""} {
		file := filepath.Join(t.TempDir(), "labels.csv")
		writeFile(t, file, []byte(body))
		if r := batchscore(t, "merge", out, "-o", file); r.code != 78 || readFile(t, file) != body {
			t.Errorf("%s: got %v and %d bytes, want exit code 78 and the file as it was", name, r, len(readFile(t, file)))
		}
	}
}

// TestMergeAsks: on a terminal the user is asked before a file is replaced.
func TestMergeAsks(t *testing.T) {
	t.Parallel()
	_, out := scoredOnce(t)
	want := must(t, 0, "merge", out, "-o", "-", "--format", "csv").stdout
	for _, test := range []struct {
		answer string
		code   int
		want   string
	}{
		{answer: "n", code: 78, want: "mine"}, {answer: "", code: 78, want: "mine"},
		{answer: "y", code: 0, want: want}, {answer: "Yes", code: 0, want: want},
	} {
		t.Run(test.answer, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "labels.csv")
			writeFile(t, file, []byte("mine"))
			term := newTerminal(t, 80, 24, command(t, nil, "merge", out, "-o", file))
			term.until("a question", func(screen string) bool {
				// Lines end anywhere, also at a space.
				return strings.Contains(strings.Join(strings.Fields(screen), ""), "holdssomethingelse.Replaceit?[y/N]")
			})
			term.tmux("send-keys", test.answer, "Enter")
			if code := term.exitCode(); code != test.code || readFile(t, file) != test.want {
				t.Errorf("exit code %d and %d bytes, want %d and %d; the screen shows\n%s", code, len(readFile(t, file)), test.code, len(test.want), term.screen())
			}
		})
	}
}

// TestMergeAbsolute: rows have the full address of their image, whose exact bytes are in
// path_base64 where they are not UTF-8.
func TestMergeAbsolute(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	folder, model := pictures(t, 5), tiny(t, graphtest.Options{})
	blobs := upload(t, server, folder)
	odd := filepath.Join(t.TempDir(), "photos \xff")
	if err := os.CopyFS(odd, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "bad \xfe.jpg"), []byte("no image"))
	for _, test := range []struct{ name, images, begin string }{
		{name: "folder", images: folder, begin: folder + "/"},
		{name: "folder that is not UTF-8", images: odd, begin: odd + "/"},
		{name: "blobs", images: blobs, begin: strings.TrimSuffix(blobs, "/") + "/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			if r := withBlobs(t, server, server.Endpoint, "run", "--images", test.images, "--out", out, "--model", model); r.code != 0 {
				t.Fatal(r)
			}
			paths := func(args ...string) (all []string) {
				for line := range strings.Lines(must(t, 0, append([]string{"merge", out, "-o", "-"}, args...)...).stdout) {
					var r struct {
						Path   string
						Base64 []byte `json:"path_base64"`
					}
					if err := json.Unmarshal([]byte(line), &r); err != nil {
						t.Fatal(err)
					}
					if len(r.Base64) > 0 {
						if strings.ToValidUTF8(string(r.Base64), "\uFFFD") != r.Path {
							t.Errorf("%q is not the exact form of %q", r.Base64, r.Path)
						}
						r.Path = string(r.Base64)
					}
					all = append(all, r.Path)
				}
				return all
			}
			names, addresses := paths(), paths("--absolute")
			if len(names) < 5 || len(names) != len(addresses) {
				t.Fatalf("%d names and %d addresses", len(names), len(addresses))
			}
			for i, name := range names {
				if addresses[i] != test.begin+name {
					t.Errorf("the address of %q is %q, want %q", name, addresses[i], test.begin+name)
				}
				if _, err := os.Stat(addresses[i]); err != nil && test.name != "blobs" {
					t.Error(err)
				}
			}
			must(t, 0, "verify", out) // parts have names
		})
	}
}
