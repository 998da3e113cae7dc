package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// debian writes the files of a package for Debian and Ubuntu below a folder, and nfpm.json
// there, which names them. The package runs no script when it is installed or removed.
func (r release) debian(folder string) error {
	all, err := r.debianFiles()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	root := filepath.Join(folder, "root")
	if err := writeFiles(root, all); err != nil {
		return err
	}
	settings, err := r.nfpm(root, all)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "nfpm.json"), settings, 0o644)
}

func (r release) debianFiles() (tree, error) {
	below, err := r.prefix("share/zsh/vendor-completions/_batchscore")
	if err != nil {
		return nil, err
	}
	var all tree
	for _, f := range below {
		if strings.HasPrefix(f.name, "share/man/") {
			if f.body, err = compressed(f.body); err != nil {
				return nil, err
			}
			f.name += ".gz"
		}
		all.put(path.Join("usr", f.name), f.body)
	}
	units, err := r.units("/usr/bin/batchscore")
	if err != nil {
		return nil, err
	}
	all = append(all, units...)
	all.put("usr/lib/sysusers.d/batchscore.conf", []byte("u batchscore - \"Nightly scoring\" /var/lib/batchscore\n"))
	log, err := compressed(fmt.Appendf(nil, "batchscore (%s) unstable; urgency=medium\n\n  * See docs/changelog.md of the sources.\n\n -- %s  %s\n",
		r.version.debian, r.maintainer, r.time.Format(time.RFC1123Z)))
	if err != nil {
		return nil, err
	}
	doc := path.Join("usr", documents)
	all.put(path.Join(doc, "changelog.gz"), log)
	all.put(path.Join(doc, "copyright"), fmt.Appendf(nil, copyright, r.time.Year()))
	all.put("usr/share/lintian/overrides/batchscore", []byte(overrides))
	for name, from := range map[string]string{
		path.Join(doc, "NOTICE"):                            filepath.Join(r.root, "NOTICE"),
		path.Join(doc, "README.md"):                         filepath.Join(r.root, "README.md"),
		path.Join(doc, "batchscore.cdx.json"):               r.bill,
		path.Join(doc, "onnxruntime/ThirdPartyNotices.txt"): filepath.Join(r.notices, "ThirdPartyNotices.txt"),
	} {
		if err := all.add(name, from); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// units returns the systemd units, which start this program.
func (r release) units(program string) (tree, error) {
	var all tree
	files, err := filepath.Glob(filepath.Join(r.root, "deploy/units", "*.*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		folder := "usr/lib/systemd/system"
		switch name := filepath.Base(file); path.Ext(name) {
		case ".service", ".timer":
		case ".env":
			folder = "etc/batchscore"
		default:
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all.put(path.Join(folder, filepath.Base(file)), bytes.ReplaceAll(body, []byte("/usr/local/bin/batchscore"), []byte(program)))
	}
	return all, nil
}

// compressed returns a text as gzip -9n does, which Debian asks for.
func compressed(body []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

const description = `score large image collections, provably complete
batchscore scores every image of a large collection with a neural network,
and proves afterwards that every image got exactly one result. It runs on one
machine or on many, with Open MPI, Slurm, Kubernetes or Azure Machine Learning.
.
The package holds ONNX Runtime for CPUs. Its systemd units are not enabled.`

// nfpm returns the settings of a package. JSON is YAML.
func (r release) nfpm(root string, all tree) ([]byte, error) {
	type info struct {
		Mode int `json:"mode"`
	}
	type content struct {
		Source string `json:"src"`
		Target string `json:"dst"`
		Type   string `json:"type,omitempty"`
		Info   info   `json:"file_info"`
	}
	var contents []content
	for _, f := range all {
		c := content{Source: filepath.Join(root, f.name), Target: "/" + f.name, Info: info{Mode: int(f.mode())}}
		if strings.HasPrefix(f.name, "etc/") {
			c.Type = "config|noreplace"
		}
		contents = append(contents, c)
	}
	return json.MarshalIndent(map[string]any{
		"name": "batchscore", "arch": r.arch, "platform": "linux", "version": r.version.debian, "version_schema": "none",
		"section": "science", "priority": "optional", "maintainer": r.maintainer, "description": description,
		"homepage": "https://github.com/batchscore/batchscore", "mtime": r.time.Format(time.RFC3339),
		"depends": []string{fmt.Sprintf("libc6 (>= %s)", r.glibc), "libstdc++6 (>= 5.2)", "libgcc-s1", "libturbojpeg0 | libturbojpeg", "ca-certificates"},
		// The program loads them if they are there.
		"recommends": []string{"openmpi-bin", "libheif1", "libavif16 | libavif15 | libavif13", "libjxl0.11 | libjxl0.7", "libopenjp2-7"},
		"contents":   contents,
		"deb":        map[string]any{"compression": "gzip"},
	}, "", "  ")
}

// overrides are what lintian reports and is meant.
const overrides = `# ONNX Runtime is the library of its makers, with what they have linked into it.
batchscore: embedded-library * [usr/lib/batchscore/libonnxruntime.so.1]
# Go's linker gives programs a fixed address unless it is told otherwise.
batchscore: hardening-no-pie [usr/bin/batchscore]
`

// copyright is in the form of Debian, which refers to the Apache License that each system has.
const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: batchscore
Source: https://github.com/batchscore/batchscore
Comment: The licences of the modules that are linked into the program are in
 /usr/share/doc/batchscore/NOTICE.

Files: *
Copyright: %d The batchscore developers
License: Apache-2.0
 On Debian systems, the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.

Files: usr/lib/batchscore/libonnxruntime.so.1
Copyright: Microsoft Corporation
License: MIT
Comment: What it contains of others is in
 /usr/share/doc/batchscore/onnxruntime/ThirdPartyNotices.txt.

License: MIT
 Permission is hereby granted, free of charge, to any person obtaining a copy
 of this software and associated documentation files (the "Software"), to deal
 in the Software without restriction, including without limitation the rights
 to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
 copies of the Software, and to permit persons to whom the Software is
 furnished to do so, subject to the following conditions:
 .
 The above copyright notice and this permission notice shall be included in all
 copies or substantial portions of the Software.
 .
 THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
 SOFTWARE.
`
