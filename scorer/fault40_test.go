package scorer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

func TestFault40_WhatIsTakenForAnImage(t *testing.T) {
	for _, test := range []struct {
		name                 string
		linked               bool
		ten, pictures, files string // why it is passed over
	}{
		{name: "a.jpg"}, {name: "b/A.JPEG"}, {name: "x.webp"},
		{name: "a.heic", ten: output.NotAPicture}, {name: "a.DNG", ten: output.NotAPicture}, {name: "a.jxl", ten: output.NotAPicture},
		{name: "a.txt", ten: output.NotAPicture, pictures: output.NotAPicture},
		{name: "a", ten: output.NotAPicture}, {name: "b/5d41402abc", ten: output.NotAPicture},
		{
			name: "b/photo.",
			ten:  output.NotAPicture,
		}, {
			name:     "b/README",
			ten:      output.NotAPicture,
			pictures: output.NotAPicture,
		}, {name: ".DS_Store", ten: output.NotAPicture, pictures: output.NotAPicture},
		{name: "a.jpg?w=3", ten: output.NotAPicture, pictures: output.NotAPicture},
		{name: "cat/a.jpg", linked: true, ten: beneathLinks},
		{name: "._a.jpg", pictures: appleDouble}, {name: "b/._a.jpg", pictures: appleDouble},
		{name: "_a.jpg"}, {name: ".a.jpg"}, {name: "._b/a.jpg"},
		{name: "@eaDir/a.jpg", pictures: "in @eaDir"}, {name: "b/@eaDir/a.jpg/SYNO_M.jpg", pictures: "in @eaDir"},
		{name: ".Trash-1000/files/a.jpg", pictures: "in .Trash"}, {name: "$RECYCLE.BIN/a.jpg", pictures: "in $RECYCLE.BIN"},
		{name: ".git/a.jpg", pictures: "in .git"}, {name: "git/a.jpg"}, {name: ".hidden/a.jpg"}, {name: "@eaDir.jpg"},
		{name: "photos.jpg/", ten: "folder marker", pictures: "folder marker", files: "folder marker"},
	} {
		for files, want := range map[output.Files]string{
			output.TenEndings: test.ten, output.Pictures: test.pictures, output.AllFiles: test.files,
		} {
			if got := passedBy(files, &store.Object{Name: test.name, Linked: test.linked}); got != want {
				t.Errorf("%s with %q: passed over because %q, want %q", test.name, files, got, want)
			}
		}
	}
}

// TestFault40_OldJobsListAsTheyDid goes on with a job that was begun when ten
// endings were known and links to folders were not followed: what is found
// beyond that today is no drift.
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
	old.Job.Files = output.TenEndings
	old.Budget = 10
	if _, err := Run(t.Context(), old); err == nil {
		t.Fatal("the job was to pause")
	}
	s := mustRun(t, options(t, images, out)) // which asks for pictures
	verified(t, out)
	if s.Images != 31 || s.Drift == nil || *s.Drift != (output.Drift{}) {
		t.Errorf("%d images, drift %+v", s.Images, s.Drift)
	}
	if s.PassedOver[output.NotAPicture][".heic"] != 1 || s.PassedOver[beneathLinks][".jpg"] != 1 {
		t.Errorf("passed over %v", s.PassedOver)
	}
	s = mustRun(t, options(t, images, new(mem.Store)))
	if s.Images != 32 || s.Drift == nil || *s.Drift != (output.Drift{}) || s.PassedOver.Files() != 1 {
		t.Errorf("a new job: %d images, drift %+v, passed over %v", s.Images, s.Drift, s.PassedOver)
	}
}
