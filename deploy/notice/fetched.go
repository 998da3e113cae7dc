package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A pin is a package that deploy/deps fetches.
type pin struct{ name, version, file string }

// groups says of the packages that are fetched, by the beginnings of their names, what they
// are and which licence they have.
var groups = []struct {
	title    string
	prefixes []string
	note     string
}{
	{
		title: "ONNX Runtime (MIT)", prefixes: []string{"onnxruntime"},
		note: "The shared library that computes, in .cache, in the images and in the archive of gpu-archive. Its licence is below. What it contains of\n" +
			"others is in ThirdPartyNotices.txt of its releases; \"make deps-gpu\" keeps that file in the folder licenses.",
	},
	{
		title: "CUDA and cuDNN (licences of NVIDIA)", prefixes: []string{"nvidia-"},
		note: "In the image for GPUs and what \"make deps-gpu\" and gpu-archive make; nvImageCodec and nvJPEG for --decode-device gpu only. NVIDIA's CUDA\n" +
			"Toolkit EULA, cuDNN licence and nvImageCodec licence apply: they are not open source, and those who pass the image on must accept\n" +
			"them. The packages' own texts are kept in the folder licenses.",
	},
	{
		title: "libheif and libde265 (LGPL-3.0)", prefixes: []string{"pi-heif", "pillow-heif"},
		note: "Fetched on request and for the tests, and not in the images. Of the second package only libde265 is kept, and not its encoder (GPL-2.0).\n" +
			"Where their source code is, is said in the folder licenses next to them.",
	},
	{
		title: "The demo's model (MIT, Copyright (c) 2019 Infinite Red, Inc.)", prefixes: []string{"nsfwjs"},
		note: "Fetched for the demo and not in the images. gpu-archive packs it. The licence is in the package.",
	},
	{
		title: "Photographs of the demo (MIT)", prefixes: []string{"material-kit"},
		note: "Fetched for the demo and not in the images. gpu-archive packs them. The licence is in the package.",
	},
	{
		title: "Photographs of the demo (public domain: PDDL 1.0, CC0 1.0)", prefixes: []string{"@stdlib/datasets-img-"},
		note: "From the Getty's Open Content Program. Fetched for the demo and not in the images.",
	},
	{
		title: "EfficientNet-Lite0, trained, and the names of ImageNet's classes (Apache-2.0)", prefixes: []string{"efficientnet-lite0-", "@tensorflow-models/"},
		note: "Fetched for the tests only and not in the images. The licences are in the packages.",
	},
	{
		title: "A checker of web pages (MPL-2.0)", prefixes: []string{"axe-core"},
		note: "Fetched for the tests only, which run it. Nobody passes it on.",
	},
}

// others are what comes without a pin of its own.
const others = `A photograph of tests (models/preprocess/webp/testdata/cat.webp; public domain: CC0 1.0)
Chelsea, a cat, by Stefan van der Walt, from scikit-image; a part of it, and not in the images.

The names of ImageNet's classes (models/labels/imagenet.txt), which are words of WordNet
WordNet Release 3.0. This software and database is being provided to you, the LICENSEE, by Princeton University under the following license.
By obtaining, using and/or copying this software and database, you agree that you have read, understood, and will comply with these terms
and conditions.: Permission to use, copy, modify and distribute this software and database and its documentation for any purpose and without
fee or royalty is hereby granted, provided that you agree to comply with the following copyright notice and statements, including the
disclaimer, and that the same appear on ALL copies of the software, database and documentation, including modifications that you make for
internal use or for distribution. WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. THIS SOFTWARE AND DATABASE IS
PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION,
PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE
LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The name of
Princeton University or Princeton may not be used in advertising or publicity pertaining to distribution of the software and/or database.
Title to copyright in this software, database and any associated documentation shall at all times remain with Princeton University and
LICENSEE agrees to preserve same.

Packages of the distribution, in the images and where apt-get installs them: libjpeg-turbo (IJG, BSD-3-Clause, Zlib),
libheif and libde265 (LGPL-3.0), libavif and OpenJPEG (BSD-2-Clause), libjxl (BSD-3-Clause), and what these need, each loaded at run time as
it is; Open MPI (BSD-3-Clause), OpenSSH (BSD), procps (GPL-2.0, programs of their own) and the base system. Their licences are in
/usr/share/doc of the image.
This software is based in part on the work of the Independent JPEG Group.

Azurite and what it depends on (MIT, mostly), and the tools of the tests, are fetched for the tests only. Nobody passes them on.
`

var (
	shellPin  = regexp.MustCompile(`^(\w+)_(version|package)=(\S+)$`)
	galleried = regexp.MustCompile(`^\t\[([\w-]+)\]=[0-9a-f]{64}$`)
	wheelPin  = regexp.MustCompile(`^([\w.-]+)==(\S+) `)
)

// pins reads what is pinned in the folder deploy/deps.
func pins(folder string) ([]pin, error) {
	text, err := os.ReadFile(filepath.Join(folder, "pins.sh"))
	if err != nil {
		return nil, err
	}
	var all []pin
	values := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if m := shellPin.FindStringSubmatch(lines.Text()); m != nil {
			values[m[1]+"_"+m[2]] = m[3]
			if m[2] == "package" {
				all = append(all, pin{name: m[3], version: values[m[1]+"_version"], file: "pins.sh"})
			}
		}
		if m := galleried.FindStringSubmatch(lines.Text()); m != nil {
			all = append(all, pin{name: "@stdlib/datasets-img-" + m[1], version: values["gallery_version"], file: "pins.sh"})
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			if m := wheelPin.FindStringSubmatch(lines.Text()); m != nil {
				all = append(all, pin{name: m[1], version: m[2], file: filepath.Base(file)})
			}
		}
	}
	return all, nil
}

// writeFetched writes the groups with their packages. Every package belongs to one.
func writeFetched(b *strings.Builder, pinned []pin) error {
	written := 0
	for _, g := range groups {
		fmt.Fprintf(b, "%s\n%s\n", g.title, g.note)
		for _, p := range pinned {
			for _, prefix := range g.prefixes {
				if strings.HasPrefix(p.name, prefix) {
					fmt.Fprintf(b, "  %s %s (deploy/deps/%s)\n", p.name, p.version, p.file)
					written++
				}
			}
		}
		b.WriteString("\n")
	}
	if written != len(pinned) {
		return fmt.Errorf("%d of %d packages of deploy/deps have no licence in deploy/notice/fetched.go: add them to a group there", len(pinned)-written, len(pinned))
	}
	b.WriteString(others)
	return nil
}
