// Package native decodes HEIC, AVIF, JPEG XL and JPEG 2000 with libraries in C and C++ that
// are loaded at run time. They read what anybody may have written, so they run in helpers:
// processes of this program that load one library, may take no more memory and processor
// time than an image is worth, and may make no system call but those that decoding takes.
// A library that crashes, hangs or wants too much memory costs one image.
//
// A decoder starts its helper with the first image of its format and keeps it. The encoded
// image and the pixels pass through memory that both share.
package native

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/batchscore/batchscore/models/device/sharedlib"
)

// A Library is a native library that decodes one format or two.
type Library struct {
	// Name is its name, such as "libheif".
	Name string
	// Decodes are the formats that it is for.
	Decodes string
	// Variable names the library's file, where it is not in one of the usual places.
	Variable string
	// Install says how to get it.
	Install string

	files []string // tried in this order

	probe func() (identity string, err error) // once in the life of the process
}

// The libraries. Each name of a file is that of one binary interface that the helper knows.
var (
	HEIF = library(Library{Name: "libheif", Decodes: "HEIC and HEIF", Variable: "LIBHEIF",
		Install: "Debian, Ubuntu: libheif1, and libheif-plugin-libde265 where there is one; Fedora: libheif",
		files:   []string{"libheif.so.1"}})
	AVIF = library(Library{Name: "libavif", Decodes: "AVIF", Variable: "LIBAVIF",
		Install: "Debian 12: libavif15; Debian 13, Ubuntu 24.04: libavif16; Ubuntu 22.04: libavif13; Fedora: libavif",
		files:   []string{"libavif.so.16", "libavif.so.15", "libavif.so.13"}})
	JXL = library(Library{Name: "libjxl", Decodes: "JPEG XL", Variable: "LIBJXL",
		Install: "Debian 12, Ubuntu 24.04: libjxl0.7; Debian 13: libjxl0.11; Fedora: libjxl",
		files:   []string{"libjxl.so.0.11", "libjxl.so.0.10", "libjxl.so.0.9", "libjxl.so.0.8", "libjxl.so.0.7"}})
	JP2 = library(Library{Name: "openjpeg", Decodes: "JPEG 2000", Variable: "LIBOPENJP2",
		Install: "Debian, Ubuntu: libopenjp2-7; Fedora: openjpeg2",
		files:   []string{"libopenjp2.so.7"}})
)

func library(l Library) *Library {
	p := &l
	p.probe = sync.OnceValues(func() (string, error) {
		h, err := p.launch()
		if err != nil {
			return "", err
		}
		defer h.close()
		return h.identity, nil
	})
	return p
}

// Libraries returns all libraries.
func Libraries() []*Library { return []*Library{HEIF, AVIF, JXL, JP2} }

// Identity returns the library's name and version, as "libheif 1.15.1, libde265 HEVC
// decoder, version 1.0.11", on which pixels depend. The error says what is missing.
func (l *Library) Identity() (string, error) { return l.probe() }

// A missing library is an error that says what to install.
type missing struct {
	library *Library
	why     string
}

func (m *missing) Error() string {
	return fmt.Sprintf("%s not loaded, so that %s is not decoded: install it (%s) or name the library in %s (tried: %s)",
		m.library.Name, m.library.Decodes, m.library.Install, m.library.Variable, m.why)
}

// IsMissing reports whether an error of Identity says that the library is not installed,
// and nothing worse.
func IsMissing(err error) bool { return errors.As(err, new(*missing)) }

// fetched returns the files of the library that deploy/deps/fetch.sh decoders has fetched. They
// are used before those of the system.
func (l *Library) fetched() (files []string) {
	for _, cache := range sharedlib.Caches() {
		for _, name := range l.files {
			file, err := filepath.Abs(filepath.Join(cache, "decoders", name))
			if err != nil {
				continue
			}
			if _, err := os.Stat(file); err == nil {
				files = append(files, file)
			}
		}
	}
	return files
}

// candidates returns the files that the helper tries, or why there are none.
func (l *Library) candidates() ([]string, error) {
	files := append(l.fetched(), l.files...)
	if name := os.Getenv(l.Variable); name != "" {
		if strings.Contains(name, "/") {
			var err error
			if name, err = filepath.Abs(name); err != nil { // a helper has another working directory
				return nil, err
			}
		}
		files = []string{name}
	}
	var good, why []string
	for _, f := range files {
		if err := sharedlib.Check(f); err != nil {
			why = append(why, err.Error())
		} else if strings.Contains(f, ";") {
			why = append(why, f+" has a semicolon in its name")
		} else {
			good = append(good, f)
		}
	}
	if len(good) == 0 {
		return nil, &missing{l, cmp.Or(strings.Join(why, "; "), "nothing")}
	}
	return good, nil
}
