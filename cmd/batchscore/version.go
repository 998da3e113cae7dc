package main

import (
	"fmt"
	"runtime"

	"github.com/batchscore/batchscore/bench/result"
)

// version is set by the linker.
var version = "dev"

// versionText describes the build: its version, its commit and the version of Go.
func versionText() string {
	return fmt.Sprintf("%s (commit %s, %s)", version, result.Commit(), runtime.Version())
}
