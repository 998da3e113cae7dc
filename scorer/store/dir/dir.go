package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

// TempPrefix begins the names of files that are being written.
const TempPrefix = ".batchscore-tmp-"

// errNoExclusive says that nothing whole can be created exclusively here.
var errNoExclusive = errors.New("this file system has neither hard links nor an exclusive rename; use another one")

// Options changes what New sets up; its zero value is right for most uses.
type Options struct {
	// TempAge is how old an abandoned temporary file must be to be removed; a
	// day if zero.
	TempAge time.Duration
}

// Store is a store.Store over a folder.
type Store struct {
	root    string
	tempAge time.Duration
	// link gives the file at temp the name final unless that is taken.
	link func(temp, final string) error

	mu   sync.Mutex
	seen map[string]bool // folders that this Store has made sure of, and swept
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
	switch info, err := os.Stat(abs); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, classify("look at the folder", abs, 0, err)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a folder; give a folder", abs)
	}
	if opt.TempAge == 0 {
		opt.TempAge = 24 * time.Hour
	}
	return &Store{root: abs, tempAge: opt.TempAge, link: linkExclusive, seen: map[string]bool{}}, nil
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

// classify wraps an error of the file system with what was done, to what, the
// bytes at stake if any, and the sentinel that says what can be done about it.
func classify(doing, path string, bytes int64, err error) error {
	kind, hint := kindOf(err)
	size := ""
	if bytes > 0 {
		size = fmt.Sprintf(" (%d bytes)", bytes)
	}
	if kind == nil {
		return fmt.Errorf("%s %s%s: %w", doing, path, size, err)
	}
	return fmt.Errorf("%s %s%s: %w: %w%s", doing, path, size, kind, bare(err), hint)
}

// bare takes the path and the operation off an error; the message has them.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}

func kindOf(err error) (kind error, hint string) {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return nil, ""
	}
	switch no {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP:
		return store.ErrNotExist, ""
	case syscall.EEXIST:
		return store.ErrExist, ""
	case syscall.ESTALE:
		return store.ErrChanged, ""
	case syscall.EACCES, syscall.EPERM:
		return store.ErrDenied, "; check owner and mode"
	case syscall.ENOSPC, syscall.EDQUOT:
		return store.ErrUnavailable, "; free space and run again"
	case syscall.EROFS:
		return store.ErrUnavailable, "; mount it writable and run again"
	case syscall.EFBIG, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ETIMEDOUT, syscall.EBUSY:
		return store.ErrUnavailable, "; run again when that is mended"
	}
	return nil, ""
}
