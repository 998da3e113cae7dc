package mem

import (
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
)

var _ store.Neighborly = (*Store)(nil)

// Neighbor implements store.Neighborly for the folders of the Store.
func (s *Store) Neighbor(place string) (store.Store, error) {
	folder, ok := strings.CutPrefix(strings.TrimSuffix(place, "/")+"/", s.String()+"/")
	if !ok {
		return nil, store.OtherStorage(s, place)
	}
	if folder == "" {
		return s, nil
	}
	return store.NewSub(s, folder), nil
}
