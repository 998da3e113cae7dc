package ort

import (
	"slices"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort/internal/signals"
)

// Info is what Probe finds.
type Info struct {
	// Library is the path of ONNX Runtime, Version its release.
	Library, Version string
	// CUDA is the release of CUDA for which the library was built, such as 12; 0 if it
	// was built for the CPU only.
	CUDA int
	// Built lists the execution providers that the library was built for, by
	// ONNX Runtime's names.
	Built []string
	// Providers are those that Options.Provider accepts, except Auto.
	Providers []ProviderInfo
}

// ProviderInfo is one provider as Probe finds it.
type ProviderInfo struct {
	Name string
	// Err lists everything that is missing; nil if the provider can be used.
	Err error
}

// Probe loads the library that FindLibrary finds and tries every provider. The
// error wraps models.ErrProvider if there is no usable library.
func Probe(library string) (Info, error) {
	path, err := FindLibrary(library, Auto)
	if err != nil {
		return Info{}, err
	}
	l, err := acquire(path)
	if err != nil {
		return Info{Library: path}, err
	}
	info := Info{Library: path, Version: l.version, CUDA: cudaRelease(providerFile(path, CUDA))}
	if info.Built, err = l.api.providers(); err == nil {
		slices.Sort(info.Built)
		for _, name := range []string{CPU, CUDA} {
			info.Providers = append(info.Providers, ProviderInfo{name, try(name, path)})
		}
	}
	if err2 := release(); err == nil {
		err = err2
	}
	return info, err
}

// try creates session options with a provider and frees them.
func try(name, library string) error {
	if name != CPU {
		if err := available(name, library, device.GPUs()); err != nil {
			return err
		}
	}
	return signals.Keep(zerolog.Nop(), func() error {
		o, err := settingsFor(name, 0, Options{}).sessionOptions()
		if err != nil {
			return target{provider: name, library: library}.explain("", &providerError{err})
		}
		return o.Destroy()
	})
}
