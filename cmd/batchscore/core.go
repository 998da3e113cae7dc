package main

import "golang.org/x/sys/unix"

// noCore lets neither this process nor those that it starts write core dumps, which would
// hold keys and images. Raising the limit of a process that runs, with prlimit, allows one.
//
// The process stays dumpable otherwise (PR_SET_DUMPABLE): if it were not, its user could
// not read its environment in /proc, by which the engine local finds the ranks of a job.
func noCore() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) // a lower one is always allowed
	}
}
