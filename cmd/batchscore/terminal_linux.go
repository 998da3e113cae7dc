package main

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// quitKey returns a channel that is closed when the key q is pressed on a terminal, and
// a function that gives the terminal its settings back. Without a terminal, or in the
// background, the channel is nil. Ctrl-C and Ctrl-Z work as ever.
func quitKey(f *os.File) (quit <-chan struct{}, restore func()) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, func() {}
	}
	// A program in the background would be stopped if it changed the settings.
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != unix.Getpgrp() {
		return nil, func() {}
	}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(fd, unix.TCSETS, &keys) != nil {
		return nil, func() {}
	}
	pressed := make(chan struct{})
	go func() {
		key := make([]byte, 1)
		for {
			if n, err := f.Read(key); err != nil || n == 0 {
				return
			}
			if key[0] == 'q' || key[0] == 'Q' {
				close(pressed)
				return
			}
		}
	}()
	return pressed, sync.OnceFunc(func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) })
}
