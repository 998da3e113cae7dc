//go:build unix

package atomicfile

import (
	"io/fs"
	"os"
	"syscall"
)

// mine reports whether a file belongs to this user.
func mine(file fs.FileInfo) bool {
	stat, ok := file.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// takeGroup gives a file, which own describes, the group of another one. It reports
// whether it has that group then.
func takeGroup(file *os.File, own, like fs.FileInfo) bool {
	x, ok := own.Sys().(*syscall.Stat_t)
	y, too := like.Sys().(*syscall.Stat_t)
	return ok && too && (x.Gid == y.Gid || file.Chown(-1, int(y.Gid)) == nil)
}
