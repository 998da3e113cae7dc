package export

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

type cocoFile struct {
	Info        cocoInfo
	Images      []cocoImage
	Annotations []cocoBox
	Categories  []cocoCategory
}

// TestCOCO checks the annotations and results of labels of the model and of a truth.
func TestCOCO(t *testing.T) {
	read := func(truth bool) (all cocoFile, results []cocoResult) {
		t.Helper()
		items := hostile()
		if !truth {
			for _, it := range items {
				it.Truth = nil
			}
		}
		items = append(items, image("z.jpg", nil, class(7, "cat", 1)))
		if truth {
			items = append(items, image("zz.jpg", []string{"unknown", "cat"}, class(7, "cat", 1)))
		}
		c := collect(items)
		files := write(t, "coco", items, c)
		if err := json.Unmarshal([]byte(files[cocoInstances]), &all); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(files[cocoResults]), &results); err != nil {
			t.Fatal(err)
		}
		if len(all.Images) != len(items) {
			t.Fatalf("%d images of %d", len(all.Images), len(items))
		}
		if again := write(t, "coco", items, c); !reflect.DeepEqual(files, again) {
			t.Error("the same images give other bytes")
		}
		return all, results
	}

	all, results := read(false)
	if len(all.Annotations) != len(all.Images) || len(results) != 2*len(all.Images)-1 {
		t.Errorf("%d annotations, %d results", len(all.Annotations), len(results))
	}
	names := map[int32]string{}
	for _, c := range all.Categories {
		names[c.ID] = c.Name
	}
	for i, it := range append(hostile(), image("z.jpg", nil, class(7, "cat", 1))) {
		label, id, score, _ := it.class()
		if label == "" {
			label = fmt.Sprintf("class %d", id)
		}
		a, image := all.Annotations[i], all.Images[i]
		if names[a.Category] != label || *a.Score != jsonScore(score) || a.Box != [4]float32{0, 0, 40, 30} ||
			a.Area != 1200 || a.Image != uint32(i+1) || a.ID != int64(i+1) {
			t.Errorf("%q: annotation %+v of category %q", it.Entry.Path, a, names[a.Category])
		}
		if image.FileName != validText(it.Entry.Path) || image.Width != 40 || image.Height != 30 || image.PathBase64 != exactName(it.Entry.Path) {
			t.Errorf("%q: image %+v", it.Entry.Path, image)
		}
	}

	all, _ = read(true)
	if n := len(all.Categories); all.Categories[n-1] != (cocoCategory{ID: firstUnknownCategory, Name: "unknown"}) {
		t.Errorf("categories %+v", all.Categories)
	}
	last := all.Annotations[len(all.Annotations)-2:]
	if last[0].Category != firstUnknownCategory || last[1].Category != 8 || last[0].Image != last[1].Image || last[0].Score != nil {
		t.Errorf("annotations of two labels: %+v", last)
	}
	if len(all.Annotations) != 6+2 {
		t.Errorf("%d annotations of the truth", len(all.Annotations))
	}
}

// TestCOCOSameLabel checks that classes of the same label are one category.
func TestCOCOSameLabel(t *testing.T) {
	items := []*Item{image("x.jpg", nil, class(5, "crane", 0.5), class(3, "crane", 0.25), class(4, "dog", 0.125))}
	files := write(t, "coco", items, collect(items))
	var results []cocoResult
	if err := json.Unmarshal([]byte(files[cocoResults]), &results); err != nil {
		t.Fatal(err)
	}
	var all cocoFile
	if err := json.Unmarshal([]byte(files[cocoInstances]), &all); err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || results[0].Category != 4 || results[0].Score != 0.5 || all.Annotations[0].Category != 4 || len(all.Categories) != 2 {
		t.Errorf("results %+v, annotations %+v, categories %+v", results, all.Annotations, all.Categories)
	}
}
