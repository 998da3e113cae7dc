// Package azblob is a store in a container of Azure Blob Storage.
//
// # Names
//
// An object's name is the blob's name behind the place's prefix, byte for byte.
// A blob's name is Unicode text of at most 1,024 characters that XML can carry:
// neither bytes that are not UTF-8 nor control characters other than tab and
// the line ends; and a backslash in it is taken for a slash. Create refuses
// names beyond that, and Open finds nothing under them. Names that end in a dot
// or a slash, doubled slashes and line ends the service advises against; the
// emulator keeps them exactly. Directories of accounts with a hierarchical
// namespace are not listed.
//
// # Creating
//
// An object is one conditional Put Blob (If-None-Match: *), or, where it is
// large, blocks that are staged first and then named by one conditional Put
// Block List. Either appears whole or not at all, and once. Blocks of an upload
// that was cut off are not seen by anyone; the service drops them after a week.
//
// # Versions and clock
//
// ETag is the service's, without the quotes that only some of its answers put
// around it. Modified is Last-Modified, the service's clock in whole seconds
// rounded down. A difference of two such times is wrong by less than a second
// either way, so that a claim may look a second older than it is: a lease of a
// few seconds or more is not fooled, and one that is costs work done twice,
// never a wrong result.
//
// # Failures
//
// Nothing is tried again here; that is a decorator's work. What may pass
// (throttling, a server's error, a connection that broke, a body that ended
// early) is a *store.Transient, which carries the wait that the service asks
// for. Refused credentials, a container that is not there, a certificate that
// does not hold and a redirect are store.ErrDenied: a matter for whoever set
// the job up. A missing container is not store.ErrNotExist for Open, since that
// would turn every image into one that was deleted.
//
// # Secrets
//
// Errors are made from status, code and request id, never from the client
// library's text, which holds the URL and so the SAS token. Redirects are not
// followed. Credentials go over https, or to this machine itself.
package azblob
