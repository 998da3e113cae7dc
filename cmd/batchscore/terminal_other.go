//go:build !linux

package main

import "os"

// quitKey returns a channel that is closed when the key q is pressed, where that is
// known.
func quitKey(*os.File) (quit <-chan struct{}, restore func()) { return nil, func() {} }
