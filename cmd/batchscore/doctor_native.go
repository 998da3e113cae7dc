package main

import (
	"cmp"
	"strings"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/models/preprocess/native"
)

// nativeDecoders returns a finding for each library that decodes pictures in a helper. It
// starts a helper, so that it finds what a run would.
func nativeDecoders() (list []finding) {
	for _, l := range native.Libraries() {
		f := finding{what: l.Decodes}
		identity, err := l.Identity()
		switch {
		case err == nil:
			f.state = identity
		case native.IsMissing(err):
			f.missing = err.Error()
		default:
			f.missing, f.failed = err.Error(), true
		}
		list = append(list, f)
	}
	return list
}

// nativeVersions adds the libraries that decode some of the pictures to the versions of what
// takes part.
func nativeVersions(versions map[string]string, pictures []measure.Picture) {
	for _, l := range native.Libraries() {
		for _, p := range pictures {
			if versions[l.Name] == "" && p.Format != "" && strings.Contains(strings.ToLower(l.Decodes), p.Format) {
				identity, _ := l.Identity() // without it, the picture is not decoded
				versions[l.Name] = cmp.Or(identity, "not installed")
			}
		}
	}
}
