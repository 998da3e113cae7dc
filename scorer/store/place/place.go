// Package place defines how the places of images and results are spelled, and
// which storage each spelling belongs to.
//
// A place is a path on this machine or begins with a scheme, as in
// az://ACCOUNT/CONTAINER/PREFIX. The package of a storage describes its own
// places in a Scheme. A program lists the storages that it knows in a Table,
// which chooses the Scheme of a place, names the variables that hold secrets and
// writes the help. This package knows no storage itself.
package place

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
)

// Scheme describes the places of one storage.
type Scheme struct {
	// Names are what its places begin with before "://", in lower case. A local
	// path has no scheme: the Names of its Scheme are empty.
	Names []string
	// Forms show how its places are spelled: az://ACCOUNT/CONTAINER/PREFIX.
	Forms []string
	// Help says how a user signs in, as sentences for the help of commands.
	// Empty if there is nothing to sign in to.
	Help string
	// Secrets are the environment variables whose values are always secret.
	Secrets []string
	// SecretText matches a text that holds a secret of this storage, such as a
	// signature in a URL. Its groups, if any, match what comes before the secret itself.
	// Nil matches nothing.
	SecretText *regexp.Regexp
	// Parse reads a place whose scheme is one of Names, in lower case. It opens
	// nothing. Its errors repeat no secret that the place may hold.
	Parse func(spec string) (Place, error)
}

// Local reports whether the scheme is that of paths on this machine.
func (s Scheme) Local() bool { return len(s.Names) == 0 }

// Place is a place of a known storage, which need not exist.
type Place interface {
	// String returns the canonical form of the place, however it was written. It
	// holds no secret. A local path is absolute and without symbolic links.
	String() string
	// Split returns the folder that holds the place and the place's name in it:
	// for a place that was written as that of one object. The name is empty if
	// the place is no object, such as a whole container.
	Split() (folder Place, name string)
	// Open returns the store of the place. It sends no request.
	Open(Options) (store.Store, error)
}

// Named is a Place of a storage with accounts. Names reports whether the user's credentials
// say by name that they are for the place's account.
type Named interface{ Names(Options) bool }

// Options are what a place may need to be opened.
type Options struct {
	// Endpoint is the address of the service; by default the usual one.
	Endpoint string
	// Credentials is a file of lines NAME=VALUE to sign in with; by default the
	// environment is used.
	Credentials string
	// Transport carries the requests; by default the storage's own.
	Transport http.RoundTripper
	// Within makes it an error, store.ErrOutside, to read a file through links that
	// leave the place. Only folders have links.
	Within bool
}

// Cut splits a place, or the source of a mount, into its scheme in lower case
// and what follows "://". The scheme of a local path is empty.
func Cut(spec string) (scheme, rest string) {
	head, rest, found := strings.Cut(spec, "://")
	if !found || strings.ContainsAny(head, "/:") {
		return "", spec
	}
	return strings.ToLower(head), rest
}
