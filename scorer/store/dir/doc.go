// Package dir is a store in a folder: a local disk, or one that several
// machines share.
//
// # Creating
//
// Create writes an object to a temporary file in the object's folder, syncs it,
// and gives it its name with link(2), which fails when the name is taken. Then it
// syncs the folder and removes the temporary name. So a name appears with all of
// its bytes or not at all, and only once. On a file system without hard links,
// renameat2(2) with RENAME_NOREPLACE does the same. On one that has neither,
// Create fails (store.ErrUnfit).
//
// CreateVolatile does the same without syncing. After a crash of the machine the
// object may be missing or empty.
//
// Temporary names begin with tempPrefix, which listings skip. A killed process
// leaves such files. The first Create in their folder removes those that are a
// day old by the file system's clock. If the owner of one is still alive, its link
// fails, and it reports that the object was not created.
//
// # Versions and clock
//
// The ETag consists of the size and the modification time in nanoseconds. It does
// not contain the inode number, which some network file systems choose differently
// on every machine. Modified is the modification time that the file system set; on
// a network file system, that is the server's clock.
//
// # Listing
//
// Names are the bytes that the file system returns, joined by slashes. Links are
// followed. The files of a linked folder are listed under the link's name. Each
// folder is listed once: under its real path, if that is beneath the root, or else
// under the first of its links by name. So a listing ends even if links form a
// circle, and does not depend on the order of the file system. A link to nothing
// is listed, as an object that Open does not find: a file is missing there.
//
// Devices, pipes, sockets, folders that this user may not enter and folders that
// are listed elsewhere are passed over, and store.OnPassed names them. The root
// itself must be readable.
//
// # Reading
//
// An error of one file, while the root can still be read, is a store.Unreadable,
// and a store.Transient as well if another try may help. When the root can no
// longer be read, or has been replaced by another folder, the error is
// store.ErrUnavailable: the whole place has failed.
package dir
