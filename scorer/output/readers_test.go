package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// misleading returns rows that mislead readers which guess types, quotes or missing
// values. At the beginning, more rows failed than any reader samples.
func misleading(t *testing.T) ([]row.Row, *shard.Manifest) {
	t.Helper()
	b := shard.Builder{Room: room}
	names := storetest.Names()
	for i := range 25_000 {
		names = append(names, fmt.Sprintf(" failed/%05d.jpg", i))
	}
	for _, name := range names {
		if err := b.Add(shard.Entry{Path: name, Size: int64(len(name))}); err != nil {
			t.Fatal(err)
		}
	}
	m, _, err := b.Build(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	labels := []string{"NA", "null", "None", "nan", "0123", "1e5", "true", "2019-01-01", "=1+1", "@SUM(A1)", "-x", "a,b", `say "x"`, "é", " x ", "\\N"}
	scores := []float32{0.947915, 1, 0, 0.5, 1e-7, 0.1}
	var rows []row.Row
	entries, err := m.Entries(nil, 0, m.Len())
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		r := row.Row{Path: strings.Clone(e.Path), Size: e.Size, Status: "not_found", Error: "not there",
			Answer: &row.Classification{ClassID: -1}}
		if !strings.HasPrefix(e.Path, " failed/") {
			label, s := labels[i%len(labels)], scores[i%len(scores)]
			r = row.Row{Path: r.Path, Size: e.Size, Status: row.StatusOK, Answer: &row.Classification{
				Label: label, ClassID: i % 1000, Score: s,
				TopK: []row.Class{{ClassID: i % 1000, Label: label, Score: s}, {Label: labels[(i+1)%len(labels)]}},
			}}
		}
		rows = append(rows, r)
	}
	return rows, m
}

// TestReaders reads results in every format with the libraries and the code of the
// readers' guide. make readers-check installs the libraries.
func TestReaders(t *testing.T) {
	python := os.Getenv("BATCHSCORE_READERS")
	if python == "" {
		return // make readers-check runs it
	}
	folder := t.TempDir()
	rows, m := misleading(t)
	for _, f := range formats {
		writeResult(t, filepath.Join(folder, "flat", string(f), "result"), f, 1000, rows, m)
		writeResult(t, filepath.Join(folder, "folders", string(f), "result"), f, 24, rows, m)
	}
	expected, err := row.Schema{Task: row.Classify, Format: row.JSONL, Form: row.Newest}.Encode(rows)
	if err != nil {
		t.Fatal(err)
	}
	expected = fmt.Appendf(nil, "[%s]", bytes.Join(bytes.Split(bytes.TrimSpace(expected), []byte("\n")), []byte(",")))
	if err := os.WriteFile(filepath.Join(folder, "expected.json"), expected, 0o644); err != nil {
		t.Fatal(err)
	}
	writeVectors(t, folder)
	cmd := exec.CommandContext(t.Context(), python, "testdata/readers/check.py", "../../docs/readers.md", folder)
	text, err := cmd.CombinedOutput()
	t.Logf("%s", text)
	if err != nil {
		t.Error(err)
	}
}

// writeVectors writes an output with vectors of 5 numbers, of which the image in the middle and a
// whole part have none, and what is in it.
func writeVectors(t *testing.T, folder string) {
	t.Helper()
	contract := models.Contract{Task: models.Embed, Classes: 5}
	task, err := row.ForContract(&contract)
	if err != nil {
		t.Fatal(err)
	}
	schema := row.Schema{Task: task, Format: row.Parquet, Form: row.Newest}
	var want struct {
		Numbers int      `json:"numbers"`
		Rows    [][2]any `json:"rows"`
	}
	want.Numbers = 5
	if err := os.MkdirAll(filepath.Join(folder, "vectors", "result"), 0o755); err != nil {
		t.Fatal(err)
	}
	var whole []row.Row
	for part := range 3 {
		var rows []row.Row
		for i := range 3 {
			r := row.Row{Path: fmt.Sprintf("%d-%d.jpg", part, i), Size: 9, Status: "empty", Error: "no bytes"}
			var vector []float32
			if part != 2 && i != 1 {
				vector = []float32{float32(part), float32(i), 0.1, -1e-7, 1e30}
				r.Status, r.Error, r.Answer = row.StatusOK, "", &row.Embedding{Vector: vector}
				whole = append(whole, r)
			}
			rows, want.Rows = append(rows, r), append(want.Rows, [2]any{r.Path, vector})
		}
		body, err := schema.Encode(rows)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, "vectors", "result", fmt.Sprintf("part-%05d.parquet", part)), body, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(filepath.Join(folder, "vectors", "vectors.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := schema.NewWriter(f)
	if err == nil {
		err = errors.Join(w.Write(whole), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(want)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "vectors.json"), body, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writeResult writes a complete output with those rows, in chunks of that size. Rows of
// a retry are in it that readers must not take for its own.
func writeResult(t *testing.T, folder string, f row.Format, size int, rows []row.Row, m *shard.Manifest) {
	t.Helper()
	st, err := dir.New(folder, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	job := testJob(f)
	job.Chunk = size
	if job, _, err = Join(t.Context(), st, job); err != nil {
		t.Fatal(err)
	}
	frozen, err := Freeze(t.Context(), st, freeze(m))
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	chunk := 0
	for of := range slices.Chunk(rows, job.Chunk) {
		if _, err := Commit(t.Context(), st, &job, m, chunk, of); err != nil {
			t.Fatal(err)
		}
		chunk++
	}
	if _, err := Finish(t.Context(), st, job, m, FinishOptions{}); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(folder, filepath.FromSlash(retryFolder), "0001", "part-00000."+string(f))
	if err := os.MkdirAll(filepath.Dir(again), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(again, []byte("no rows of the result\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
