package main

import (
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
