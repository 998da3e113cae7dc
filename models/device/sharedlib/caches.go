package sharedlib

import (
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

// Program returns the folder of this process's executable, links resolved; "" if it is
// unknown.
func Program() string {
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(exe); err == nil {
		exe = resolved
	}
	return filepath.Dir(exe)
}

// NextTo returns the folders of this process's executable that may hold libraries: its own,
// and ../lib. A folder that does not exist, or that others may write to, is left out.
func NextTo() []string { return nextTo(Program()) }

func nextTo(program string) (folders []string) {
	if program == "" || !isPrivate(program) {
		return nil
	}
	folders = append(folders, program)
	prefix := filepath.Dir(program)
	if lib := filepath.Join(prefix, "lib"); isPrivate(prefix) && isPrivate(lib) {
		folders = append(folders, lib)
	}
	return folders
}

// Packaged returns the folder in which the packages of this program keep their libraries,
// lib/batchscore next to bin. It is empty under the same conditions as in NextTo.
func Packaged() string { return packaged(Program()) }

func packaged(program string) string {
	folders := nextTo(program)
	if len(folders) < 2 {
		return ""
	}
	if own := filepath.Join(folders[1], "batchscore"); isPrivate(own) {
		return own
	}
	return ""
}

// Caches returns the folders into which deploy/deps/fetch.sh may have fetched libraries:
// BATCHSCORE_CACHE, and .cache of the source tree that the executable was built in. A
// folder may be in it twice, and none has to exist.
//
// The working directory names none: it may be a folder of other people's files, and a
// library is code.
func Caches() []string {
	var caches []string
	if cache := os.Getenv("BATCHSCORE_CACHE"); cache != "" {
		caches = append(caches, cache)
	}
	return append(caches, cachesOf(Program())...)
}

// cachesOf returns .cache of the source tree of an executable in this folder.
func cachesOf(program string) (caches []string) {
	if program == "" {
		return nil
	}
	if goBuild.MatchString(program) {
		wd, err := os.Getwd()
		if err != nil {
			return nil
		}
		return cacheAbove(wd)
	}
	for _, tree := range []string{program, filepath.Dir(program)} { // make build writes to bin
		cache := filepath.Join(tree, ".cache")
		if isModule(tree) && isPrivate(tree) && isPrivate(cache) {
			caches = append(caches, cache)
		}
	}
	return caches
}

// goBuild matches the folders that "go test" and "go run" build in. What they run is code
// of the working directory anyway.
var goBuild = regexp.MustCompile(`/go-build([0-9]+/b[0-9]+(/exe)?|/[0-9a-f]{2}/[0-9a-f]+-d)$`)

// cacheAbove returns .cache of the nearest Go module at or above a folder, if there is one.
func cacheAbove(folder string) []string {
	for ; ; folder = filepath.Dir(folder) {
		if isModule(folder) {
			return []string{filepath.Join(folder, ".cache")}
		}
		if folder == filepath.Dir(folder) {
			return nil
		}
	}
}

func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// isPrivate reports whether a folder belongs to root, to this user or to the owner of the
// executable, and not everybody may write to it.
func isPrivate(folder string) bool {
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm()&0o002 != 0 {
		return false
	}
	owner := ownerOf(info)
	if owner == 0 || owner == os.Geteuid() {
		return true
	}
	exe, err := os.Stat("/proc/self/exe")
	return err == nil && owner == ownerOf(exe)
}

func ownerOf(info os.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}
