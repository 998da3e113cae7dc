// Command sbom writes a bill of materials of a package or an image: CycloneDX 1.5, in JSON.
//
//	go run ./deploy/sbom -binary bin/batchscore -version 1.2.0 -notice NOTICE \
//		-runtime .cache/onnxruntime/libonnxruntime.so.1 -o batchscore.cdx.json
//
// The modules come from what Go wrote into the binary, their licences from NOTICE, the
// version of ONNX Runtime from deploy/deps/pins.sh. For an image, -root is its file system,
// of which the packages of Debian or Ubuntu are read, and -wheels names files of pinned
// Python packages that are unpacked into it, such as deploy/deps/cuda12.txt.
//
// The same input gives the same bytes: the time is SOURCE_DATE_EPOCH, and without it there
// is none.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

// options are the flags.
type options struct {
	binary, name, version, notice, runtime, pins, root string
	wheels                                             []string
}

func main() {
	var o options
	out := flag.String("o", "", "`FILE` to write; by default the output of the command")
	flag.StringVar(&o.binary, "binary", "", "the program, a `FILE` built by Go")
	flag.StringVar(&o.name, "name", "batchscore", "the `NAME` of what is described")
	flag.StringVar(&o.version, "version", "", "its `VERSION`")
	flag.StringVar(&o.notice, "notice", "NOTICE", "`FILE` with the licences of the modules")
	flag.StringVar(&o.runtime, "runtime", "", "ONNX Runtime's library, a `FILE`")
	flag.StringVar(&o.pins, "pins", "deploy/deps/pins.sh", "`FILE` with the version of ONNX Runtime")
	flag.StringVar(&o.root, "root", "", "root `FOLDER` of an image whose distribution's packages are listed")
	flag.Func("wheels", "`FILE` of pinned Python packages; may be repeated", func(file string) error {
		o.wheels = append(o.wheels, file)
		return nil
	})
	flag.Parse()
	body, err := generate(o, os.Getenv("SOURCE_DATE_EPOCH"))
	if err == nil && *out == "" {
		_, err = os.Stdout.Write(body)
	} else if err == nil {
		err = os.WriteFile(*out, body, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// generate returns the bill of materials.
func generate(o options, epoch string) ([]byte, error) {
	b := bill{subject: component{
		Type: "application", Name: o.name, Version: o.version, Ref: o.name,
		PURL: "pkg:generic/" + o.name + "@" + escape(o.version), Licenses: licences("Apache-2.0"),
	}}
	steps := []struct {
		given string
		add   func() ([]component, error)
	}{
		{o.binary, func() ([]component, error) { return modules(o.binary, o.notice) }},
		{o.runtime, func() ([]component, error) { return onnxRuntime(o.runtime, o.pins) }},
		{o.root, func() ([]component, error) { return distribution(o.root) }},
		{strings.Join(o.wheels, ""), func() ([]component, error) { return wheels(o.wheels) }},
	}
	for _, step := range steps {
		if step.given == "" {
			continue
		}
		found, err := step.add()
		if err != nil {
			return nil, err
		}
		b.components = append(b.components, found...)
	}
	return b.marshal(epoch)
}
