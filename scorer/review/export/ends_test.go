package export

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// TestSplitsWithoutLostImages checks that each label is in both splits although the images are gone
// that would be its first and last.
func TestSplitsWithoutLostImages(t *testing.T) {
	for _, format := range []Format{yoloFormat, hfFormat, hfParquetFormat} {
		for _, share := range []float64{0.001, 0.999} {
			place := &mem.Store{}
			var items []*Item
			gone := map[string]bool{}
			for label := range 5 {
				var names []string
				for i := range 12 {
					name := fmt.Sprintf("%d-%02d.png", label, i)
					o, err := place.Create(t.Context(), name, picture(t, 4, 4))
					if err != nil {
						t.Fatal(err)
					}
					it := image(name, nil, class(label, fmt.Sprint("label", label), 0.5))
					it.Entry = shard.Entry{Path: name, Size: o.Size, ETag: o.ETag}
					items, names = append(items, it), append(names, name)
				}
				slices.SortFunc(names, func(a, b string) int {
					return strings.Compare(fmt.Sprintf("%020d", splitHash(a)), fmt.Sprintf("%020d", splitHash(b)))
				})
				for i := range label + 1 { // from both ends
					gone[names[i]], gone[names[11-i]] = true, true
				}
			}
			for _, it := range items {
				if gone[it.Entry.Path] {
					it.Entry.ETag = "another"
				}
			}
			to := memory{}
			r := Request{Job: &output.Job{Images: "/photos"}, Rows: rowsIn(items), Images: place, Format: format, Decode: preprocess.Options{MaxPixels: 1 << 20},
				Options: Options{Validation: share}}
			report, err := Run(t.Context(), &r, &locked{Folder: to})
			if err != nil || report.Changed != len(gone) || report.Written != len(items)-len(gone) {
				t.Fatalf("%s: %v, %+v", format.Name, err, report)
			}
			if format.Name == "yolo" {
				found := map[string]bool{}
				for name := range to {
					found[path.Dir(name)] = true
				}
				if len(found) != 1+2*5 {
					t.Errorf("images are in %v", found)
				}
			}
			p, err := makePlan(t.Context(), &r)
			if err == nil {
				err = p.settle(t.Context(), func(_ context.Context, all []shard.Entry) ([]bool, error) {
					lost := make([]bool, len(all))
					for i, e := range all {
						lost[i] = gone[e.Path]
					}
					return lost, nil
				})
			}
			if err != nil {
				t.Fatal(err)
			}
			c, found := p.collection(&r), map[string]int{}
			first, last := map[string]*Item{}, map[string]*Item{}
			for _, it := range items {
				if label, _, _ := it.Label(); !gone[it.Entry.Path] {
					found[fmt.Sprint(label, c.validates(it))]++
					if was := first[label]; was == nil || splitHash(it.Entry.Path) < splitHash(was.Entry.Path) {
						first[label] = it
					}
					if was := last[label]; was == nil || splitHash(it.Entry.Path) > splitHash(was.Entry.Path) {
						last[label] = it
					}
				}
			}
			for label := range first {
				if !c.validates(first[label]) || c.validates(last[label]) {
					t.Errorf("%s: with a share of %v, the first image of %s is not for validation, or the last not for training", format.Name, share, label)
				}
			}
			if len(found) != 2*5 {
				t.Errorf("%s: images of labels for validation or not: %v", format.Name, found)
			}
		}
	}
}
