// Package storetest is the conformance suite of every store.Store and its
// abilities. Faulty is a store with faults, for other tests.
package storetest
