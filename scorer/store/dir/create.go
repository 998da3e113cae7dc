package dir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"syscall"

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
	defer s.unmake()
	root, err := s.folderFor(name)
	if err != nil {
		err = s.asUnfit(err)
		if errors.Is(err, syscall.ENAMETOOLONG) {
			return store.Object{}, classifyCreate(final, size, err)
		}
		if kind, _ := kindOf(err); errors.Is(kind, store.ErrNotExist) {
			return store.Object{}, fmt.Errorf("cannot create the folder %s: %w", filepath.Dir(final), bare(err))
		}
		return store.Object{}, classifyCreate(final, size, err)
	}
	defer root.Close()
	in, base := s.in(root), path.Base(name)
	temp, err := in.NewTemp(tempPrefix, "", fileMode, nil)
	if err != nil {
		return store.Object{}, classifyCreate(final, size, s.asUnfit(err))
	}
	defer temp.Remove()
	info, err := temp.Fill(bool(lasts), write)
	if err != nil {
		if size < 0 && info != nil {
			size = info.Size()
		}
		return store.Object{}, classifyCreate(final, size, err)
	}
	if err := ctx.Err(); err != nil {
		return store.Object{}, err
	}
	if size >= 0 && info.Size() != size {
		return store.Object{}, fmt.Errorf("create %s: %w: the file system kept %d of %d bytes; run again when it has room", final,
			store.ErrUnavailable, info.Size(), size)
	}
	// A server may make the link and lose its answer; asked again, it answers that the name
	// is taken. Then our own file has the name.
	if err := s.link(in, temp.Name(), base); err != nil && !temp.Has(base) {
		if errors.Is(err, store.ErrUnfit) {
			s.unfit.Store(true)
		}
		return store.Object{}, classifyCreate(final, size, err)
	}
	made, err := in.Lstat(base)
	if err == nil && lasts == durable {
		err = in.Sync()
	}
	if err == nil && (!made.Mode().IsRegular() || made.Size() != info.Size()) {
		err = errSwapped
	}
	if err != nil {
		return store.Object{}, classifyCreate(final, size, err)
	}
	return object(name, made), nil
}

// errSwapped means that something else has the name of a file that was created just now.
var errSwapped = fmt.Errorf("%w: another program has put something else in its place; "+
	"find out who else writes to this folder, then run again", store.ErrUnavailable)

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

// linkExclusive is atomicfile.Folder.LinkExclusive. A file system that can do neither is
// store.ErrUnfit.
func linkExclusive(in atomicfile.Folder, temp, final string) error {
	err := in.LinkExclusive(temp, final)
	if errors.Is(err, atomicfile.ErrNoExclusive) {
		return errNoExclusive
	}
	return err
}
