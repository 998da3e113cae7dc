package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	stdimage "image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/review/truth"
	"github.com/batchscore/batchscore/scorer/row"
)

// onDisk is a Folder on this machine.
type onDisk string

func (d onDisk) Create(name string) (io.WriteCloser, error) {
	file := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// pictures returns images with pictures, some with a truth: hostile ones, and many plain ones.
func pictures(t *testing.T) []*Item {
	t.Helper()
	items := hostile()
	items = slices.DeleteFunc(items, func(it *Item) bool { // tools take no label without a text
		return slices.ContainsFunc(it.Row.Answer.(*row.Classification).TopK, func(c row.Class) bool { return c.Label == "" })
	})
	labels := []string{"cat", "dog", "hot dog", "a/b", "gr\u00fcn", "Cat"}
	for i := range 300 {
		n, m := i%len(labels), (i+1+i/7)%len(labels)
		it := image(fmt.Sprintf("photos/%d/test/%03d.jpg", i%10, i), nil, class(20+n, labels[n], 0.5+float32(i)/1000), class(20+m, labels[m], 0.1))
		switch {
		case i%5 == 0:
			it.Truth = []string{labels[m]}
		case i%5 == 1:
			it.Truth = []string{labels[n]}
		case i == 17:
			it.Truth = []string{"no class", labels[n]}
		}
		items = append(items, it)
	}
	slices.SortFunc(items, func(a, b *Item) int { return strings.Compare(a.Entry.Path, b.Entry.Path) })
	for i, it := range items {
		it.Width, it.Height = 20+i%7, 30+i%5
		var body bytes.Buffer
		if err := png.Encode(&body, stdimage.NewPaletted(stdimage.Rect(0, 0, it.Width, it.Height), color.Palette{color.White, color.Black})); err != nil {
			t.Fatal(err)
		}
		it.Body, it.Entry.Size = body.Bytes(), int64(body.Len())
	}
	return items
}

// known is what the tools must find of an image.
type known struct {
	Path       string   `json:"path"`
	PathBase64 string   `json:"path_base64"`
	Predicted  string   `json:"predicted"`
	ClassID    int      `json:"class_id"`
	FirstID    int      `json:"first_id"` // the lowest of a class with that label
	Truth      []string `json:"truth"`
	Label      string   `json:"label"`
	Folder     string   `json:"folder"`
	Width      int      `json:"width"`
	Height     int      `json:"height"`
}

// TestTools reads exports with the tools that they are for, lets these export them again, and
// reads that as truth. make review-check installs the tools.
func TestTools(t *testing.T) {
	python := os.Getenv("BATCHSCORE_REVIEW_TOOLS")
	if python == "" {
		return // make review-check runs it
	}
	root := t.TempDir()
	items := pictures(t)
	c := collect(items)
	var all []known
	for _, format := range []string{"coco", "fiftyone", "hf", "hf-parquet", "yolo"} {
		c.Options.Validation = 0
		if strings.HasPrefix(format, "hf") {
			c.Options.Validation = 0.25
		}
		export(t, onDisk(filepath.Join(root, format)), format, items, c)
	}
	for _, it := range items { // with the names of files of yolo, the last one
		predicted, id, _, _ := it.class()
		label, _, _ := trainingLabel(it)
		folder := filepath.Base(filepath.Dir(it.File))
		all = append(all, known{validText(it.Entry.Path), exactName(it.Entry.Path), predicted,
			id, c.ClassIDs[slices.Index(c.Labels, predicted)], it.Truth, label, folder, it.Width, it.Height})
	}
	expected, err := json.Marshal(map[string]any{"images": all, "class_names": c.classNames()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "expected.json"), expected, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(python, tool string) {
		cmd := exec.CommandContext(t.Context(), python, "testdata/tools/check.py", tool, root)
		cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "HF_HOME="+filepath.Join(root, "cache"), "FIFTYONE_DO_NOT_TRACK=true",
			"FIFTYONE_DATABASE_DIR="+filepath.Join(root, "database"), "YOLO_CONFIG_DIR="+filepath.Join(root, "ultralytics"), "YOLO_OFFLINE=true")
		out, err := cmd.CombinedOutput()
		t.Logf("%s:\n%s", tool, out)
		if err != nil {
			t.Errorf("%s: %v", tool, err)
		}
	}
	for _, tool := range []string{"coco", "datumaro", "hf", "fiftyone"} {
		run(python, tool)
	}
	if torch := os.Getenv("BATCHSCORE_REVIEW_TORCH"); torch != "" { // make review-check TORCH=1: 6 GB of disk
		run(torch, "ultralytics")
	}
	for _, source := range []string{"coco", "fiftyone", "hf", "hf-parquet", "yolo", "again/datumaro-coco", "again/fiftyone", "again/hf"} {
		returned(t, filepath.Join(root, filepath.FromSlash(source)), source, items)
	}
}

// TestRoundTrip reads each export as truth.
func TestRoundTrip(t *testing.T) {
	items := pictures(t)
	c := collect(items)
	for _, format := range []string{"coco", "fiftyone", "hf", "hf-parquet", "yolo"} {
		root := t.TempDir()
		export(t, onDisk(root), format, items, c)
		returned(t, root, format, items)
	}
}

// export writes an export with its images.
func export(t *testing.T, to Folder, format string, items []*Item, c Collection) {
	t.Helper()
	f, _ := Named(format)
	w := f.New()
	err := w.Begin(c, to)
	for _, it := range items {
		if n, ok := w.(Namer); ok && err == nil {
			if it.File, err = n.ImageName(it); err == nil {
				var file io.WriteCloser
				if file, err = to.Create(it.File); err == nil {
					_, err = file.Write(it.Body)
					err = errors.Join(err, file.Close())
				}
			}
		}
		if err == nil {
			err = w.Add(t.Context(), it)
		}
	}
	if err == nil {
		err = w.End()
	}
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
}

// returned checks what --truth reads from an export or from what a tool made of it.
func returned(t *testing.T, path, what string, items []*Item) {
	t.Helper()
	set, err := truth.Read(t.Context(), truth.Options{Images: "/photos"}, path)
	if err == nil {
		err = set.Bind(func(fn func(path string) error) error {
			for _, it := range items {
				if err := fn(it.Entry.Path); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	wrong := 0
	for _, it := range items {
		want := slices.Clone(it.Truth)
		if len(want) > 1 && (strings.Contains(what, "hf") || what == "yolo") { // a file is in the folder of one label
			want = want[:1]
		}
		got, _ := set.Of(it.Entry.Path)
		got = slices.Clone(got)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			if wrong++; wrong < 5 {
				t.Errorf("%s: the labels of %q are %q, want %q", what, it.Entry.Path, got, want)
			}
		}
	}
	t.Logf("%s: %v, %d of %d wrong", what, set, wrong, len(items))
}

// exported are the files of each format that are read as truth; "" is its folder.
var exported = map[string][]string{
	"label-studio": {"tasks-0001.json"},
	"cvat":         {"annotations.xml", ""},
	"csv":          {"rows.csv"},
	"coco":         {"", "annotations/instances_default.json"},
	"fiftyone":     {"", "samples.json"},
	"hf":           {"", "train/metadata.jsonl"},
	"hf-parquet":   {""},
	"yolo":         {"", "images.csv"},
}

// TestModelIsNoTruth: labels that an export has of the model never come back as truth, whether some
// images have a truth or none.
func TestModelIsNoTruth(t *testing.T) {
	for _, format := range Formats {
		if exported[format.Name] == nil {
			t.Errorf("what of %s is read as truth?", format.Name)
		}
	}
	items := slices.DeleteFunc(pictures(t), func(it *Item) bool {
		return !strings.HasPrefix(it.Entry.Path, "photos/") || it.Row.Status != row.StatusOK || len(it.Truth) > 1
	})
	for format, files := range exported {
		root := t.TempDir()
		export(t, onDisk(root), format, items, collect(items))
		for _, file := range files {
			returned(t, filepath.Join(root, filepath.FromSlash(file)), format+"/"+file, items)
		}
	}
	for _, it := range items {
		it.Truth = nil
	}
	c := collect(items)
	c.HasTruth = false
	for format, files := range exported {
		root := t.TempDir()
		export(t, onDisk(root), format, items, c)
		for _, file := range files {
			set, err := truth.Read(t.Context(), truth.Options{Images: "/photos"}, filepath.Join(root, filepath.FromSlash(file)))
			if !errors.Is(err, truth.ErrForm) {
				t.Errorf("%s/%s without a truth: %v, %v", format, file, set, err)
			}
		}
	}
}
