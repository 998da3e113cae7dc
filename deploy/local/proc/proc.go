// Package proc reads the processes of this machine from /proc.
package proc

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Process is a process that has not ended.
type Process struct {
	PID, Parent int
	Name        string // at most 15 bytes, as Linux keeps it
}

// All returns the processes of this machine. One that ends meanwhile may be
// missing.
func All() ([]Process, error) {
	return where(func(string) bool { return true })
}

// With returns this user's processes that were started with a variable, NAME=VALUE, in
// their environment. Other users may give theirs any variable, which root could read.
func With(variable string) ([]Process, error) {
	want := []byte(variable)
	return where(func(folder string) bool {
		if info, err := os.Stat(folder); err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			return false
		}
		environment, err := os.ReadFile(filepath.Join(folder, "environ"))
		return err == nil && slices.ContainsFunc(bytes.Split(environment, []byte{0}), func(v []byte) bool { return bytes.Equal(v, want) })
	})
}

func where(fits func(folder string) bool) ([]Process, error) {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	if len(folders) == 0 {
		return nil, errors.New("/proc lists no processes")
	}
	var found []Process
	for _, folder := range folders {
		if p, ok := read(folder); ok && fits(folder) {
			found = append(found, p)
		}
	}
	return found, nil
}

// read reads the stat file of a folder of /proc: pid (name) state parent and so
// on; the name may hold spaces and parentheses.
func read(folder string) (Process, bool) {
	text, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return Process{}, false
	}
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if begin < 0 || end < begin {
		return Process{}, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 2 || fields[0] == "Z" {
		return Process{}, false
	}
	pid, err1 := strconv.Atoi(filepath.Base(folder))
	parent, err2 := strconv.Atoi(fields[1])
	return Process{pid, parent, string(text[begin+1 : end])}, err1 == nil && err2 == nil
}

// Below returns the IDs of the roots and of all their descendants.
func Below(all []Process, roots ...int) []int {
	children := map[int][]int{}
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p.PID)
	}
	var found []int
	for next := slices.Clone(roots); len(next) > 0; next = next[1:] {
		found = append(found, next[0])
		next = append(next, children[next[0]]...)
	}
	return found
}
