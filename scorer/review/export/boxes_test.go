package export

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

// found returns an item in which a detector found these boxes, the best first.
func found(name string, boxes ...row.Box) *Item {
	it := image(name, nil)
	it.Row.Status, it.Row.Error = row.StatusOK, ""
	it.Row.Answer = &row.Detection{Boxes: boxes, Width: it.Width, Height: it.Height}
	return it
}

// box returns a box in a picture of 40x30 pixels.
func box(id int, label string, score, x, y, width, height float32) row.Box {
	return row.Box{Class: class(id, label, score), X: x, Y: y, Width: width, Height: height}
}

// detected are two images with boxes and, between them, one without a box and one that failed.
func detected() []*Item {
	failed := image("c.jpg", nil)
	failed.Row.Answer = (*row.Detection)(nil)
	return []*Item{
		found("a.jpg", box(2, "dog & \"cat\"", 0.75, 10, 6, 20, 12), box(0, "cat", 0.5, 0, 0, 40, 30)),
		found("b.jpg"),
		failed,
		found("d.jpg", box(0, "cat", 0.625, 39, 29, 1, 1)),
	}
}

// exportBoxes runs an export of a detector's answers.
func exportBoxes(t *testing.T, format string, items []*Item, s Selection, o Options) map[string]string {
	t.Helper()
	f, ok := Named(format)
	if !ok || f.Boxes == nil {
		t.Fatalf("%s has no boxes", format)
	}
	f.Needs = Rows // the items have the sizes
	to := memory{}
	newWriter := f.Boxes
	f.Boxes = func() Writer { return &namingWriter{newWriter()} }
	r := Request{Job: &output.Job{ID: "job1", Images: "/photos", Model: "tiny", ModelDigest: "sha256:0123456789abcdef"}, Format: f, Boxes: true,
		Select: s, Options: o, Rows: rowsIn(items)}
	if _, err := Run(t.Context(), &r, to); err != nil {
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

// TestCOCOBoxes holds an export to what pycocotools' COCO and loadRes accept: each result is of an image
// of the annotations, with a category that they have and a box, and the ids begin with 1.
func TestCOCOBoxes(t *testing.T) {
	files := exportBoxes(t, "coco", detected(), Selection{}, Options{})
	var all cocoFile
	var results []cocoResult
	for name, to := range map[string]any{cocoInstances: &all, cocoResults: &results} {
		if err := json.Unmarshal([]byte(files[name]), to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var names []string
	ids := map[int64]bool{}
	for _, image := range all.Images {
		names = append(names, image.FileName)
		ids[image.ID] = true
		if image.Width != 40 || image.Height != 30 {
			t.Errorf("image %+v", image)
		}
	}
	if want := []string{"a.jpg", "b.jpg", "d.jpg"}; !slices.Equal(names, want) || !ids[1] || !ids[2] || !ids[3] || len(ids) != 3 {
		t.Errorf("images %+v, want %v numbered from 1", all.Images, want)
	}
	if want := []cocoCategory{{ID: 1, Name: "cat"}, {ID: 3, Name: `dog & "cat"`}}; !slices.Equal(all.Categories, want) {
		t.Errorf("categories %+v, want %+v", all.Categories, want)
	}
	want := []cocoResult{
		{Image: 1, Category: 3, Box: [4]float32{10, 6, 20, 12}, Score: 0.75},
		{Image: 1, Category: 1, Box: [4]float32{0, 0, 40, 30}, Score: 0.5},
		{Image: 3, Category: 1, Box: [4]float32{39, 29, 1, 1}, Score: 0.625},
	}
	if !slices.Equal(results, want) {
		t.Errorf("results %+v, want %+v", results, want)
	}
	if len(all.Annotations) != len(want) {
		t.Fatalf("annotations %+v", all.Annotations)
	}
	for i, a := range all.Annotations {
		w := want[i]
		if a.ID != int64(i+1) || int64(a.Image) != w.Image || a.Category != w.Category || a.Box != w.Box || *a.Score != w.Score ||
			a.Area != float64(w.Box[2]*w.Box[3]) || a.Crowd != 0 {
			t.Errorf("annotation %+v, want that of %+v", a, w)
		}
	}
}

// The boxes of YOLO are the centre and the sides in parts of the picture's, and an image without boxes
// has an empty file.
func TestYOLOBoxes(t *testing.T) {
	files := exportBoxes(t, "yolo", detected(), Selection{}, Options{})
	texts := map[string]string{}
	for name, text := range files {
		if before, ok := strings.CutPrefix(name, "labels/train/"); ok {
			texts[before[:1]] = text
			if !strings.Contains(files[yoloImages], "images/train/"+strings.TrimSuffix(before, ".txt")+".jpg") {
				t.Errorf("no image for %s in %s", name, files[yoloImages])
			}
		}
	}
	want := map[string]string{"a": "2 0.5 0.4 0.5 0.4\n0 0.5 0.5 1 1\n", "b": "", "d": "0 0.9875 0.98333335 0.025 0.033333335\n"}
	for image, text := range want {
		if have, ok := texts[image]; !ok || have != text {
			t.Errorf("%s has %q, want %q", image, have, text)
		}
	}
	if len(texts) != len(want) {
		t.Errorf("files %v", texts)
	}
	data := "train: images/train\nval: images/train  # no image is put aside for validation\n" +
		"names:\n  0: \"cat\"\n  1: \"class 1\"\n  2: \"dog & \\\"cat\\\"\"\n"
	if files[yoloData] != data {
		t.Errorf("%s is %s, want %s", yoloData, files[yoloData], data)
	}
	w := yoloBoxWriter{splits: map[string]int{"train": 3, "val": 1}}
	if data := w.data(); !strings.Contains(data, "val: images/val\n") {
		t.Errorf("with images for validation, %s is %s", yoloData, data)
	}
}

// The boxes of Label Studio are in percent of the picture, and those of CVAT two corners.
func TestBoxesToLabel(t *testing.T) {
	files := exportBoxes(t, LabelStudio, detected(), Selection{}, Options{})
	if config := files[studioConfig]; !strings.Contains(config, `<RectangleLabels name="label" toName="image">`) || strings.Count(config, "<Label ") != 2 ||
		xml.Unmarshal([]byte(config), new(struct{})) != nil {
		t.Errorf("the configuration is %s", config)
	}
	var tasks []struct {
		Data        studioData
		Predictions []struct {
			Score  float32
			Result []struct {
				ID, Type string
				Value    studioBox
				Width    int `json:"original_width"`
				Height   int `json:"original_height"`
				Score    float32
			}
		}
	}
	if err := json.Unmarshal([]byte(files["tasks-0001.json"]), &tasks); err != nil {
		t.Fatal(err)
	}
	if len(tasks) != 3 || len(tasks[0].Predictions) != 1 || len(tasks[1].Predictions) != 0 || len(tasks[0].Predictions[0].Result) != 2 {
		t.Fatalf("tasks %+v", tasks)
	}
	best := tasks[0].Predictions[0].Result[0]
	if v := best.Value; best.Type != "rectanglelabels" || best.Width != 40 || best.Height != 30 || best.Score != 0.75 || v.Labels[0] != `dog & "cat"` ||
		math.Abs(v.X-25)+math.Abs(v.Y-20)+math.Abs(v.Width-50)+math.Abs(v.Height-40) > 1e-9 || best.ID == tasks[0].Predictions[0].Result[1].ID {
		t.Errorf("the best box is %+v", best)
	}
	if have := tasks[0].Data.Best; have != `1 dog & "cat", 1 cat` {
		t.Errorf("best is %s", have)
	}

	files = exportBoxes(t, "cvat", detected(), Selection{}, Options{})
	var cvat struct {
		Labels []string `xml:"meta>task>labels>label>type"`
		Images []struct {
			Name  string `xml:"name,attr"`
			Boxes []struct {
				Label string  `xml:"label,attr"`
				Left  float32 `xml:"xtl,attr"`
				Top   float32 `xml:"ytl,attr"`
				Right float32 `xml:"xbr,attr"`
				Below float32 `xml:"ybr,attr"`
				Score float32 `xml:"attribute"`
			} `xml:"box"`
		} `xml:"image"`
	}
	if err := xml.Unmarshal([]byte(files[cvatAnnotations]), &cvat); err != nil {
		t.Fatal(err)
	}
	if len(cvat.Images) != 3 || len(cvat.Images[0].Boxes) != 2 || len(cvat.Images[1].Boxes) != 0 ||
		!slices.Equal(cvat.Labels, []string{"rectangle", "rectangle"}) {
		t.Fatalf("annotations %+v", cvat)
	}
	if b := cvat.Images[0].Boxes[0]; b.Label != `dog & "cat"` || b.Left != 10 || b.Top != 6 || b.Right != 30 || b.Below != 18 || b.Score != 0.75 {
		t.Errorf("the best box is %+v", b)
	}
}

// Any box of an image counts for Labels.
func TestLabelsOfBoxes(t *testing.T) {
	files := exportBoxes(t, "cvat", detected(), Selection{Labels: []string{"cat"}}, Options{})
	if text := files[cvatAnnotations]; strings.Count(text, "<image ") != 2 || !strings.Contains(text, `"a.jpg"`) {
		t.Errorf("annotations %s", text)
	}
}

// namingWriter names the files of images, which Run does only for formats that need them.
type namingWriter struct{ Writer }

func (w *namingWriter) Add(ctx context.Context, it *Item) (err error) {
	if n, ok := w.Writer.(Namer); ok {
		if it.File, err = n.ImageName(it); err != nil {
			return err
		}
	}
	return w.Writer.Add(ctx, it)
}
