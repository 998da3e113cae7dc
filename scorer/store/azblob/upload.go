package azblob

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/store"
)

const (
	// blockSize is the size of a staged block. A blob has at most maxBlocks of them,
	// and so 390 GiB.
	blockSize = 8 << 20
	maxBlocks = 50_000
	// stagers is how many blocks are staged at once.
	stagers = 4
)

var (
	_ store.Streamer       = (*Store)(nil)
	_ store.StreamReplacer = (*Store)(nil)
)

// CreateFrom implements store.Streamer. It holds at most five blocks of 8 MiB
// at a time.
func (s *Store) CreateFrom(ctx context.Context, name string, retry store.Retry, write func(io.Writer) error) (store.Object, error) {
	if err := s.checkCreate(ctx, name); err != nil {
		return store.Object{}, err
	}
	return s.upload(ctx, commitment{op: opCreate, lost: store.ErrExist, on: unlessExists()}, name, retry, write)
}

// ReplaceFrom implements store.StreamReplacer, with as much memory as CreateFrom.
func (s *Store) ReplaceFrom(
	ctx context.Context, name, etag string, retry store.Retry, write func(io.Writer) error,
) (store.Object, error) {
	if err := s.checkChange(ctx, opReplace, name); err != nil {
		return store.Object{}, err
	}
	return s.upload(ctx, commitment{op: opReplace, lost: store.ErrChanged, on: ifMatch(etag)}, name, retry, write)
}

// commitment is what an upload ends with.
type commitment struct {
	op   operation
	on   *blob.AccessConditions
	lost error // if the condition is not met
}

// upload stages what write writes and commits it on a condition.
func (s *Store) upload(
	ctx context.Context, end commitment, name string, retry store.Retry, write func(io.Writer) error,
) (store.Object, error) {
	u := newUpload(ctx, s, name, retry)
	u.end = end
	defer u.cancel()
	if err := write(u); err != nil {
		u.abandon()
		return store.Object{}, err
	}
	return u.commit(ctx)
}

// upload stages blocks as they fill up.
type upload struct {
	store *Store
	name  string
	retry store.Retry
	end   commitment
	blob  *blockblob.Client
	block []byte
	ids   []string
	run   [16]byte // begins the ids of this upload's blocks
	size  int64

	//nolint:containedctx // lives as long as one call of CreateFrom
	ctx    context.Context
	cancel context.CancelFunc
	group  *errgroup.Group
	free   chan []byte
}

func newUpload(ctx context.Context, s *Store, name string, retry store.Retry) *upload {
	u := &upload{store: s, name: name, retry: retry, blob: s.blob(name), free: make(chan []byte, stagers+1)}
	_, _ = rand.Read(u.run[:]) // never fails
	ctx, u.cancel = context.WithCancel(ctx)
	u.group, u.ctx = errgroup.WithContext(ctx)
	u.group.SetLimit(stagers)
	return u
}

func (u *upload) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if err := u.ctx.Err(); err != nil {
			return written, errors.Join(u.group.Wait(), err)
		}
		if len(u.block) == blockSize {
			if err := u.stage(); err != nil {
				return written, err
			}
		}
		if u.block == nil {
			u.block = u.buffer()
		}
		n := min(len(p), blockSize-len(u.block))
		u.block = append(u.block, p[:n]...)
		p = p[n:]
		written += n
		u.size += int64(n)
	}
	return written, nil
}

// buffer returns memory for one block.
func (u *upload) buffer() []byte {
	select {
	case b := <-u.free:
		return b[:0]
	default:
		return make([]byte, 0, blockSize)
	}
}

// stage begins to send the full block.
func (u *upload) stage() error {
	if len(u.ids) == maxBlocks {
		return fmt.Errorf("%s %q in %s: it is larger than %d blocks of %d bytes", u.end.op, u.name, u.store, maxBlocks, blockSize)
	}
	// All ids of a blob must have the same length, those of other uploads too.
	id := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(u.run[:], uint32(len(u.ids)))) //nolint:gosec // G115: below maxBlocks
	u.ids = append(u.ids, id)
	block := u.block
	u.block = nil
	u.group.Go(func() error {
		err := u.retry(u.ctx, func(ctx context.Context) error {
			if _, err := u.blob.StageBlock(ctx, id, streaming.NopCloser(bytes.NewReader(block)), nil); err != nil {
				return u.store.fail(ctx, u.end.op, u.name, err)
			}
			return nil
		})
		if err == nil {
			u.free <- block
		}
		return err
	})
	return nil
}

// abandon ends what is under way.
func (u *upload) abandon() {
	u.cancel()
	_ = u.group.Wait() // ended by us
}

// commit creates the blob from the staged blocks.
func (u *upload) commit(ctx context.Context) (store.Object, error) {
	if len(u.block) > 0 {
		if err := u.stage(); err != nil {
			return store.Object{}, err
		}
	}
	if err := u.group.Wait(); err != nil {
		return store.Object{}, err
	}
	var o store.Object
	tries := 0
	err := u.retry(ctx, func(ctx context.Context) error {
		tries++
		resp, err := u.blob.CommitBlockList(ctx, u.ids, &blockblob.CommitBlockListOptions{AccessConditions: u.end.on})
		if err == nil {
			o = store.Object{Name: u.name, Size: u.size, ETag: bare(resp.ETag), Modified: value(resp.LastModified).UTC()}
			return nil
		}
		if bloberror.HasCode(err, bloberror.InvalidBlockList) {
			// Another upload of that name was committed, and the service dropped our blocks.
			err = fmt.Errorf("%s %q in %s: %w", u.end.op, u.name, u.store, u.end.lost)
		} else {
			if u.end.op == opReplace {
				err = u.store.gone(ctx, u.name, err)
			}
			err = u.store.fail(ctx, u.end.op, u.name, err)
		}
		if tries > 1 && errors.Is(err, u.end.lost) {
			// Perhaps an earlier try committed it, and its answer was lost.
			o, err = u.committed(ctx, err)
		}
		return err
	})
	return o, err
}

// committed returns the blob if it consists of this upload's blocks, whose ids no
// other upload has. Otherwise it returns the error exists.
func (u *upload) committed(ctx context.Context, exists error) (store.Object, error) {
	list, err := u.blob.GetBlockList(ctx, blockblob.BlockListTypeCommitted, nil)
	if err != nil {
		return store.Object{}, u.store.fail(ctx, u.end.op, u.name, err)
	}
	ours := len(list.CommittedBlocks) == len(u.ids) && value(list.BlobContentLength) == u.size
	if len(u.ids) > 0 { // an empty blob is the same, whichever upload created it
		ours = ours && value(list.CommittedBlocks[0].Name) == u.ids[0]
	}
	if !ours {
		return store.Object{}, exists
	}
	return store.Object{Name: u.name, Size: u.size, ETag: bare(list.ETag), Modified: value(list.LastModified).UTC()}, nil
}
