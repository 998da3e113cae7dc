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

// TestRunMergeIsOnRecord: only the content of the file counts, and the records of what
// the job wrote. That a file exists says nothing, nor does which ranks took part.
func TestRunMergeIsOnRecord(t *testing.T) {
	t.Parallel()
	model := tiny(t, graphtest.Options{})
	for name, test := range map[string]func(t *testing.T, m *mergeCase){
		"a lost rank 0": func(t *testing.T, m *mergeCase) {
			writeFile(t, m.file, []byte("labels of last night"))
			must(t, 0, append(m.args, "--rank", "1", "--world", "2", "--force")...)
			m.written(t)
		},
		"a lost rank 0, later": func(t *testing.T, m *mergeCase) {
			must(t, 0, m.args...)
			writeFile(t, m.file, []byte("labels of last night"))
			must(t, 0, append(m.args, "--rank", "1", "--world", "2", "--force")...)
			m.written(t)
		},
		"a file that appears during the run": func(t *testing.T, m *mergeCase) {
			cmd := command(t, nil, m.args...)
			cmd.Env = append(cmd.Env, writeAt+"=before delivery="+m.file)
			r := finish(t, cmd)
			if r.code != 78 || readFile(t, m.file) != "foreign" {
				t.Errorf("got %v and %q, want exit code 78 and the file as it was", r, readFile(t, m.file))
			}
			says(t, r, "the job is complete", "holds something else", "--force")
			readSuccess(t, m.out)
			must(t, 78, m.args...)
			must(t, 0, append(m.args, "--force")...)
			m.written(t)
		},
		"the claim of a dead host": func(t *testing.T, m *mergeCase) {
			must(t, 0, m.args...)
			damage(removed).apply(t, m.file)
			claims, err := filepath.Glob(filepath.Join(m.out, "_batchscore", "claims", "delivery.*"))
			if err != nil || len(claims) == 0 {
				t.Fatal(claims, err)
			}
			last := claims[len(claims)-1] // which gives the right up
			changed := strings.NewReplacer(`"released":true`, `"released":false`, `"host":"`, `"host":"elsewhere-`).Replace(readFile(t, last))
			damage(removed).apply(t, last)
			writeFile(t, last, []byte(changed))
			must(t, 0, append(m.args, "--lease", "24h")...)
			m.written(t)
		},
		"repair": func(t *testing.T, m *mergeCase) {
			must(t, 0, m.args...)
			damage(cutOff).apply(t, filepath.Join(m.out, "part-00001.jsonl"))
			must(t, 10, m.args...)
			must(t, 0, "repair", m.out)
			must(t, 0, m.args...)
			m.written(t)
		},
		"repair, and other rows then": func(t *testing.T, m *mergeCase) {
			must(t, 0, m.args...)
			damage(removed).apply(t, filepath.Join(m.out, "part-00001.jsonl"))
			must(t, 0, "repair", m.out)
			writeFile(t, filepath.Join(m.images, "batch 1", "00004.jpg"), []byte("no image"))
			must(t, 0, m.args...)
			m.written(t)
		},
		"a file of merge": func(t *testing.T, m *mergeCase) {
			must(t, 0, m.args[:len(m.args)-2]...)
			must(t, 0, "merge", m.out, "-o", m.file)
			must(t, 0, append(m.args, "--retry", "failed")...)
			m.written(t)
		},
		"a retry that is killed": func(t *testing.T, m *mergeCase) {
			broken := filepath.Join(m.images, "broken.jpg")
			writeFile(t, broken, []byte("no image"))
			must(t, 0, m.args...)
			before := readFile(t, m.file)
			writeFile(t, broken, picture(t, 99))
			cmd := command(t, nil, append(m.args, "--retry", "failed")...)
			cmd.Env = append(cmd.Env, killAt+"=before delivery")
			if r := finish(t, cmd); r.code != -1 || readFile(t, m.file) != before {
				t.Fatalf("want a retry that was killed before the file, got %v", r)
			}
			must(t, 0, m.args...)
			m.written(t)
			if readFile(t, m.file) == before {
				t.Error("the retry changed nothing")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			m := &mergeCase{images: pictures(t, 12), out: filepath.Join(folder, "out"), file: filepath.Join(folder, "labels.csv")}
			m.args = []string{"run", "--images", m.images, "--out", m.out, "--model", model, "--chunk", "5", "--merge", m.file}
			test(t, m)
		})
	}
}

// mergeCase is a run with --merge.
type mergeCase struct {
	images, out, file string
	args              []string // of the run, --merge and the file last
}

// written fails the test unless the file holds the rows.
func (m *mergeCase) written(t *testing.T) {
	t.Helper()
	must(t, 0, "verify", m.out)
	if got, want := readFile(t, m.file), must(t, 0, "merge", m.out, "-o", "-", "--format", "csv").stdout; got != want {
		t.Errorf("the file holds %d bytes, %.40q, want %d", len(got), got, len(want))
	}
}

// TestRunMergeEveryNight writes the rows of each night to the same file. Only a file with the rows
// of an earlier night is replaced.
func TestRunMergeEveryNight(t *testing.T) {
	t.Parallel()
	images, runs, model := pictures(t, 6), t.TempDir(), tiny(t, graphtest.Options{})
	file := filepath.Join(t.TempDir(), "labels.csv")
	args := func(night string, more ...string) []string {
		return append([]string{"run", "--images", images, "--out", filepath.Join(runs, night), "--model", model, "--after", runs}, more...)
	}
	night := func(name string) {
		t.Helper()
		m := &mergeCase{images: images, out: filepath.Join(runs, name), file: file}
		must(t, 0, args(name, "--merge", file)...)
		m.written(t)
	}
	night("2026-11-01")
	writeFile(t, filepath.Join(images, "new.jpg"), picture(t, 50))
	night("2026-11-02")
	writeFile(t, filepath.Join(images, "newer.jpg"), picture(t, 51))
	must(t, 0, args("2026-11-03")...) // which writes no file
	writeFile(t, filepath.Join(images, "newest.jpg"), picture(t, 52))
	night("2026-11-04")
	must(t, 78, args("2026-11-02", "--merge", file)...) // later rows are there

	writeFile(t, filepath.Join(images, "last.jpg"), picture(t, 53))
	writeFile(t, file, []byte("labels of somebody else"))
	must(t, 78, args("2026-11-05", "--merge", file)...)
	if _, err := os.Stat(filepath.Join(runs, "2026-11-05")); err == nil {
		t.Error("the job was begun")
	}
	must(t, 0, args("2026-11-05", "--merge", file, "--force")...)
	night("2026-11-05")
}
