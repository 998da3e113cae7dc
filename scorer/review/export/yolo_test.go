package export

import (
	"encoding/csv"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
)

// TestYOLO checks that each image is in the folder of its label, and that the tables say which
// one it is.
func TestYOLO(t *testing.T) {
	items := hostile()
	for i := range 20 { // so that each label is in both splits
		for _, it := range hostile() {
			it.Entry.Path = fmt.Sprintf("more/%d/", i) + it.Entry.Path
			items = append(items, it)
		}
	}
	c := collect(items)
	c.Options.Validation = 0.5
	files := write(t, "yolo", items, c)
	read := func(name string) [][]string {
		all, err := csv.NewReader(strings.NewReader(files[name])).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return all[1:]
	}
	labels, splits := map[string]string{}, map[string]int{}
	folders := map[string]string{}
	for _, r := range read(yoloNames) {
		labels[r[0]] = r[1]
		if folded := foldCase(r[0]); len(folders[folded]) > 0 {
			t.Errorf("the folders of labels %q and %q are both %q", folders[folded], r[1], r[0])
		} else {
			folders[folded] = "label " + r[1]
		}
	}
	images := read(yoloImages)
	for i, it := range items {
		want, of, _ := trainingLabel(it)
		folder, r := path.Dir(it.File), images[i]
		if got, ok := labels[path.Base(folder)]; !ok || got != want {
			t.Errorf("%q is in folder %q, which is label %q, want %q", it.Entry.Path, folder, got, want)
		}
		if r[0] != it.File || r[1] != validText(it.Entry.Path) || r[2] != exactName(it.Entry.Path) || r[3] != want || r[4] != of {
			t.Errorf("row %q of %q", r, it.Entry.Path)
		}
		splits[path.Dir(folder)]++
	}
	if len(splits) != 2 || splits["train"]+splits["val"] != len(items) || splits["val"] < 3 || splits["train"] < 3 {
		t.Errorf("images: %v", splits)
	}
}

// TestYOLOSplits checks that each label is in both splits, and that a label of one image is refused.
func TestYOLOSplits(t *testing.T) {
	var items []*Item
	for i := range 40 {
		items = append(items, image(fmt.Sprintf("%d.jpg", i), nil, class(i/2, fmt.Sprint("label", i/2), 1)))
	}
	items[0].Truth = []string{"label7"} // and label0 has one image
	for _, share := range []float64{0.01, 0.5, 1} {
		r := Request{Job: &output.Job{Images: "/photos"}, Rows: rowsIn(items), HasTruth: true, Format: yoloFormat}
		r.Options.Validation = share
		if _, err := Run(t.Context(), &r, memory{}); err == nil || !strings.Contains(err.Error(), `"label0"`) {
			t.Errorf("the error is %v, want one that names label0", err)
		}
		p, err := makePlan(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		c, found := p.collection(&r), map[string]int{}
		for i, it := range items {
			if i == 1 { // the one image of label0
				continue
			}
			label, _, _ := trainingLabel(it)
			if c.validates(it) {
				found["val "+label]++
			} else {
				found["train "+label]++
			}
		}
		if len(found) != 2*19 {
			t.Errorf("with a share of %v, %d labels are in a split, want %d: %v", share, len(found), 2*19, found)
		}
	}
}

// TestYOLOSplitsOfSample checks that no label is in one split only where images cannot be read.
func TestYOLOSplitsOfSample(t *testing.T) {
	items := []*Item{image("a.jpg", nil, class(0, "cat", 1)), image("b.jpg", nil, class(0, "cat", 1)), image("c.jpg", nil, class(1, "dog", 1))}
	c := collect(items)
	c.Options.Validation = 0.5
	to, w := memory{}, yoloFormat.New()
	err := w.Begin(c, to)
	for _, it := range items {
		if err == nil {
			it.File, err = w.(Namer).ImageName(it)
		}
		if err == nil {
			err = w.Add(t.Context(), it)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.End(); err == nil || !strings.Contains(err.Error(), `"dog"`) {
		t.Errorf("the error is %v, want one that names dog", err)
	}
}
