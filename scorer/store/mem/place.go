package mem

import (
	"errors"
	"strings"
	"sync"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// NewScheme describes places in memory, mem://NAME/PREFIX, for tests. Equal names
// are the same Store for as long as the scheme is in use; two schemes share none.
func NewScheme() place.Scheme {
	all := &spaces{stores: map[string]*Store{}}
	return place.Scheme{Names: []string{"mem"}, Forms: []string{"mem://NAME/PREFIX"}, Parse: all.parse}
}

// spaces are the stores of one scheme, by name.
type spaces struct {
	mu     sync.Mutex
	stores map[string]*Store
}

func (s *spaces) parse(spec string) (place.Place, error) {
	_, path := place.Cut(spec)
	name, prefix, _ := strings.Cut(path, "/")
	if name == "" {
		return nil, errors.New("mem://NAME/PREFIX has no name")
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return space{s, name, prefix}, nil
}

// space is a place in a store in memory. Its prefix is empty or ends in a slash.
type space struct {
	all          *spaces
	name, prefix string
}

// String implements place.Place.
func (s space) String() string { return "mem://" + s.name + "/" + s.prefix }

// Split implements place.Place.
func (s space) Split() (place.Place, string) {
	path := strings.TrimSuffix(s.prefix, "/")
	at := strings.LastIndexByte(path, '/') + 1
	return space{s.all, s.name, path[:at]}, path[at:]
}

// Open implements place.Place.
func (s space) Open(place.Options) (store.Store, error) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	whole := s.all.stores[s.name]
	if whole == nil {
		whole = new(Store)
		s.all.stores[s.name] = whole
	}
	if s.prefix == "" {
		return whole, nil
	}
	return store.NewSub(whole, s.prefix), nil
}
