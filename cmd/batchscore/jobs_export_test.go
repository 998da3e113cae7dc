package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/dir"
)

// exportOf returns an export of a folder that checks complete jobs at each reading.
func exportOf(t *testing.T, folder string) *exported {
	t.Helper()
	st, err := dir.New(folder, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := newExported(st, time.Hour, 0)
	p.recheck = 0
	return p
}

// TestExportFindsLostRows: a night that was complete is damaged once a part of its own, or the
// output that it keeps rows of, is gone. The log says so once, and it ends when all is back.
func TestExportFindsLostRows(t *testing.T) {
	t.Parallel()
	in, runs, model := pictures(t, 6), t.TempDir(), tiny(t, graphtest.Options{})
	night := func(name string) {
		must(t, 0, "run", "--images", in, "--out", filepath.Join(runs, name), "--after", runs, "--model", model, "--log-level", "error")
	}
	night("2026-11-28")
	writeFile(t, filepath.Join(in, "z-bad.jpg"), []byte("no picture"))
	writeFile(t, filepath.Join(in, "z-worse.jpg"), []byte("nor this"))
	night("2026-11-29")
	for _, args := range [][]string{{"jobs", "status", "--check", runs}, {"show", runs}, {"merge", runs, "-o", "-"}, {"verify", runs}} {
		says(t, must(t, 78, args...), "it is a folder of runs (newest: 2026-11-29)", "the last complete one is "+filepath.Join(runs, "2026-11-29"))
	}

	var listed []listedRun
	if err := json.Unmarshal([]byte(must(t, 0, "jobs", "status", "--json", runs).stdout), &listed); err != nil || len(listed) != 2 {
		t.Fatalf("runs %+v, %v, want 2", listed, err)
	}
	if r := listed[1]; r.Run != "2026-11-29" || r.State != "complete" || *r.Images != 8 || *r.New != 2 || *r.Failed != 2 || r.Ended == nil {
		t.Errorf("the last run is %+v", r)
	}
	says(t, must(t, 0, "jobs", "status", runs), "RUN ", "2026-11-28  complete  6       6    0 ", "2026-11-29  complete  8       2    2 ")

	p := exportOf(t, runs)
	var log bytes.Buffer
	read := func() *seen {
		t.Helper()
		p.read(t.Context(), zerolog.New(&log))
		if p.failed != nil || p.last == nil {
			t.Fatalf("the place could not be read: %v", p.failed)
		}
		return p.last
	}
	s := read()
	if s.damaged != nil || s.progress.Judged["ok"] != 0 || s.success.AllStatuses()["ok"] != 6 {
		t.Errorf("a sound night: damaged %v, judged %v, all %v", s.damaged, s.progress.Judged, s.success.AllStatuses())
	}
	parts, err := filepath.Glob(filepath.Join(runs, "2026-11-29", "part-*"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("parts %q, %v", parts, err)
	}
	for _, lost := range []string{parts[0], filepath.Join(runs, "2026-11-28")} {
		away := filepath.Join(t.TempDir(), "away")
		if err := os.Rename(lost, away); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		for range 2 {
			if s := read(); s.damaged == nil {
				t.Errorf("without %s the night is not damaged", lost)
			}
		}
		if n := strings.Count(log.String(), `"event":"export_damaged"`); n != 1 {
			t.Errorf("the log says it %d times: %s", n, &log)
		}
		if err := os.Rename(away, lost); err != nil {
			t.Fatal(err)
		}
		if s := read(); s.damaged != nil {
			t.Errorf("with %s again: %v", lost, s.damaged)
		}
	}
}

// TestExportJudgesNewImages: while an increment is not complete, too, images that it scores again
// are not among those that the alert on failing images is about.
func TestExportJudgesNewImages(t *testing.T) {
	t.Parallel()
	in, runs, model := pictures(t, 6), t.TempDir(), tiny(t, graphtest.Options{})
	night := func(name string, more ...string) string {
		out := filepath.Join(runs, name)
		must(t, 0, append([]string{"run", "--images", in, "--out", out, "--after", runs, "--model", model, "--log-level", "error"}, more...)...)
		return out
	}
	writeFile(t, filepath.Join(in, "z-bad.jpg"), []byte("no picture"))
	night("2026-11-28")
	writeFile(t, filepath.Join(in, "z-worse.jpg"), []byte("nor this"))
	out := night("2026-11-29", "--retry", "failed")
	if err := os.Remove(filepath.Join(out, "_SUCCESS")); err != nil {
		t.Fatal(err)
	}
	p := exportOf(t, out)
	p.read(t.Context(), zerolog.Nop())
	if p.last == nil || p.last.progress.Failed() != 2 || p.last.progress.Judged["not_image"] != 1 || len(p.last.progress.Judged) != 1 {
		t.Errorf("read %+v, %v, want one of two failed images judged", p.last, p.failed)
	}
}
