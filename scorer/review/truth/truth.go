// Package truth reads what people know to be right: which label each image has. It reads
// tables, names of folders, and what annotation tools export.
//
// A form of such files is one file of this package and one entry in forms. It is found by
// what a file holds, and calls an adder for each image that it names.
//
// A [Set] keeps hashes of names and numbers of labels, less than 40 bytes an image, and
// no texts. So it reads its files again when it must show names.
package truth

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Folders is what a user writes for FolderNames in place of a file.
const Folders = "folder-names"

// Errors of truths, wrapped with what is wrong and where.
var (
	// ErrForm means that a file is none that this package reads, or is damaged.
	ErrForm = errors.New("not readable as truth")
	// ErrContradiction means that two places give one image different labels.
	ErrContradiction = errors.New("contradicting labels")
	// ErrNoMatch means that no image of the output has a truth.
	ErrNoMatch = errors.New("no image has a truth")
)

// Options say how files are read.
type Options struct {
	// Images is the place of the images of the job, as output.Job.ImagesPlace returns it:
	// names may begin with it.
	Images string
	// Columns are the columns of tables that hold the name and the label, with a comma
	// between them; empty finds them by their names.
	Columns string
}

// Set is what is known of the images of a collection.
type Set struct {
	byFolder bool
	places   []string // that names may begin with
	sources  []source
	seed     maphash.Seed

	names  map[uint64]known  // by the hash of the name
	tails  map[uint64]uint32 // alternatives by the hash of a path, of names that are found by their tail
	labels intern
	found  Matches
	bound  bool
}

// known is what a file says of one name, in 8 bytes: from the lowest bit, flags, the source,
// the number in Set.labels, and the number of the line, the task or the like.
type known uint64

// The flags of a name.
const (
	byAddress known = 1 << iota // the name was the address of an image
	met                         // an image has the name
	byTail                      // it has it as its tail, or as that of the name
	unsure                      // it may be that of two images
)

const (
	flagBits   = 4
	sourceBits = 8
	labelBits  = 20
)

func newKnown(source int, labels uint32, at int, flags known) known {
	return flags | known(source)<<flagBits | known(labels)<<(flagBits+sourceBits) | known(uint32(at))<<(flagBits+sourceBits+labelBits)
}

func (k known) source() int    { return int(k >> flagBits & (1<<sourceBits - 1)) }
func (k known) labels() uint32 { return uint32(k >> (flagBits + sourceBits) & (1<<labelBits - 1)) }
func (k known) at() int        { return int(k >> (flagBits + sourceBits + labelBits)) }

// Matches counts names of a truth by how images were found for them.
type Matches struct {
	Names     int // that the truth has
	Exact     int // the name is the path of an image
	Address   int // it is the address or URL of an image
	Tail      int // it ends as the path of one image does, or that path ends as the name does
	Ambiguous int // it may be that of two images, or an image that of two names: none of them is taken
	Unmatched int // no image is called so, Ambiguous not counted

	// OfModel are labels that were left out because they are the model's: those that 'export'
	// wrote for images without a truth, and that nobody has changed.
	OfModel int
}

// Matched returns how many names belong to an image.
func (m Matches) Matched() int { return m.Exact + m.Address + m.Tail }

// FolderNames returns a Set in which the label of an image is the name of the folder that
// it is in. An image in no folder has none.
func FolderNames() *Set { return &Set{byFolder: true, bound: true} }

// Load reads the truth that a user names, Folders or the path of a file or folder, and
// binds it to the images of the output in st.
func Load(ctx context.Context, st store.Store, job *output.Job, path, columns string) (*Set, error) {
	if path == Folders {
		s := FolderNames()
		return s, s.anyFolder(func(fn func(path string) error) error {
			return output.Results(ctx, st, func(e shard.Entry, _ row.Row) error { return fn(e.Path) })
		})
	}
	s, err := Read(ctx, Options{Images: job.ImagesPlace(), Columns: columns}, path)
	if err != nil {
		return nil, err
	}
	return s, s.Bind(func(fn func(path string) error) error {
		return output.Results(ctx, st, func(e shard.Entry, _ row.Row) error { return fn(e.Path) })
	})
}

// errFound ends a search.
var errFound = errors.New("found")

// anyFolder returns an error if no image is in a folder.
func (s *Set) anyFolder(each func(fn func(path string) error) error) error {
	example := ""
	err := each(func(path string) error {
		if example == "" {
			example = strings.Clone(path)
		}
		if _, ok := s.Of(path); ok {
			return errFound
		}
		return nil
	})
	switch {
	case errors.Is(err, errFound):
		return nil
	case err == nil && example != "":
		err = fmt.Errorf("%w: no image of the output is in a folder whose name would be its label, such as %.300q", ErrNoMatch, example)
	}
	return err
}

// mostSources is how many files and folders are read at most.
const mostSources = 1 << sourceBits

// Read reads files and folders of this machine. Bind has to be called before names that
// are not exactly paths of images are found.
func Read(ctx context.Context, opt Options, paths ...string) (*Set, error) {
	s := &Set{seed: maphash.MakeSeed(), places: placesOf(opt.Images), names: map[uint64]known{}, tails: map[uint64]uint32{}}
	if len(paths) > mostSources {
		return nil, fmt.Errorf("%w: %d files; at most %d are read", ErrForm, len(paths), mostSources)
	}
	for i, path := range paths {
		src, err := open(path, opt.Columns)
		if err != nil {
			return nil, err
		}
		s.sources = append(s.sources, src)
		left, err := src.read(ctx, func(name, label string, at int) error { return s.add(i, name, label, at) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		s.found.OfModel += left
	}
	if len(s.names) == 0 {
		if s.found.OfModel > 0 {
			return nil, fmt.Errorf("%s: %w", strings.Join(paths, ", "), errOfModel())
		}
		return nil, fmt.Errorf("%w: %s gives no image a label", ErrForm, strings.Join(paths, ", "))
	}
	s.found.Names = len(s.names)
	return s, nil
}

// longestName and longestLabel are how many bytes the texts have at most.
const (
	longestName  = 64 << 10
	longestLabel = 4 << 10
)

// add takes what a source says of a name. Labels that one place of a file gives a name are
// alternatives.
func (s *Set) add(source int, name, label string, at int) error {
	unit := s.sources[source].form.unit
	switch {
	case label == "":
		return nil
	case name == "":
		return fmt.Errorf("%w: %s %d has a label and no name", ErrForm, unit, at)
	case len(name) > longestName || len(label) > longestLabel:
		return fmt.Errorf("%w: %s %d: a name has at most %d bytes, and a label %d", ErrForm, unit, at, longestName, longestLabel)
	}
	key, address := s.key(name)
	h := maphash.String(s.seed, key)
	var flags known
	if address {
		flags = byAddress
	}
	was, ok := s.names[h]
	var labels uint32
	var err error
	switch {
	case !ok:
		labels, err = s.labels.of(label)
	case slices.Contains(s.labels.sets[was.labels()], label):
		return nil
	case was.at() == at && was.source() == source:
		labels, err = s.labels.with(was.labels(), label)
	default:
		before := ""
		if was.source() != source {
			before = s.sources[was.source()].path + ", "
		}
		return fmt.Errorf("%w: %s%s %d says that %.200q is %.200q, and %s %d that it is %.200q", ErrContradiction,
			before, s.sources[was.source()].form.unit, was.at(), name, s.labels.sets[was.labels()][0], unit, at, label)
	}
	if err != nil {
		return err
	}
	s.names[h] = newKnown(source, labels, at, flags)
	return nil
}

// Of returns the labels of the image that has this path in the collection, any of which is
// right. It is false if none is known. The caller must not change the labels.
func (s *Set) Of(path string) (labels []string, ok bool) {
	if s.byFolder {
		if label := folderOf(path); label != "" {
			return []string{label}, true
		}
		return nil, false
	}
	h := maphash.String(s.seed, path)
	if k, ok := s.names[h]; ok {
		return s.labels.sets[k.labels()], true
	}
	if n, ok := s.tails[h]; ok {
		return s.labels.sets[n], true
	}
	return nil, false
}

// folderOf returns the name of the folder that an image is in; empty for none.
func folderOf(path string) string {
	at := strings.LastIndexByte(path, '/')
	if at < 0 {
		return ""
	}
	folder := path[:at]
	return folder[strings.LastIndexByte(folder, '/')+1:]
}

// ByFolder reports whether the labels are the names of folders.
func (s *Set) ByFolder() bool { return s.byFolder }

// Labels returns all labels, sorted. It is nil if they are the names of folders.
func (s *Set) Labels() []string {
	var all []string
	for label := range s.labels.numbers {
		all = append(all, label)
	}
	slices.Sort(all)
	return all
}

// Matches returns how names and images met. It is known after Bind.
func (s *Set) Matches() Matches { return s.found }
