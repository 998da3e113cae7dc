package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

// memory is a Folder that keeps files in memory.
type memory map[string]*memoryFile

type memoryFile struct {
	bytes.Buffer
	closed bool
}

func (f *memoryFile) Close() error {
	f.closed = true
	return nil
}

func (m memory) Create(name string) (io.WriteCloser, error) {
	if m[name] != nil || !filepath.IsLocal(name) {
		return nil, fmt.Errorf("cannot create %q", name)
	}
	m[name] = &memoryFile{}
	return m[name], nil
}

// image returns an item that the model gave these classes, the best first.
func image(name string, truth []string, classes ...row.Class) *Item {
	it := &Item{Entry: shard.Entry{Path: name, Size: 1234}, Truth: truth, Width: 40, Height: 30}
	it.Row = row.Row{Path: name, Size: 1234, Status: row.StatusOK}
	if len(classes) == 0 {
		it.Row.Status, it.Row.Error = "corrupt", "bad data"
		return it
	}
	it.Row.Answer = &row.Classification{Label: classes[0].Label, ClassID: classes[0].ClassID, Score: classes[0].Score, TopK: classes}
	return it
}

// class returns one class of an answer.
func class(id int, label string, score float32) row.Class {
	return row.Class{ClassID: id, Label: label, Score: score}
}

// hostile are images whose names and labels no file system, tool or table takes as they are.
func hostile() []*Item {
	odd := []string{"<script>alert(1)</script>", "a/b", "..", "", "con", "gr\u00fcn \u202egpj", "Cat", "cat", "=1+1", "x,\"y\"\n", "end."}
	names := []string{"a/x.jpg", "b/x.jpg", "../up.jpg", "/abs.jpg", "a//x.jpg", "a/./x.jpg", "A/X.jpg", "a\xff\xfe.jpg", "test/train/val.jpg",
		".hidden/.x.jpg", "__x__/y.jpg", "noending", "a/x.jpg/z.jpg", "C:\\x.jpg", string(bytes.Repeat([]byte("\u00fc"), 400)) + ".jpg", "q\"<b>,\n.jpg"}
	var all []*Item
	for i, name := range names {
		label := odd[i%len(odd)]
		other := odd[(i+1)%len(odd)]
		it := image(name, nil, class(i%len(odd), label, 0.75), class((i+1)%len(odd), other, 0.25))
		if i%3 == 0 {
			it.Truth = []string{other}
		}
		all = append(all, it)
	}
	slices.SortFunc(all, func(a, b *Item) int { return bytes.Compare([]byte(a.Entry.Path), []byte(b.Entry.Path)) })
	return all
}

// collect returns what images have in common.
func collect(items []*Item) Collection {
	c := Collection{Job: &output.Job{ID: "job1", Images: "/photos", Model: "tiny"}, Images: len(items)}
	ids := map[string]int{}
	for _, it := range items {
		c.HasTruth = c.HasTruth || len(it.Truth) > 0
		for _, label := range it.Truth {
			if _, ok := ids[label]; !ok {
				ids[label] = -1
			}
		}
		if a, ok := it.Row.Answer.(*row.Classification); ok {
			for _, one := range append(slices.Clone(a.TopK), row.Class{Label: a.Label, ClassID: a.ClassID}) {
				if id, ok := ids[one.Label]; !ok || id < 0 || one.ClassID < id {
					ids[one.Label] = one.ClassID
				}
			}
		}
	}
	for label := range ids {
		c.Labels = append(c.Labels, label)
	}
	slices.Sort(c.Labels)
	for _, label := range c.Labels {
		c.ClassIDs = append(c.ClassIDs, ids[label])
	}
	return c
}

// write returns the files of an export, by name.
func write(t *testing.T, format string, items []*Item, c Collection) map[string]string {
	t.Helper()
	f, ok := Named(format)
	if !ok {
		t.Fatalf("there is no format %s", format)
	}
	to, w := memory{}, f.New()
	err := w.Begin(c, to)
	for _, it := range items {
		if n, ok := w.(Namer); ok && err == nil {
			it.File, err = n.ImageName(it)
		}
		if err == nil {
			err = w.Add(t.Context(), it)
		}
	}
	if err = errors.Join(err, w.End()); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, file := range to {
		if !file.closed {
			t.Errorf("%s is not closed", name)
		}
		files[name] = file.String()
	}
	return files
}

// TestImageNames checks that the files of images are below the folder of the export, on any
// system, and that no two have the same name.
func TestImageNames(t *testing.T) {
	for _, f := range Formats {
		if f.Needs != Files {
			continue
		}
		items := hostile()
		write(t, f.Name, items, collect(items))
		seen := map[string]string{}
		for _, it := range items {
			if !filepath.IsLocal(it.File) || filepath.Clean(it.File) != it.File || len(filepath.Base(it.File)) > 255 {
				t.Errorf("%s: the file of %q is %q", f.Name, it.Entry.Path, it.File)
			}
			folded := foldCase(it.File)
			if other, ok := seen[folded]; ok {
				t.Errorf("%s: the files of %q and %q are both %q", f.Name, it.Entry.Path, other, it.File)
			}
			seen[folded] = it.Entry.Path
		}
		for name := range seen {
			for folder := filepath.Dir(name); folder != "."; folder = filepath.Dir(folder) {
				if other, ok := seen[folder]; ok {
					t.Errorf("%s: the file of %q is the folder of that of %q", f.Name, other, seen[name])
				}
			}
		}
	}
}

func foldCase(s string) string { return string(bytes.ToLower([]byte(s))) }
