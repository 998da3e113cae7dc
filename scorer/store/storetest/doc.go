// Package storetest is the conformance suite of every store.Store, and the
// faults that tests put before one.
package storetest
