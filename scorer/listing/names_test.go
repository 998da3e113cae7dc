package listing

import (
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

func TestFault40_WhatIsTakenForAnImage(t *testing.T) {
	for _, test := range []struct {
		name                 string
		linked               bool
		ten, pictures, files string // why it is passed over
	}{
		{name: "a.jpg"}, {name: "b/A.JPEG"}, {name: "x.webp"},
		{name: "a.heic", ten: NotAPicture}, {name: "a.DNG", ten: NotAPicture}, {name: "a.jxl", ten: NotAPicture},
		{name: "a.txt", ten: NotAPicture, pictures: NotAPicture},
		{name: "a", ten: NotAPicture}, {name: "b/5d41402abc", ten: NotAPicture},
		{name: "b/photo.", ten: NotAPicture}, {name: "b/README", ten: NotAPicture, pictures: NotAPicture},
		{name: ".DS_Store", ten: NotAPicture, pictures: NotAPicture},
		{name: "a.jpg?w=3", ten: NotAPicture, pictures: NotAPicture},
		{name: "cat/a.jpg", linked: true, ten: beneathLinks},
		{name: "._a.jpg", pictures: appleDouble}, {name: "b/._a.jpg", pictures: appleDouble},
		{name: "_a.jpg"}, {name: ".a.jpg"}, {name: "._b/a.jpg"},
		{name: "@eaDir/a.jpg", pictures: "in @eaDir"}, {name: "b/@eaDir/a.jpg/SYNO_M.jpg", pictures: "in @eaDir"},
		{name: ".Trash-1000/files/a.jpg", pictures: "in .Trash"}, {name: "$RECYCLE.BIN/a.jpg", pictures: "in $RECYCLE.BIN"},
		{name: ".git/a.jpg", pictures: "in .git"}, {name: "git/a.jpg"}, {name: ".hidden/a.jpg"}, {name: "@eaDir.jpg"},
		{name: "r/_SUCCESS", ten: NotAPicture, pictures: ofResult, files: ofResult},
		{name: "part-00012.csv", ten: NotAPicture, pictures: ofResult, files: ofResult},
		{name: "r/part-0000/part-0000012.jsonl", ten: NotAPicture, pictures: ofResult, files: ofResult},
		{name: "r/_batchscore/clock/x", ten: NotAPicture, pictures: ofResult, files: ofResult},
		{name: "part-00012.jpg"}, {name: "part-0000/1.jpg"}, {name: "my_batchscore/1.jpg"},
		{name: "photos.jpg/", ten: "folder marker", pictures: "folder marker", files: "folder marker"},
	} {
		for files, want := range map[Files]string{
			TenEndings: test.ten, Pictures: test.pictures, AllFiles: test.files,
		} {
			if got := passedOver(files, &store.Object{Name: test.name, Linked: test.linked}); got != want {
				t.Errorf("%s with %q: passed over because %q, want %q", test.name, files, got, want)
			}
		}
	}
}
