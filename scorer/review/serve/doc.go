// Package serve is the live page of an output: how far its job is, which labels and scores its
// rows have, which images fail, and what an image looks like. It reads, and writes nothing.
//
// # Who may see what
//
// The images may be private, and anybody can ask a port. So the server trusts nobody:
//
//   - It listens on the loopback address unless it is told otherwise. Other users of the machine
//     reach that, too.
//   - A token of 256 random bits is needed. It is in the address that is printed, once. Its
//     place is taken by a cookie at the first request: HttpOnly, SameSite=Strict, and for a
//     path with a folder of 256 random bits, below which all is served. Browsers send cookies to
//     every port of a host, so one without such a path would go to other users' servers. The
//     folder is in the address that the browser shows and keeps; without the cookie it admits
//     nobody. Secrets are compared in constant time, and are in no log.
//   - The Host of a request must be an address that the server listens on, with its port. A page
//     elsewhere whose name is made to lead here (DNS rebinding) has another Host: 421.
//   - Requests that a browser makes for another site are refused by their Sec-Fetch-Site and
//     Origin: 403. Only GET and HEAD are answered, without a body.
//   - The pages run no script but their own, fetch nothing from elsewhere, are in no frame, send
//     no Referer and are kept in no cache: see the headers in guard.go.
//   - An image is asked for by the number of its row. There are no paths, so there is no way out
//     of the collection. Its file is never sent, but a JPEG that was made of what was decoded.
//
// # What it costs
//
// The output is looked at when somebody asks, at most once in Options.Every, and all readers
// share the answer. A server that nobody asks does nothing. Each part is read once, for the counts
// and for an index of 11 bytes a row, from which questions about rows are answered without the
// storage. Of a complete increment, the rows of its whole collection are read once more, into an index
// of their own. Pictures and the parts of rows that are looked at closely are kept, some dozens of MB
// of them. Clients, pictures in the making and searches each have a limit, and so does the time
// of a client that is slow.
package serve
