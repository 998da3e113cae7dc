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
)

// TempPrefix begins the names of files that are being written.
const TempPrefix = ".batchscore-tmp-"

// fileMode is that of every object.
const fileMode = 0o644

// Options changes what New sets up; its zero value is right for most uses.
type Options struct {
	// TempAge is how old an abandoned temporary file must be to be removed; a
	// day if zero.
	TempAge time.Duration
	// OpenFile opens a file for reading, and waits for no writer of a pipe; by
	// default as the operating system does. Tests have it fail.
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
	// first is the folder that root was when the Store was opened, nil if there
	// was none.
	first    fs.FileInfo
	openFile func(path string) (File, error)
	// link gives the file at temp the name final unless that is taken.
	link func(temp, final string) error

	mu   sync.Mutex
	seen map[string]bool // folders that this Store has made sure of, and swept
	made []string        // folders that it made

	unfit atomic.Bool // no create succeeds here
}

var (
	_ store.Streamer = (*Store)(nil)
	_ store.Volatile = (*Store)(nil)
)

// New returns a store over the folder root. The folder need not exist: Create
// makes it. It is an error for root to be something else than a folder.
func New(root string, opt Options) (*Store, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find folder %s: %w", root, err)
	}
	info, err := os.Stat(abs)
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
	return &Store{root: abs, tempAge: opt.TempAge, first: info, openFile: opt.OpenFile,
		link: linkExclusive, seen: map[string]bool{}}, nil
}

// String is the absolute path of the folder.
func (s *Store) String() string { return s.root }

// path is where the object lies. Names are not cleaned: a name that the file
// system could not give back as it stands has no place here.
func (s *Store) path(name string) (string, error) {
	if name == "" || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%q is not the name of a file", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.HasPrefix(part, TempPrefix) {
			return "", fmt.Errorf("%q is not the name of a file: the element %q", name, part)
		}
	}
	return s.root + "/" + name, nil
}

// object describes the regular file that info tells of.
func object(name string, info fs.FileInfo) store.Object {
	t := info.ModTime()
	return store.Object{
		Name: name, Size: info.Size(), Modified: t,
		ETag: fmt.Sprintf("%x-%x", info.Size(), t.UnixNano()),
	}
}
