package store

import "context"

// Reason says why a listing passes over an entry of the place, which is not an
// object.
type Reason string

// Reasons of stores.
const (
	Device     Reason = "device"
	Socket     Reason = "socket"
	Pipe       Reason = "pipe"
	Unfinished Reason = "unfinished file of batchscore"
	// ClosedFolder is one that this user may not enter.
	ClosedFolder Reason = "folder that may not be entered"
	// ElsewhereFolder is a link to a folder, or a folder, whose objects are
	// listed under another name.
	ElsewhereFolder Reason = "folder listed under another name"
	// FolderMarker is an empty object that represents a folder.
	FolderMarker Reason = "folder marker"
)

// Folder reports whether the reason is of a folder, not of a file.
func (r Reason) Folder() bool { return r == ClosedFolder || r == ElsewhereFolder }

type passedKey struct{}

// OnPassed returns a context in which listings call fn for every entry that they
// pass over. As with the function for objects, there are never two calls at once.
func OnPassed(ctx context.Context, fn func(name string, why Reason)) context.Context {
	return context.WithValue(ctx, passedKey{}, fn)
}

// Pass calls the function of OnPassed, if there is one. Stores call it when a
// listing passes over an entry.
func Pass(ctx context.Context, name string, why Reason) {
	if fn, ok := ctx.Value(passedKey{}).(func(string, Reason)); ok {
		fn(name, why)
	}
}
