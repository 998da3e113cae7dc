package output

import (
	"context"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Drift counts how the images differ from the manifest that was frozen.
type Drift struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"`
}

// MeasureDrift lists the images again and compares. Names for which keep is
// false count for nothing. When truncated is true, the manifest is only the
// beginning of what was listed, and what comes after its last path does not
// count as added.
func MeasureDrift(ctx context.Context, images store.Store, m *shard.Manifest, truncated bool,
	keep func(name string) bool) (Drift, error) {
	var d Drift
	seen := NewSet(m.Len())
	err := images.List(ctx, "", func(o store.Object) error {
		if !keep(o.Name) {
			return nil
		}
		i, ok := m.Find(o.Name)
		switch {
		case !ok && truncated && i == m.Len():
		case !ok:
			d.Added++
		case seen.Add(i):
			if e := m.At(i); e.Size != o.Size || e.ETag != o.ETag {
				d.Changed++
			}
		}
		return nil
	})
	d.Removed = m.Len() - seen.Count()
	return d, err
}
