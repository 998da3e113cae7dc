package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// wheelArchs are the names that pip has for platforms.
var wheelArchs = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// wheel returns the files of a wheel and its name. pip puts scripts into bin of its
// environment, and data below the environment itself, so that the program finds its library.
func (r release) wheel() (tree, string, error) {
	tag := fmt.Sprintf("py3-none-manylinux_2_%d_%s", r.glibc.minor, wheelArchs[r.arch])
	stem := "batchscore-" + r.version.python
	info, data := stem+".dist-info", stem+".data"
	var all tree
	for name, from := range map[string]string{
		path.Join(data, "scripts/batchscore"):                     r.binary,
		path.Join(data, "data", libraries, "libonnxruntime.so.1"): r.library,
		path.Join(info, "sboms/batchscore.cdx.json"):              r.bill,
	} {
		if err := all.add(name, from); err != nil {
			return nil, "", err
		}
	}
	if err := all.below("batchscore", filepath.Join(r.root, "deploy/python/batchscore")); err != nil {
		return nil, "", err
	}
	var licences tree
	if err := r.legal(&licences, ""); err != nil {
		return nil, "", err
	}
	var named strings.Builder
	for _, f := range licences {
		all.put(path.Join(info, "licenses", f.name), f.body)
		fmt.Fprintf(&named, "License-File: %s\n", f.name)
	}
	all.put(path.Join(info, "METADATA"), fmt.Appendf(nil, metadata, r.version.python, named.String()))
	all.put(path.Join(info, "WHEEL"), fmt.Appendf(nil, "Wheel-Version: 1.0\nGenerator: batchscore\nRoot-Is-Purelib: false\nTag: %s\n", tag))
	record := path.Join(info, "RECORD")
	var rows strings.Builder
	for _, f := range all {
		sum := sha256.Sum256(f.body)
		fmt.Fprintf(&rows, "%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.body))
	}
	fmt.Fprintf(&rows, "%s,,\n", record)
	all.put(record, []byte(rows.String()))
	return all, stem + "-" + tag + ".whl", nil
}

const metadata = `Metadata-Version: 2.4
Name: batchscore
Version: %s
Summary: Score every image of a large collection with a neural network, provably complete
Project-URL: Source, https://github.com/batchscore/batchscore
License-Expression: Apache-2.0 AND MIT
%sRequires-Python: >=3.9
Provides-Extra: pandas
Requires-Dist: pandas>=1.5; extra == 'pandas'
Provides-Extra: polars
Requires-Dist: polars>=0.20; extra == 'polars'
Provides-Extra: pyarrow
Requires-Dist: pyarrow>=10; extra == 'pyarrow'
Classifier: Environment :: Console
Classifier: Operating System :: POSIX :: Linux
Classifier: Typing :: Typed
Description-Content-Type: text/markdown

batchscore scores every image of a large collection with a neural network, and proves
afterwards that every image got exactly one result. This package holds the program for the
command line, with ONNX Runtime for CPUs, and reads a result into a table:

` + "```python" + `
import batchscore
df = batchscore.read("result")     # pandas, polars or pyarrow, whichever is installed
df["label"].value_counts()
` + "```" + `

` + "```sh" + `
batchscore run --images photos --out result --model model.onnx
batchscore verify result
` + "```" + `
`
