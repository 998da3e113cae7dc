// Package fault puts a bad network and a busy server between a client and an
// HTTP server, on a schedule that a seed fixes. Transport does so inside the
// client's process, Proxy between processes of one machine.
//
// The fault of request number n depends on the seed and n alone; which request
// comes n-th depends on the client.
package fault
