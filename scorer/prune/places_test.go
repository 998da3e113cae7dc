package prune

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

func open(t *testing.T, path string) store.Store {
	t.Helper()
	st, err := dir.New(path, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func keptWhy(p *Plan, name string) string {
	for _, r := range p.Runs {
		if r.Name == name {
			return r.Keep
		}
	}
	return ""
}

// TestLinks checks that nothing is deleted by way of a link in a folder of runs, wherever it leads,
// and that what a linked output needs stays.
func TestLinks(t *testing.T) {
	top := t.TempDir()
	folder, other := filepath.Join(top, "runs"), filepath.Join(top, "other")
	r := newRuns(t, open(t, folder))
	for _, name := range []string{"01", "02", "03", "04"} {
		r.night(name)
	}
	r.night("05", "03")
	r.night("06")
	if err := os.Mkdir(other, 0o777); err != nil {
		t.Fatal(err)
	}
	// 05 is elsewhere now. Its source has no mark of it any more.
	if err := os.Rename(filepath.Join(folder, "05"), filepath.Join(other, "05")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(folder, "03", dependentsFolder)); err != nil {
		t.Fatal(err)
	}
	link(t, filepath.Join(other, "05"), filepath.Join(folder, "05"))
	link(t, "06", filepath.Join(folder, "latest"))
	link(t, "01", filepath.Join(folder, "00first"))
	link(t, top, filepath.Join(folder, "top"))
	p := look(t, open(t, folder), 1)
	if got := dropped(p); got != "01 02 04" {
		t.Errorf("%q are dropped", got)
	}
	for name, want := range map[string]string{"latest": "is a link to " + folder + "/06", "05": other, "03": "05 keeps rows"} {
		if got := keptWhy(p, name); !strings.Contains(got, want) {
			t.Errorf("%s is kept because %q, want %q", name, got, want)
		}
	}
	if err := p.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"03", "05", "06", "latest"} {
		if report, err := output.Verify(t.Context(), open(t, filepath.Join(folder, name))); err != nil || !report.OK() {
			t.Errorf("run %s: %v, %v", name, report, err)
		}
	}
	// A link that leads nowhere may do so until a disk is mounted.
	r.night("07", "06")
	if err := os.Rename(filepath.Join(folder, "07"), filepath.Join(other, "07")); err != nil {
		t.Fatal(err)
	}
	if _, err := Look(t.Context(), r.place("06"), Rules{}); err != nil {
		t.Error(err)
	}
	link(t, filepath.Join(top, "unmounted", "07"), filepath.Join(folder, "07"))
	if _, err := Look(t.Context(), r.place("06"), Rules{}); !errors.Is(err, ErrNeeded) || !strings.Contains(err.Error(), "leads nowhere") {
		t.Errorf("Look() = %v", err)
	}
	if err := os.Remove(filepath.Join(folder, "07")); err != nil {
		t.Fatal(err)
	}
	// A link that is named itself is resolved.
	one := look(t, open(t, filepath.Join(folder, "latest")), 1)
	if got := dropped(one); got != "06" || one.Place != filepath.Join(folder, "06") {
		t.Errorf("%q is dropped, in %s", got, one.Place)
	}
}

// TestCopies checks that an output and a copy of it are told apart by their places, and count once.
func TestCopies(t *testing.T) {
	folder := t.TempDir()
	r := newRuns(t, open(t, folder))
	r.night("01")
	r.night("02", "01")
	r.night("03")
	r.night("04")
	for _, name := range []string{"01", "02", "04"} {
		if err := os.CopyFS(filepath.Join(folder, name+".bak"), os.DirFS(filepath.Join(folder, name))); err != nil {
			t.Fatal(err)
		}
	}
	for keep, want := range map[int]string{1: "01 01.bak 02 02.bak 03", 2: "01 01.bak 02 02.bak", 3: "01.bak"} {
		if got := dropped(look(t, r.whole, keep)); got != want {
			t.Errorf("with %d kept, %q are dropped, want %q", keep, got, want)
		}
	}
	// The original is gone, so that the copy is what another place may still read.
	if err := os.RemoveAll(filepath.Join(folder, "04")); err != nil {
		t.Fatal(err)
	}
	if err := look(t, r.whole, 3).Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := r.complete(); got != "01 02 02.bak 03 04.bak" {
		t.Errorf("%q are left", got)
	}
}

// TestLost checks that nothing complete is deleted while a run that is kept has lost rows.
func TestLost(t *testing.T) {
	whole := new(mem.Store)
	r := newRuns(t, whole)
	for _, name := range []string{"01", "02", "03"} {
		r.night(name)
	}
	r.night("04", "02")
	whole.Remove("02/" + output.SuccessName)
	p := look(t, whole, 1)
	if got := dropped(p); got != "" || !strings.Contains(keptWhy(p, "04"), "../02 is gone") || !strings.Contains(keptWhy(p, "01"), "04 are lost") {
		t.Errorf("%q are dropped; 04 is kept because %s, 01 because %s", got, keptWhy(p, "04"), keptWhy(p, "01"))
	}
	r.night("05")
	if got := dropped(look(t, whole, 1)); got != "01 03 04" {
		t.Errorf("%q are dropped once a whole run is the last", got)
	}
}

// TestModels checks that runs of different models are counted apart.
func TestModels(t *testing.T) {
	r := newRuns(t, new(mem.Store))
	r.night("01")
	r.night("02")
	r.model = "another"
	r.night("03")
	r.night("04")
	if got := dropped(look(t, r.whole, 1)); got != "01 03" {
		t.Errorf("%q are dropped", got)
	}
}

// TestUnmarked checks that one output is kept for an increment next to it that left no mark.
func TestUnmarked(t *testing.T) {
	for name, whole := range map[string]store.Store{"mem": new(mem.Store), "dir": open(t, t.TempDir())} {
		r := newRuns(t, whole)
		r.night("01")
		p := look(t, r.place("01"), 1)
		r.night("02", "01")
		if err := store.Names(t.Context(), r.place("01"), dependentsFolder, func(name string) error {
			return remove(t.Context(), r.place("01"), name)
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := Look(t.Context(), r.place("01"), Rules{Keep: 1}); !errors.Is(err, ErrNeeded) || !strings.Contains(err.Error(), "02") {
			t.Errorf("%s: Look() = %v", name, err)
		}
		if err := p.Delete(t.Context(), nil); err != nil || p.Runs[0].Deleted {
			t.Errorf("%s: Delete() = %v, deleted: %t", name, err, p.Runs[0].Deleted)
		}
	}
}
