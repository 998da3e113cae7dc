package dir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".batchscore-tmp-"

// fileMode and folderMode are those of every object and of the folders above it, less
// the umask.
const (
	fileMode   = 0o666
	folderMode = 0o777
)

// Options changes what New sets up; its zero value is right for most uses.
type Options struct {
	// TempAge is how old an abandoned temporary file must be to be removed; a
	// day if zero.
	TempAge time.Duration
	// Within makes Open return store.ErrOutside for files that links lead to and that are
	// not beneath the root. Listings name them nevertheless.
	Within bool
	// OpenFile opens a file for reading, and does not wait for the writer of a
	// pipe. By default the operating system does it; tests let it fail.
	OpenFile func(path string) (File, error)
}

// File is an open file.
type File interface {
	io.ReadSeekCloser
	Name() string
	Stat() (fs.FileInfo, error)
}

// Store is a store.Store over a folder.
type Store struct {
	root    string
	tempAge time.Duration
	within  bool // Options.Within
	// first describes the folder at root when the Store was opened; nil if there
	// was none.
	first    fs.FileInfo
	openFile func(path string) (File, error)
	// in is atomicfile.In, through which every file and folder is written and synced.
	in func(folder *os.Root) atomicfile.Folder
	// link gives a folder's file temp the name final unless that is taken.
	link func(in atomicfile.Folder, temp, final string) error

	mu   sync.Mutex
	seen map[string]bool // folders that exist and were swept, by their path beneath the root
	made []string        // folders that this Store made

	unfit atomic.Bool // whether no create can succeed here
}

var (
	_ store.Streamer = (*Store)(nil)
	_ store.Volatile = (*Store)(nil)
)

// New returns a store over the folder root. The folder need not exist: Create
// makes it. If root is something else than a folder, New returns an error.
func New(root string, opt Options) (*Store, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find folder %s: %w", root, err)
	}
	info, err := statFolder(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return nil, classify("look at the folder", abs, 0, err)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a folder; give the folder that holds it", abs)
	}
	if opt.TempAge == 0 {
		opt.TempAge = 24 * time.Hour
	}
	if opt.OpenFile == nil {
		opt.OpenFile = openFile
	}
	s := &Store{root: abs, tempAge: opt.TempAge, within: opt.Within, first: info, openFile: opt.OpenFile,
		in: atomicfile.In, link: linkExclusive, seen: map[string]bool{}}
	if opt.Within {
		s.openFile = s.openWithin
	}
	return s, nil
}

// String is the absolute path of the folder.
func (s *Store) String() string { return s.root }

// path returns the path of an object. Names are not cleaned: a name that the file
// system would not return unchanged is an error.
func (s *Store) path(name string) (string, error) {
	if name == "" || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%q is not the name of a file", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.HasPrefix(part, tempPrefix) {
			return "", fmt.Errorf("%q is not the name of a file: the element %q", name, part)
		}
	}
	return s.root + "/" + name, nil
}

// object describes a regular file.
func object(name string, info fs.FileInfo) store.Object {
	t := info.ModTime()
	return store.Object{
		Name: name, Size: info.Size(), Modified: t,
		ETag: fmt.Sprintf("%x-%x", info.Size(), t.UnixNano()),
	}
}
