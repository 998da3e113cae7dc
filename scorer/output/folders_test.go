package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

func TestPartNames(t *testing.T) {
	for _, tt := range []struct {
		form, chunks, chunk int
		want                string
	}{
		{form: 0, chunks: 5, chunk: 4, want: "part-00004.csv"},
		{form: 1, chunks: 1000, chunk: 999, want: "part-00999.csv"},
		{form: 0, chunks: 200_000, chunk: 123_456, want: "part-123456.csv"},
		{form: 1, chunks: 1001, chunk: 0, want: "part-0000/part-0000000.csv"},
		{form: 1, chunks: 1001, chunk: 1000, want: "part-0001/part-0001000.csv"},
		{form: 1, chunks: 9_999_999, chunk: 9_999_998, want: "part-9999/part-9999998.csv"},
	} {
		names := partNames(tt.form, tt.chunks, row.CSV)
		if got := names.Name(tt.chunk); got != tt.want {
			t.Errorf("part %d of %d in form %d is %s, want %s", tt.chunk, tt.chunks, tt.form, got, tt.want)
		}
		if chunk, ok := names.chunk(tt.want); !ok || chunk != tt.chunk {
			t.Errorf("%s is that of chunk %d, %v, want %d", tt.want, chunk, ok, tt.chunk)
		}
	}
	names := partNames(1, 5000, row.JSONL)
	for _, name := range []string{
		"part-00001.jsonl", "part-0001/part-0000001.jsonl", "part-0000/part-00001.jsonl", "part-0000/part-0000001.csv",
		"part-0000/x/part-0000001.jsonl", "part-0000001.jsonl", "part-0000/", "part-0000/part-x.jsonl", "x/part-0000001.jsonl",
	} {
		if chunk, ok := names.chunk(name); ok {
			t.Errorf("%s is taken for the part of chunk %d", name, chunk)
		}
	}
	if !slices.IsSorted([]string{names.Name(0), names.Name(999), names.Name(1000), names.Name(4999)}) {
		t.Error("names do not sort as chunks do")
	}
}

// many is a complete job of 1,205 chunks in st.
func many(t *testing.T, st store.Store, form int) run {
	t.Helper()
	job := testJob(row.JSONL)
	job.Chunk = 2
	r := begin(t, st, job, numbered(2409))
	r.j.PartForm = form
	for chunk := range r.c.Count() {
		if _, err := Commit(t.Context(), st, &r.j, r.m, chunk, rowsOf(r.m, r.c, chunk)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// TestPartsInFolders: a job with many chunks has its parts in folders, and whoever
// reads or repairs the output finds them there.
func TestPartsInFolders(t *testing.T) {
	root := t.TempDir()
	folder, err := dir.New(root, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, st := range map[string]store.Store{"memory": new(mem.Store), "folder": folder} {
		t.Run(name, func(t *testing.T) {
			r := many(t, st, partForm)
			s, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{})
			if err != nil || s.PartForm != 1 || s.Chunks != 1205 {
				t.Fatalf("Finish() = %+v, %v", s, err)
			}
			if err := errors.Join(s.CheckParts(t.Context(), st), Intact(t.Context(), st, s)); err != nil {
				t.Error(err)
			}
			if report, err := Verify(t.Context(), st); err != nil || !report.OK() || report.Rows != 2409 || !report.Complete {
				t.Errorf("Verify() = %v, %v", report.String(), err)
			}
			if p, err := Observe(st).Look(t.Context()); err != nil || p.ChunksDone != 1205 || p.Stage != Complete {
				t.Errorf("Look() = %+v, %v", p, err)
			}
			var merged bytes.Buffer
			if err := Merge(t.Context(), st, &merged, MergeOptions{}); err != nil || strings.Count(merged.String(), "\n") != 2409 {
				t.Errorf("Merge() = %d bytes, %v", merged.Len(), err)
			}
			n := 0
			if err := Rows(t.Context(), st, func(row.Row) error { n++; return nil }); err != nil || n != 2409 {
				t.Errorf("Rows() = %d rows, %v", n, err)
			}
			repairsFolders(t, st, r)
		})
	}
	for _, name := range []string{"part-0000/part-0000999.jsonl", "part-0001/part-0001204.jsonl"} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--quiet", "-c", "_batchscore/parts.sha256")
	check.Dir = root
	if text, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
}

// repairsFolders damages a part in a folder and adds others that no job has, and repairs
// that.
func repairsFolders(t *testing.T, st store.Store, r run) {
	t.Helper()
	const name = "part-0001/part-0001003.jsonl"
	whole, o, err := store.ReadAll(t.Context(), st, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Replace(t.Context(), st, name, whole[:len(whole)/2], o.ETag); err != nil {
		t.Fatal(err)
	}
	const surplus = "part-0009/part-0009001.jsonl"
	if _, err := st.Create(t.Context(), surplus, whole); err != nil {
		t.Fatal(err)
	}
	report, err := Verify(t.Context(), st)
	if err != nil || report.Found[Damaged] != 1 || report.Found[Surplus] != 1 {
		t.Errorf("Verify() = %v, %v, want one part damaged and one surplus", report.String(), err)
	}
	done, err := Repair(t.Context(), st)
	if err != nil || done.Missing != 1 || done.Aside[0].Name != name || done.Aside[1].Name != surplus ||
		!strings.HasSuffix(done.Aside[0].In, "_batchscore/repair/0001/"+name) {
		t.Fatalf("Repair() = %+v, %v", done, err)
	}
	if _, err := Commit(t.Context(), st, &r.j, r.m, 1003, rowsOf(r.m, r.c, 1003)); err != nil {
		t.Fatal(err)
	}
	if _, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{}); err != nil {
		t.Error(err)
	}
	if report, err := Verify(t.Context(), st); err != nil || !report.OK() {
		t.Errorf("Verify() after the repair = %v, %v", report.String(), err)
	}
}

// TestPartsOfOlderJobs: a job that was begun before there were folders has none, and
// merges to the same bytes.
func TestPartsOfOlderJobs(t *testing.T) {
	merged := map[int]string{}
	for _, form := range []int{0, partForm} {
		st := new(mem.Store)
		r := many(t, st, form)
		if form == 0 {
			asOlder(t, st, r)
		}
		if _, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{}); err != nil {
			t.Fatal(err)
		}
		if report, err := Verify(t.Context(), st); err != nil || !report.OK() {
			t.Errorf("Verify() in form %d = %v, %v", form, report.String(), err)
		}
		_, flat := objects(t, st)["part-01204.jsonl"]
		if flat != (form == 0) {
			t.Errorf("the last part of form %d is in the output folder: %v", form, flat)
		}
		var b bytes.Buffer
		if err := Merge(t.Context(), st, &b, MergeOptions{}); err != nil {
			t.Fatal(err)
		}
		merged[form] = b.String()
	}
	if merged[0] != merged[1] {
		t.Error("the forms merge to other bytes")
	}
}

// asOlder makes the record of a job that of a release without the form of parts.
func asOlder(t *testing.T, st *mem.Store, r run) {
	t.Helper()
	job := r.j
	job.PartForm = 0
	body, err := encodeRecord(&job)
	if err != nil {
		t.Fatal(err)
	}
	st.Put(jobName, body)
}

// TestPartsOfANewerForm: a program leaves a job alone whose parts it would not find.
func TestPartsOfANewerForm(t *testing.T) {
	st := new(mem.Store)
	job := testJob(row.JSONL)
	job.PartForm, job.ID = partForm+1, "x"
	body, err := encodeRecord(&job)
	if err != nil {
		t.Fatal(err)
	}
	st.Put(jobName, body)
	before := objects(t, st)
	_, _, err = Join(t.Context(), st, testJob(row.JSONL))
	if !errors.Is(err, ErrMismatch) || !strings.Contains(fmt.Sprint(err), "its parts have form 2, this program knows forms up to 1") {
		t.Errorf("Join() = %v, want ErrMismatch with the forms", err)
	}
	if !maps.Equal(before, objects(t, st)) {
		t.Error("Join() changed the folder")
	}
}

// TestARetryHasTheFormOfTheJob: an older release may take part in the retry of its job.
func TestARetryHasTheFormOfTheJob(t *testing.T) {
	for _, form := range []int{0, partForm} {
		st := new(mem.Store)
		want := testJob(row.JSONL)
		want.PartForm, want.Retry = form, &Retry{Of: "x", Generation: 1, Statuses: row.Selection{row.AnyFailure}}
		if job, _, err := Join(context.Background(), st, want); err != nil || job.PartForm != form || job.MaxErrors != "" {
			t.Errorf("Join() = %+v, %v, want parts of form %d", job, err, form)
		}
	}
}
