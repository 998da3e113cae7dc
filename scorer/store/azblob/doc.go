// Package azblob is a store in a container of Azure Blob Storage.
//
// # Names
//
// An object's name is the blob's name after the place's prefix, byte for byte. A
// blob's name is UTF-8 text of at most 1,024 characters, without control characters
// other than tab and the line ends. The service takes a backslash for a slash.
// Create refuses other names and those with a backslash, and Open finds nothing
// under them. The service advises against names that end in a dot or a slash, and
// against doubled slashes and line ends; the emulator keeps them exactly.
// Directories of accounts with a hierarchical namespace are not listed.
//
// # Creating
//
// A small object is one conditional Put Blob (If-None-Match: *). A large one is a
// number of staged blocks and one conditional Put Block List. Either appears whole
// or not at all, and once. Nobody sees the blocks of an upload that was cut off;
// the service removes them after a week.
//
// # Versions and clock
//
// ETag is the service's, without the quotes that only some of its answers have.
// Modified is Last-Modified, the service's clock in whole seconds, rounded down.
// The difference of two such times is wrong by less than a second either way, so
// a claim may look a second older than it is. That does not matter to a lease of a
// few seconds or more. Where it does, two workers do the same work, and the result
// is still right.
//
// # Failures
//
// This package tries nothing again; package patient does. Errors that may pass
// (throttling, a server's error, a broken connection, a body that ended early) are
// a *store.Transient with the pause that the service asks for. Refused credentials,
// a missing container, an invalid certificate and a redirect are store.ErrDenied:
// whoever set up the job has to correct them. For Open, a missing container is not
// store.ErrNotExist, since every image would then count as deleted.
//
// # Secrets
//
// Errors consist of status, code and request id. They never contain the client
// library's text, which has the URL and so the SAS token. Redirects are not
// followed. Credentials are sent over https, or to this machine itself.
package azblob
