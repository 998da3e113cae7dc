// Package dir is a store in a folder: a local disk, or one that several
// machines share.
//
// # Creating
//
// An object is written to a temporary file in its own folder, synced, and then
// given its name by link(2), which fails when the name is taken; then the
// folder is synced and the temporary name removed. So a name appears with all
// of its bytes or not at all, and only once. Where a file system has no hard
// links, renameat2(2) with RENAME_NOREPLACE does the same; where it has
// neither, Create refuses to go on rather than risk half an object.
//
// CreateVolatile does the same without syncing. After a crash of the machine the
// object may be gone, or empty.
//
// Temporary names begin with TempPrefix, which listings skip. What a killed
// process left of them is removed by the first Create in that folder once it
// is a day old by the file system's clock. Should its owner still be alive,
// its link fails and it reports the object as not created: no harm is done.
//
// # Versions and clock
//
// The ETag is made of size and modification time in nanoseconds. It does not
// hold the inode number, which some network file systems invent anew on every
// machine. Modified is the modification time that the file system gave, which
// on a network file system is the server's clock.
//
// # Listing
//
// Names are the bytes that the file system returns, joined by slashes. Links are
// followed. The files of a linked folder are listed under the link's name, but
// each folder once: where it really lies, if that is beneath the root, or else
// beneath the link whose name comes first. So a listing ends even where links
// form a circle, and does not depend on the order of the file system. A link that
// leads nowhere is listed, as an object that Open does not find: somebody counts
// on the file.
//
// Devices, pipes, sockets, folders that may not be entered and folders that are
// listed elsewhere are passed over; store.OnPassed tells of them. The root
// itself must be readable.
//
// # Reading
//
// What goes wrong with one file while the root can still be read is a
// store.Unreadable, and a store.Transient as well where another try may help.
// When the root cannot be read any more, or another folder lies in its place, the
// place is at fault: store.ErrUnavailable.
package dir
