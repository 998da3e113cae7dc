package main

import (
	"fmt"
	"runtime"

	"github.com/batchscore/batchscore/bench/result"
)

// version is set by the linker.
var version = "dev"

// versionText names the build: its version, the commit that it was made from,
// and Go's version.
func versionText() string {
	return fmt.Sprintf("%s (commit %s, %s)", version, result.Commit(), runtime.Version())
}
