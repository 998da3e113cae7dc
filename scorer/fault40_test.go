package scorer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestFault40_OldJobsListAsTheyDid continues a job that was begun when ten endings
// were known and links to folders were not followed. What listings find beyond that
// today is not drift.
func TestFault40_OldJobsListAsTheyDid(t *testing.T) {
	root, out := t.TempDir(), new(mem.Store)
	images, err := dir.New(filepath.Join(root, "images"), dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	real, err := dir.New(filepath.Join(root, "real"), dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		put(t, images, pictureName(i), picture(t, i))
	}
	put(t, images, "a.heic", picture(t, 50))
	put(t, images, "@eaDir/a.jpg", picture(t, 51))
	put(t, real, "b.jpg", picture(t, 52))
	if err := os.Symlink("../real", filepath.Join(root, "images", "linked")); err != nil {
		t.Fatal(err)
	}
	old := options(t, images, out)
	old.Job.Files = listing.TenEndings
	old.Budget = 10
	if _, err := Run(t.Context(), old); err == nil {
		t.Fatal("Run() = nil, want the job to pause")
	}
	s := mustRun(t, options(t, images, out)) // which asks for pictures
	verified(t, out)
	if s.Images != 31 || s.Drift == nil || *s.Drift != (output.Drift{}) {
		t.Errorf("%d images, drift %+v, want 31 and none", s.Images, s.Drift)
	}
	if s.PassedOver[listing.NotAPicture][".heic"] != 1 || s.PassedOver["beneath a linked folder"][".jpg"] != 1 {
		t.Errorf("passed over %v, want 1 .heic and 1 .jpg beneath a link", s.PassedOver)
	}
	s = mustRun(t, options(t, images, new(mem.Store)))
	if s.Images != 32 || s.Drift == nil || *s.Drift != (output.Drift{}) || s.PassedOver.Files() != 1 {
		t.Errorf("a new job: %d images, drift %+v, passed over %v, want 32, none and 1 file", s.Images, s.Drift, s.PassedOver)
	}
}
