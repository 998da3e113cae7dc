// Package fault simulates a bad network and a busy server between a client and an
// HTTP server. Transport does so inside the client's process, Proxy between
// processes of one machine.
//
// A Schedule decides the faults. That of a Mix depends on its seed and the number
// of the request alone. Which request has which number depends on the client.
package fault
