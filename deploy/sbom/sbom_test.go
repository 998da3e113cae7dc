package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// sources returns flags for a made-up image around this test's own binary.
func sources(t *testing.T) options {
	t.Helper()
	folder := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	library := write(t, filepath.Join(folder, "libonnxruntime.so.1"), "a library")
	write(t, filepath.Join(folder, "root/etc/os-release"), "NAME=Debian\nID=debian\nVERSION_ID=\"12\"\n")
	write(t, filepath.Join(folder, "root/var/lib/dpkg/status"), "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\n"+
		"Version: 2.36-9+deb12u1\nDescription: the C library\n Package: not-this\n\n"+
		"Package: removed\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: amd64\n\n"+
		"Package: libturbojpeg0\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.1.5-2\n")
	return options{
		name: "batchscore", version: "1.2.0+3.g12", binary: self, notice: "../../NOTICE", runtime: library,
		pins: write(t, filepath.Join(folder, "pins.sh"), fmt.Sprintf("onnxruntime_version=1.30.0\nonnxruntime_package=onnxruntime-node\n"+
			"onnxruntime_x64_sha256=%x\n", sha256.Sum256([]byte("a library")))),
		root: filepath.Join(folder, "root"), wheels: []string{"../deps/cuda12.txt"},
	}
}

func TestGenerate(t *testing.T) {
	o := sources(t)
	body, err := generate(o, "1700000000")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := generate(o, "1700000000"); err != nil || string(again) != string(body) {
		t.Errorf("the second is not the same as the first (%v)", err)
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	if d.Metadata.Timestamp != "2023-11-14T22:13:20Z" || d.Metadata.Component.PURL != "pkg:generic/batchscore@1.2.0%2B3.g12" {
		t.Errorf("metadata: %+v", d.Metadata)
	}
	if len(d.Serial) != len("urn:uuid:00000000-0000-0000-0000-000000000000") || len(d.Dependencies[0].On) != len(d.Components) {
		t.Errorf("serial number %s, %d components, %d of them asked for", d.Serial, len(d.Components), len(d.Dependencies[0].On))
	}
	found := map[string]component{}
	for _, c := range d.Components {
		found[c.Name] = c
	}
	for name, want := range map[string]string{
		"stdlib":          "pkg:golang/stdlib@1.",
		"ONNX Runtime":    "pkg:npm/onnxruntime-node@1.30.0",
		"libc6":           "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12",
		"libturbojpeg0":   "pkg:deb/debian/libturbojpeg0@1:2.1.5-2?arch=amd64&distro=debian-12",
		"onnxruntime-gpu": "pkg:pypi/onnxruntime-gpu@",
	} {
		if !strings.HasPrefix(found[name].PURL, want) {
			t.Errorf("%s is %q, want %s...", name, found[name].PURL, want)
		}
	}
	for _, name := range []string{"removed", "not-this"} {
		if _, ok := found[name]; ok {
			t.Errorf("%s is listed and not installed", name)
		}
	}
}

// TestGenerateRefuses: a bill that would be wrong or empty is an error.
func TestGenerateRefuses(t *testing.T) {
	for name, change := range map[string]func(o *options){
		"another library":  func(o *options) { write(t, o.runtime, "another") },
		"no pin":           func(o *options) { write(t, o.pins, "") },
		"no binary of Go":  func(o *options) { o.binary = o.pins },
		"no packages":      func(o *options) { write(t, filepath.Join(o.root, "var/lib/dpkg/status"), "") },
		"no pinned wheels": func(o *options) { o.wheels = []string{o.pins} },
		"nothing":          func(o *options) { *o = options{name: "batchscore"} },
	} {
		o := sources(t)
		change(&o)
		if _, err := generate(o, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := generate(sources(t), "today"); err == nil {
		t.Error("a time that is not a number is accepted")
	}
}

// TestModuleLicences: NOTICE has the form that is read.
func TestModuleLicences(t *testing.T) {
	known, err := moduleLicences("../../NOTICE")
	if err != nil || len(known) < 30 {
		t.Errorf("%d modules, %v", len(known), err)
	}
}
