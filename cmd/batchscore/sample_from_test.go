package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/shard"
)

// sampledRow is a line of the rows of a sample.
type sampledRow struct {
	Path, Status, Label, Address string
	Margin, Certainty            float32
}

// sampled returns the rows of a sample, which its two files agree on.
func sampled(t *testing.T, folder string) []sampledRow {
	t.Helper()
	files := filesIn(t, folder)
	var rows []sampledRow
	for line := range strings.Lines(files["rows.jsonl"]) {
		var r sampledRow
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		rows = append(rows, r)
	}
	records, err := csv.NewReader(strings.NewReader(files["rows.csv"])).ReadAll()
	if err != nil || len(records) != len(rows)+1 {
		t.Fatalf("rows.csv has %d records, %v; rows.jsonl has %d lines", len(records), err, len(rows))
	}
	for i, record := range records[1:] {
		for _, want := range []struct{ column, value string }{
			{column: "path", value: rows[i].Path}, {column: "label", value: rows[i].Label}, {column: "address", value: rows[i].Address},
		} {
			if at := slices.Index(records[0], want.column); at < 0 || record[at] != want.value {
				t.Errorf("record %d of rows.csv is %q, want %s %q", i, record, want.column, want.value)
			}
		}
	}
	return rows
}

// leastSure returns the paths of the n rows of the least margin, at most perLabel of
// each label.
func leastSure(rows []jsonRow, n, perLabel int) []string {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r jsonRow) bool { return r.Status != "ok" })
	slices.SortStableFunc(rows, func(a, b jsonRow) int {
		x, y := a.TopK[0].Score-a.TopK[1].Score, b.TopK[0].Score-b.TopK[1].Score
		return map[bool]int{true: -1}[x < y] + map[bool]int{true: 1}[x > y]
	})
	var paths []string
	of := map[string]int{}
	for _, r := range rows {
		if of[r.Label]++; of[r.Label] <= perLabel && len(paths) < n {
			paths = append(paths, r.Path)
		}
	}
	return paths
}

// TestSampleFrom takes the least certain images of a result, from a folder and from
// Azurite.
func TestSampleFrom(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	folder := pictures(t, 30)
	writeFile(t, filepath.Join(folder, "batch 0", "empty.jpg"), nil)
	for _, kind := range []string{"folder", "blobs"} {
		t.Run(kind, func(t *testing.T) {
			images := folder
			call := func(code int, args ...string) processResult {
				t.Helper()
				if kind == "folder" {
					return must(t, code, args...)
				}
				r := withBlobs(t, server, server.Endpoint, args...)
				if r.code != code {
					t.Fatalf("%q: got %v, want exit code %d", args, r, code)
				}
				return r
			}
			if kind == "blobs" {
				images = upload(t, server, folder)
			}
			out := filepath.Join(t.TempDir(), "out")
			call(0, "run", "--images", images, "--out", out, "--model", tiny(t, graphtest.Options{Classes: 3}), "--chunk", "4")
			rows := rowsOf(t, out)

			into := filepath.Join(t.TempDir(), "sample")
			r := call(0, "sample", "--from", out, "--least-sure", "7", "--per-label", "4", "--out", into)
			want := leastSure(rows, 7, 4)
			says(t, processResult{stdout: r.stdout}, fmt.Sprintf("%d of 31 images", len(want)), "their rows are in rows.csv and rows.jsonl")
			var got []string
			for _, r := range sampled(t, into) {
				got = append(got, r.Path)
				if want := strings.TrimSuffix(images, "/") + "/" + r.Path; r.Address != want {
					t.Errorf("the address is %s, want %s", r.Address, want)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("sampled %q, want %q", got, want)
			}
			all := filesIn(t, folder)
			for name, body := range filesIn(t, into) {
				if !strings.HasPrefix(name, "rows.") && (all[name] != body || !slices.Contains(want, name)) {
					t.Errorf("%s is not one of the images chosen", name)
				}
			}

			// The same again, and a larger sample, which contains it.
			before := filesIn(t, into)
			call(0, "sample", "--from", out, "--least-sure", "7", "--per-label", "4", "--out", into)
			if after := filesIn(t, into); after["rows.csv"] != before["rows.csv"] || after["rows.jsonl"] != before["rows.jsonl"] {
				t.Error("the same sample has other rows")
			}
			call(0, "sample", "--from", out, "--least-sure", "30", "--out", into)
			if got := sampled(t, into); len(got) != 30 || len(filesIn(t, into)) != 32 {
				t.Errorf("%d rows and %d files, want 30 and 32", len(got), len(filesIn(t, into)))
			}
			r = call(78, "sample", "--from", out, "--where", "status=empty", "--out", into)
			if !strings.Contains(r.stderr, "of another sample") {
				t.Errorf("got %v, want a refusal to mix samples", r)
			}
			into = filepath.Join(t.TempDir(), "failed")
			call(0, "sample", "--from", out, "--where", "status=failed", "--out", into)
			if got := sampled(t, into); len(got) != 1 || got[0].Path != "batch 0/empty.jpg" || got[0].Status != "empty" {
				t.Errorf("failed: %+v", got)
			}
		})
	}
}

// photos returns a folder of 12 images and an output of them with the labels cat, dog
// and cow in turn.
func photos(t *testing.T) (folder, out string) {
	folder = t.TempDir()
	for i := range 12 {
		writeFile(t, filepath.Join(folder, fmt.Sprintf("%02d.jpg", i)), fmt.Appendf(nil, "image %d", i))
	}
	n := 0
	out = crafted{images: folder, entries: entriesOf(t, folder), rows: func(shard.Entry) row.Row {
		n++
		return answer([]string{"cat", "dog", "cow"}[n%3], 0.5+float32(n)/32, "horse")
	}}.write(t)
	return folder, out
}

// TestSampleFromChangedImages: images that are no longer what was scored are left out
// and named.
func TestSampleFromChangedImages(t *testing.T) {
	t.Parallel()
	folder, out := photos(t)
	if err := os.Remove(filepath.Join(folder, "01.jpg")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "02.jpg"), []byte("another image"))
	if err := os.Chtimes(filepath.Join(folder, "02.jpg"), time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(t.TempDir(), "sample")
	r := must(t, 0, "sample", "--from", out, "--least-sure", "4", "--out", into)
	says(t, processResult{stdout: r.stdout}, "2 of 12 images", "2 could not be read (1 changed since, 1 deleted since)")
	says(t, processResult{stdout: r.stderr}, `not in the sample: read "01.jpg"`, `not in the sample: read "02.jpg"`)
	if got := sampled(t, into); len(got) != 2 || got[0].Path != "00.jpg" || got[1].Path != "03.jpg" {
		t.Errorf("rows: %+v, want those of the two images", got)
	}

	// Copies of the images have other times. Their sizes must still be right.
	elsewhere := filepath.Join(t.TempDir(), "moved")
	if err := os.CopyFS(elsewhere, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(elsewhere, "03.jpg"), []byte("longer than it was"))
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	into = filepath.Join(t.TempDir(), "sample")
	if r := must(t, 78, "sample", "--from", out, "--least-sure", "4", "--out", into); !strings.Contains(r.stderr, "name the place with --images") {
		t.Errorf("got %v, want advice to name the place", r)
	}
	r = must(t, 0, "sample", "--from", out, "--least-sure", "5", "--out", into, "--images", elsewhere)
	says(t, processResult{stdout: r.stdout}, "2 of 12 images", "3 could not be read (2 changed since, 1 deleted since)")
}

func TestSampleFromChooses(t *testing.T) {
	t.Parallel()
	_, out := photos(t)
	for _, test := range []struct {
		name  string
		flags []string
		want  map[string]int // images by label
		fewer string         // why they are fewer than asked for
	}{
		{name: "each label", flags: []string{"--per-label", "2"}, want: map[string]int{"cat": 2, "dog": 2, "cow": 2}},
		{name: "number", flags: []string{"-n", "3", "--where", "label=dog"}, want: map[string]int{"dog": 3}},
		{name: "number and label", flags: []string{"-n", "3", "--per-label", "1"}, want: map[string]int{"cat": 1, "dog": 1, "cow": 1}},
		{name: "where", flags: []string{"--where", "score<0.6"}, want: map[string]int{"cat": 1, "dog": 1, "cow": 1}},
		{name: "least sure", flags: []string{"--least-sure", "4"}, want: map[string]int{"cat": 1, "dog": 2, "cow": 1}},
		{name: "least sure of each", flags: []string{"--least-sure", "100", "--per-label", "3"}, want: map[string]int{"cat": 3, "dog": 3, "cow": 3},
			fewer: "(9 of the 100 asked for: there are at most 3 of each label)"},
		{name: "too few", flags: []string{"-n", "100", "--where", "score<0.6"}, want: map[string]int{"cat": 1, "dog": 1, "cow": 1},
			fewer: "(3 of the 100 asked for: no more can be chosen)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var all [2][]sampledRow
			for i := range all {
				into := filepath.Join(t.TempDir(), "sample")
				r := must(t, 0, append([]string{"sample", "--from", out, "--out", into}, test.flags...)...)
				if !strings.Contains(r.stdout, test.fewer) || strings.Contains(r.stdout, "asked for") != (test.fewer != "") {
					t.Errorf("got %v, want %q", r, test.fewer)
				}
				all[i] = sampled(t, into)
			}
			got := map[string]int{}
			for _, r := range all[0] {
				got[r.Label]++
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) || !slices.Equal(all[0], all[1]) {
				t.Errorf("got %v, then %v; want %v twice", all[0], all[1], test.want)
			}
		})
	}
}

// TestSampleInsideTheImages: a sample in the folder of the images is made, with a warning
// that it will be scored with them.
func TestSampleInsideTheImages(t *testing.T) {
	t.Parallel()
	folder, out := photos(t)
	const warning = "the next job that scores that place scores the copies too"
	for _, from := range [][]string{{"--from", out}, {"--images", folder}} {
		args := append([]string{"sample", "-n", "2", "--out"}, filepath.Join(folder, "sample"+from[0]))
		if r := must(t, 0, append(args, from...)...); !strings.Contains(r.stderr, warning) {
			t.Errorf("got %v, want %q", r, warning)
		}
		args[4] = t.TempDir()
		if r := must(t, 0, append(args, from...)...); strings.Contains(r.stderr, warning) {
			t.Errorf("got %v, want no warning", r)
		}
	}
}

// TestSampleFromUnfinished: rows that exist can be chosen, and it is said that others
// may follow.
func TestSampleFromUnfinished(t *testing.T) {
	t.Parallel()
	folder, _ := photos(t)
	out := crafted{images: folder, entries: entriesOf(t, folder), unfinished: true, format: row.Parquet, rows: func(e shard.Entry) row.Row {
		return answer("cat", 0.5+float32(e.Path[1]-'0')/32, "dog")
	}}.write(t)
	into := filepath.Join(t.TempDir(), "sample")
	r := must(t, 0, "sample", "--from", out, "--least-sure", "2", "--out", into)
	says(t, processResult{stdout: r.stdout}, "2 of 8 images", "the job is not complete")
	if got := sampled(t, into); got[0].Path != "00.jpg" || got[1].Path != "01.jpg" {
		t.Errorf("rows: %+v", got)
	}
}

func TestSampleFromRefuses(t *testing.T) {
	t.Parallel()
	folder, out := photos(t)
	into := filepath.Join(t.TempDir(), "sample")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{args: []string{"--images", folder, "--least-sure", "4"}, code: 64, says: "--from"},
		{args: []string{"--images", folder, "--where", "label=cat"}, code: 64, says: "--from"},
		{args: []string{"--from", out, "--least-sure", "0"}, code: 64, says: "0 for --least-sure"},
		{args: []string{"--from", out, "--per-label", "0"}, code: 64, says: "0 for --per-label"},
		{args: []string{"--from", out, "--least-sure", "4", "-n", "5"}, code: 64, says: "leave out --number"},
		{args: []string{"--from", out, "--all-files"}, code: 64, says: "--all-files"},
		{args: []string{"--from", out, "--where", "lable=cat"}, code: 64, says: `did you mean "label"`},
		{args: []string{"--from", out, "--where", "label=horse"}, code: 78, says: "no image is chosen"},
		{args: []string{"--from", folder}, code: 78, says: "is not an output folder: it has no _batchscore/job.json"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			if r := must(t, c.code, append([]string{"sample", "--out", into}, c.args...)...); !strings.Contains(r.stderr, c.says) {
				t.Errorf("got %v, want %q", r, c.says)
			}
			if exists(into) {
				t.Error("something was written")
			}
		})
	}
}
