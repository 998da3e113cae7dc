package truth

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// Bind finds the images that names belong to. each calls its argument for the path of each
// image; Bind calls it once, and once more if some names are not paths. Nothing
// matched is ErrNoMatch, with an example of each side.
//
// A name that is neither a path nor an address belongs to an image if it ends, in whole
// components, as the path of that image alone, or if the path of that image alone ends as
// the name does. If two images or two names come into question, none is taken.
func (s *Set) Bind(each func(fn func(path string) error) error) error {
	if s.byFolder {
		return nil
	}
	var paths []uint64
	example := ""
	if err := each(func(path string) error {
		h := maphash.String(s.seed, path)
		paths = append(paths, h)
		if example == "" {
			example = strings.Clone(path)
		}
		if k, ok := s.names[h]; ok && k&met == 0 {
			k |= met
			s.names[h] = k
		}
		return nil
	}); err != nil {
		return err
	}
	slices.Sort(paths)
	if err := s.bindTails(paths, each); err != nil {
		return err
	}
	s.count()
	if s.found.Matched() == 0 && s.found.Names > 0 {
		_, names := s.Unmatched()
		return fmt.Errorf("%w: the output has images such as %.300q, and the truth has names such as %.300q", ErrNoMatch, example, first(names))
	}
	return nil
}

func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// count counts names by how their images were found.
func (s *Set) count() {
	s.bound = true
	s.found = Matches{Names: len(s.names), OfModel: s.found.OfModel}
	for _, k := range s.names {
		switch {
		case k&unsure != 0:
			s.found.Ambiguous++
		case k&met == 0:
			s.found.Unmatched++
		case k&byTail != 0:
			s.found.Tail++
		case k&byAddress != 0:
			s.found.Address++
		default:
			s.found.Exact++
		}
	}
}

// bindTails finds images for the other names, by their tails. paths are the sorted
// hashes of all paths.
func (s *Set) bindTails(paths []uint64, each func(fn func(path string) error) error) error {
	open := 0
	for _, k := range s.names {
		if k&met == 0 {
			open++
		}
	}
	if open == 0 {
		return nil
	}
	// candidate is the path that a name may belong to.
	candidate := make(map[uint64]uint64, open)
	meet := func(name, path uint64) {
		if was, ok := candidate[name]; ok && was != path {
			k := s.names[name]
			k |= unsure
			s.names[name] = k
		}
		candidate[name] = path
	}
	// Paths that end as a name does.
	if err := each(func(path string) error {
		var h uint64
		for tail := range tailsOf(path) {
			name := maphash.String(s.seed, tail)
			if k, ok := s.names[name]; ok && k&met == 0 {
				if h == 0 {
					h = maphash.String(s.seed, path)
				}
				meet(name, h)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	// Names that end as a path does.
	if err := s.eachOpen(context.Background(), func(key string, name uint64) error {
		for tail := range tailsOf(key) {
			h := maphash.String(s.seed, tail)
			if _, ok := slices.BinarySearch(paths, h); ok {
				meet(name, h)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	s.takeTails(candidate)
	return nil
}

// takeTails gives images the labels of the names that may be theirs, unless two names come
// into question that have different labels. candidate is the path of each name, by hashes.
func (s *Set) takeTails(candidate map[uint64]uint64) {
	torn := map[uint64]bool{} // paths with two labels
	for name, path := range candidate {
		k := s.names[name]
		if k&unsure != 0 {
			continue
		}
		was, ok := s.tails[path]
		if exact, has := s.names[path]; has && exact&met != 0 {
			was, ok = exact.labels(), true
		}
		if ok && was != k.labels() {
			torn[path] = true
		}
		s.tails[path] = k.labels()
	}
	for name, path := range candidate {
		k := s.names[name]
		switch {
		case k&unsure != 0:
		case torn[path]:
			k |= unsure
			delete(s.tails, path)
		default:
			k |= met | byTail
		}
		s.names[name] = k
	}
}

// tailsOf calls yield for what follows each slash of a path.
func tailsOf(path string) func(yield func(tail string) bool) {
	return func(yield func(string) bool) {
		for {
			at := strings.IndexByte(path, '/')
			if at < 0 {
				return
			}
			if path = path[at+1:]; path != "" && !yield(path) {
				return
			}
		}
	}
}

// eachOpen reads the files again and calls fn for the key of each name that has no image.
func (s *Set) eachOpen(ctx context.Context, fn func(key string, name uint64) error) error {
	for _, src := range s.sources {
		if _, err := src.read(ctx, func(name, label string, _ int) error {
			key, _ := s.key(name)
			h := maphash.String(s.seed, key)
			if k, ok := s.names[h]; ok && label != "" && k&met == 0 {
				return fn(key, h)
			}
			return nil
		}); err != nil {
			return fmt.Errorf("%s: %w", src.path, err)
		}
	}
	return nil
}

// mostExamples is how many names are shown.
const mostExamples = 5

// Unmatched returns how many names of the truth belong to no image, and the first of them.
func (s *Set) Unmatched() (n int, examples []string) {
	n = s.found.Unmatched + s.found.Ambiguous
	if n == 0 {
		return 0, nil
	}
	stop := fmt.Errorf("enough")
	_ = s.eachOpen(context.Background(), func(key string, _ uint64) error {
		if !slices.Contains(examples, key) {
			examples = append(examples, strings.Clone(key))
		}
		if len(examples) == mostExamples {
			return stop
		}
		return nil
	}) // without a file that is gone by now, there are no examples
	return n, examples
}

// String says in words what was read and how it matched.
func (s *Set) String() string {
	if s.byFolder {
		return "the names of folders"
	}
	var files []string
	for _, src := range s.sources {
		files = append(files, fmt.Sprintf("%s, %s", src.path, src.form.name))
	}
	m := s.found
	text := fmt.Sprintf("%s: %d images with %d labels", strings.Join(files, "; "), m.Names, len(s.labels.numbers))
	if !s.bound {
		return text
	}
	for _, part := range []struct {
		n    int
		what string
	}{
		{m.Exact, "found by name"}, {m.Address, "found by address"}, {m.Tail, "found by the end of the name"},
		{m.OfModel, "left out, because their labels are the model's and nobody changed them"},
		{m.Ambiguous, "not taken, because two images come into question"}, {m.Unmatched, "not in the output"},
	} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return text
}
