package store

import "context"

// Reason says why a listing passes over an entry of the place: something that
// is there and is no object.
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
	// FolderMarker is an empty object that stands for a folder.
	FolderMarker Reason = "folder marker"
)

// Folder reports whether the reason is of a folder, not of a file.
func (r Reason) Folder() bool { return r == ClosedFolder || r == ElsewhereFolder }

type passedKey struct{}

// OnPassed returns a context in which listings call fn with the name of every
// entry that they pass over, as they call the function for objects: never two
// calls at once.
func OnPassed(ctx context.Context, fn func(name string, why Reason)) context.Context {
	return context.WithValue(ctx, passedKey{}, fn)
}

// Pass tells who asked for it with OnPassed that a listing passes over an
// entry. It is for stores.
func Pass(ctx context.Context, name string, why Reason) {
	if fn, ok := ctx.Value(passedKey{}).(func(string, Reason)); ok {
		fn(name, why)
	}
}
