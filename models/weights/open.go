package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/batchscore/batchscore/models"
)

// Options supply what the path of weights does not say.
type Options struct {
	// Path of the model's folder inside a TensorFlow.js archive that holds
	// several, slash-separated.
	Path string
}

// Open opens the weights at path. Their content tells their kind, not their name:
// safetensors, a checkpoint of PyTorch (.pth), NumPy's .npz, or a TensorFlow.js layers model, which is a folder, its
// model.json, or an npm package's .tgz. Errors about content wrap models.ErrModel and
// name the path.
func Open(ctx context.Context, path string, o Options) (Source, error) {
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("weights %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, o Options) (_ Source, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // to open a pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		_ = f.Close()
		return openTFJS(ctx, path, o.Path)
	}
	if !info.Mode().IsRegular() {
		return nil, bad("not a regular file")
	}
	var head [len(legacyStart)]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	on := &onDisk{file: f, size: info.Size()}
	switch start := head[:n]; {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")):
		return newZip(on)
	case string(start) == legacyStart:
		return newTorchLegacy(on)
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		_ = f.Close()
		return openTFJS(ctx, path, o.Path)
	case n >= 9 && start[8] == '{' && binary.LittleEndian.Uint64(start[:8]) < 1<<56:
		return newSafetensors(on)
	case bytes.HasPrefix(bytes.TrimSpace(start), []byte("{")):
		_ = f.Close()
		return openTFJSFile(ctx, path)
	}
	return nil, bad("neither safetensors, nor a PyTorch checkpoint, nor NumPy's .npz, nor a TensorFlow.js layers model; " +
		"a Keras .h5 file must be saved as one of them first")
}

// onDisk is a file whose tensors are read in place.
type onDisk struct {
	file interface {
		io.ReaderAt
		io.Closer
	}
	size   int64
	hash   sync.Once
	digest string
	err    error
}

// Digest implements Source.
func (d *onDisk) Digest() (string, error) {
	d.hash.Do(func() {
		sum := sha256.New()
		n, err := io.CopyBuffer(sum, io.NewSectionReader(d.file, 0, d.size), make([]byte, 1<<20))
		switch {
		case err != nil:
			d.err = fmt.Errorf("read weights: %w", err)
		case n != d.size:
			d.err = bad("the file became shorter: %d bytes of %d are left", n, d.size)
		}
		d.digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	})
	return d.digest, d.err
}

// Close implements Source.
func (d *onDisk) Close() error { return d.file.Close() }

// bad returns an error about the content of weights.
func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %w", models.ErrModel, fmt.Errorf(format, args...))
}
