package dir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// Create implements store.Store. It makes the folders above name as needed. A
// name with an empty, "." or ".." element is refused.
func (s *Store) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	return s.create(ctx, name, durable, int64(len(body)), whole(body))
}

// CreateVolatile implements store.Volatile: nothing is synced.
func (s *Store) CreateVolatile(ctx context.Context, name string, body []byte) (store.Object, error) {
	return s.create(ctx, name, volatile, int64(len(body)), whole(body))
}

func whole(body []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	}
}

// CreateFrom implements store.Streamer. A folder makes no requests, so there is
// nothing to try again.
func (s *Store) CreateFrom(ctx context.Context, name string, _ store.Retry, write func(io.Writer) error) (store.Object, error) {
	return s.create(ctx, name, durable, -1, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 1<<20)
		if err := write(buffered); err != nil {
			return err
		}
		return buffered.Flush()
	})
}

// lasting says whether an object survives a crash of the machine.
type lasting bool

const (
	durable  lasting = true
	volatile lasting = false
)

// create stores what write writes: size bytes or, if that is below 0, as many as
// there are. Unlike atomicfile.Create it need not sync, it looks before it writes,
// and a link whose answer a server lost counts as made.
func (s *Store) create(ctx context.Context, name string, lasts lasting, size int64, write func(io.Writer) error) (store.Object, error) {
	if err := ctx.Err(); err != nil {
		return store.Object{}, err
	}
	final, err := s.path(name)
	if err != nil {
		return store.Object{}, fmt.Errorf("create: %w: %w", store.ErrName, err)
	}
	// Most creates that lose do so long after the winner, so look first.
	if _, err := os.Lstat(final); err == nil {
		return store.Object{}, fmt.Errorf("create %s: %w", final, store.ErrExist)
	}
	folder := filepath.Dir(final)
	if err := s.ensureFolder(folder); err != nil {
		err = s.asUnfit(err)
		if errors.Is(err, syscall.ENAMETOOLONG) {
			return store.Object{}, classifyCreate(final, size, err)
		}
		if kind, _ := kindOf(err); errors.Is(kind, store.ErrNotExist) {
			return store.Object{}, fmt.Errorf("cannot create the folder %s: %w", folder, bare(err))
		}
		return store.Object{}, classifyCreate(final, size, err)
	}
	temp, err := atomicfile.NewTemp(folder, tempPrefix)
	if errors.Is(err, fs.ErrNotExist) { // the folder was removed meanwhile
		s.forget()
		if err = s.ensureFolder(folder); err == nil {
			temp, err = atomicfile.NewTemp(folder, tempPrefix)
		}
	}
	if err != nil {
		return store.Object{}, classifyCreate(final, size, s.asUnfit(err))
	}
	defer s.unmake(temp.Name())
	if err := temp.Fill(fileMode, bool(lasts), write); err != nil {
		if size < 0 {
			size = written(temp.Name())
		}
		return store.Object{}, classifyCreate(final, size, err)
	}
	if err := ctx.Err(); err != nil {
		return store.Object{}, err
	}
	if err := s.link(temp.Name(), final); err != nil && !sameFile(temp.Name(), final) {
		if errors.Is(err, store.ErrUnfit) {
			s.unfit.Store(true)
		}
		return store.Object{}, classifyCreate(final, size, err)
	}
	info, err := os.Lstat(final)
	if err == nil && lasts == durable {
		err = atomicfile.SyncFolder(folder)
	}
	if err != nil {
		return store.Object{}, classifyCreate(final, size, err)
	}
	return object(name, info), nil
}

// classifyCreate is classify, except that a missing file is not an object that
// does not exist: the folder was removed, a parent is a file, or the name is too
// long for the file system.
func classifyCreate(path string, bytes int64, err error) error {
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return fmt.Errorf("create %s: %w: %w", path, store.ErrName, bare(err))
	}
	if kind, _ := kindOf(err); errors.Is(kind, store.ErrNotExist) {
		return fmt.Errorf("create %s (%d bytes): %w", path, bytes, bare(err))
	}
	return classify("create", path, bytes, err)
}

// written returns how many bytes of a file were written.
func written(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// linkExclusive is atomicfile.LinkExclusive. A file system that can do neither is
// store.ErrUnfit.
func linkExclusive(temp, final string) error {
	err := atomicfile.LinkExclusive(temp, final)
	if errors.Is(err, atomicfile.ErrNoExclusive) {
		return errNoExclusive
	}
	return err
}

// sameFile reports whether both names are of one file. A server may have made a
// link and lost its answer; asked again, it answers that the name is taken. Then
// our own file has the name.
func sameFile(a, b string) bool {
	x, err := os.Lstat(a)
	if err != nil {
		return false
	}
	y, err := os.Lstat(b)
	return err == nil && os.SameFile(x, y)
}

// ensureFolder makes a folder and those above it, so that they survive a crash,
// and sweeps it. It does so once for each folder in the life of the Store.
func (s *Store) ensureFolder(folder string) error {
	s.mu.Lock()
	seen := s.seen[folder]
	s.mu.Unlock()
	if seen {
		return nil
	}
	made, err := makeFolder(folder)
	if err == nil {
		s.sweep(folder)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, made...)
	s.seen[folder] = err == nil
	return err
}

// asUnfit returns err, or errNoExclusive if a folder is missing because another
// create found that no create can succeed, and removed the folder.
func (s *Store) asUnfit(err error) error {
	if s.unfit.Load() && errors.Is(err, fs.ErrNotExist) {
		return errNoExclusive
	}
	return err
}

// unmake removes a temporary file. If no create can succeed here, it also removes
// the empty folders that this Store made.
func (s *Store) unmake(temp string) {
	os.Remove(temp)
	if !s.unfit.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.made)
	for _, folder := range slices.Backward(s.made) {
		os.Remove(folder) // fails if the folder is not empty
	}
	clear(s.seen)
}

// forget makes ensureFolder look again.
func (s *Store) forget() {
	s.mu.Lock()
	clear(s.seen)
	s.mu.Unlock()
}

// makeFolder is os.MkdirAll that syncs the folders it changes, and returns those
// it made.
func makeFolder(folder string) (made []string, err error) {
	info, err := os.Stat(folder)
	if err == nil {
		if !info.IsDir() {
			return nil, &fs.PathError{Op: "mkdir", Path: folder, Err: syscall.ENOTDIR}
		}
		return nil, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	above := filepath.Dir(folder)
	if made, err = makeFolder(above); err != nil {
		return made, err
	}
	switch err := os.Mkdir(folder, 0o755); {
	case err == nil:
		made = append(made, folder)
	case !errors.Is(err, fs.ErrExist):
		return made, err
	}
	return made, atomicfile.SyncFolder(above)
}

// sweep removes temporary files that were abandoned long ago by the clock of the
// file system, which it reads from a new temporary file. It ignores errors: if
// something is wrong, the next create reports it.
func (s *Store) sweep(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	var now time.Time
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if now.IsZero() {
			if now, err = fileClock(folder); err != nil {
				return
			}
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > s.tempAge {
			os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// fileClock returns the time by the clock of the file system.
func fileClock(folder string) (time.Time, error) {
	temp, err := atomicfile.NewTemp(folder, tempPrefix)
	if err != nil {
		return time.Time{}, err
	}
	defer temp.Remove()
	if err := temp.Fill(fileMode, false, whole(nil)); err != nil {
		return time.Time{}, err
	}
	info, err := os.Stat(temp.Name())
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
