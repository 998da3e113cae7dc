package ort

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/ort/winograd"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// fewerMultiplications is the part of Engine.Device for models of which package
// winograd computes some convolutions.
const fewerMultiplications = "winograd"

// replaceConvolutions replaces the convolutions that package winograd computes
// faster. It returns the changed graph, which the caller must unmap, or nil if
// there are no such convolutions. A file that cannot be parsed is left to ONNX
// Runtime, which reports the error if it cannot parse it either.
func (e *Engine) replaceConvolutions() ([]byte, error) {
	file, err := mapFile(e.model.Path)
	if err != nil {
		return nil, err
	}
	graph, err := e.separate(file)
	if errors.Is(err, models.ErrModel) {
		err = nil
	}
	return graph, errors.Join(err, unmap(file))
}

func (e *Engine) separate(file []byte) ([]byte, error) {
	set, err := winograd.NewSet(e.api.table)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrOutOfMemory, err)
	}
	s, err := convert.Separate(file, filepath.Dir(e.model.Path), convert.Operator{
		Domain: winograd.Domain, Name: winograd.Name, Index: winograd.Index,
		Takes: func(c convert.Convolution) bool { return winograd.Convolution(c).Gains() },
		Add: func(c convert.Convolution, weights, bias []float32) (int, error) {
			index, err := set.Add(winograd.Convolution(c), weights, bias)
			if err != nil {
				err = fmt.Errorf("%w: %w", models.ErrOutOfMemory, err)
			}
			return index, err
		},
	})
	if err != nil || s == nil {
		set.Free()
		return nil, err
	}
	graph, err := mapMemory(int(s.Size()))
	if err == nil {
		_, err = s.WriteTo(bytes.NewBuffer(graph[:0]))
	}
	if err != nil {
		set.Free()
		return nil, errors.Join(err, unmap(graph))
	}
	e.replaced = set
	e.device += "/" + fewerMultiplications
	return graph, nil
}

// createFrom creates the session from a graph of replaceConvolutions.
func (e *Engine) createFrom(graph []byte, o *onnx.SessionOptions) error {
	// ONNX Runtime looks for weight files there.
	folder, err := filepath.Abs(filepath.Dir(e.model.Path))
	if err != nil {
		return err
	}
	if err := o.AddSessionConfigEntry(weightsFolder, folder); err != nil {
		return err
	}
	options, err := native(o, "o")
	if err != nil {
		return err
	}
	if err := e.replaced.Register(options); err != nil {
		return err
	}
	e.session, err = onnx.NewDynamicAdvancedSessionWithONNXData(graph, nil, nil, o)
	return err
}

// mapFile maps a file for reading.
func mapFile(path string) ([]byte, error) {
	f, err := atomicfile.OpenRegular(path)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	if info.Size() == 0 {
		return nil, nil
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map model %s: %w", path, err)
	}
	return data, nil
}

func mapMemory(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

func unmap(memory []byte) error {
	if memory == nil {
		return nil
	}
	return syscall.Munmap(memory)
}
