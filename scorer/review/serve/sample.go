package serve

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

// sampleSeed is the --seed that report has unless it is told another one. So the first rows of a
// sample are those that the report of the output shows as its random ones.
const sampleSeed = 1

// spare is how many more rows are chosen than are asked for, because some may begin with the same
// four bytes of a hash. In ten million rows, hardly ever three do.
const spare = 16

// hashOf returns the first four bytes of the hash by which samples are chosen.
func hashOf(name string) uint32 {
	h := choose.Hash(name, sampleSeed)
	return binary.BigEndian.Uint32(h[:])
}

// nameOf returns the name of a row's image. A row whose name is damaged has been refused before.
func nameOf(r *row.Row) string {
	name, err := r.Name()
	if err != nil {
		return r.Path
	}
	return name
}

// untie puts rows with the same beginning of a hash in the order of their whole hashes.
func untie(all []ranked, m *shard.Manifest) error {
	for first := 0; first < len(all); {
		end := first + 1
		for end < len(all) && all[end].key == all[first].key {
			end++
		}
		if end-first > 1 {
			hashes := map[int][]byte{}
			for _, r := range all[first:end] {
				e, err := m.At(r.row)
				if err != nil {
					return err
				}
				h := choose.Hash(e.Path, sampleSeed)
				hashes[r.row] = h[:]
			}
			slices.SortFunc(all[first:end], func(a, b ranked) int { return bytes.Compare(hashes[a.row], hashes[b.row]) })
		}
		first = end
	}
	return nil
}
