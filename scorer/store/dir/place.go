package dir

import (
	"path/filepath"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// Scheme describes paths on this machine.
var Scheme = place.Scheme{
	Forms: []string{"a local path"},
	Parse: func(spec string) (place.Place, error) { return newPlace(spec) },
}

// folder is the place of a folder or file of this machine.
type folder struct {
	given    string // as it was written
	absolute string
}

func newPlace(spec string) (place.Place, error) {
	absolute, err := filepath.Abs(spec)
	if err != nil {
		return nil, err
	}
	if resolved, err := filepath.EvalSymlinks(absolute); err == nil {
		absolute = resolved
	}
	return folder{spec, absolute}, nil
}

// String implements place.Place.
func (f folder) String() string { return f.absolute }

// Split implements place.Place.
func (f folder) Split() (place.Place, string) {
	return folder{filepath.Dir(f.given), filepath.Dir(f.absolute)}, filepath.Base(f.absolute)
}

// Open implements place.Place.
func (f folder) Open(o place.Options) (store.Store, error) {
	s, err := New(f.given, Options{Within: o.Within})
	if err != nil {
		return nil, err
	}
	return s, nil
}
