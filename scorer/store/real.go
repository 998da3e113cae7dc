package store

import "strings"

// linked is a store whose places may be links to others.
type linked interface {
	// Real returns the absolute place that a place leads to by links. The place itself need not
	// exist; a link that leads nowhere is an error.
	Real(place string) (string, error)
}

// Real returns the place, as String names places, that a store of the storage of st leads to by
// links: place itself where a storage has none.
func Real(st Store, place string) (string, error) {
	for {
		d, ok := st.(Decorator)
		if !ok {
			break
		}
		st = d.Unwrap()
	}
	place = strings.TrimSuffix(place, "/")
	if l, ok := st.(linked); ok {
		return l.Real(place)
	}
	return place, nil
}

// Resolve returns the store of the place that st leads to by links. It is st itself if it leads
// nowhere else.
func Resolve(st Store) (Store, error) {
	place := strings.TrimSuffix(st.String(), "/")
	real, err := Real(st, place)
	if err != nil || real == place {
		return st, err
	}
	return Neighbor(st, real)
}
