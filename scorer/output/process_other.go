//go:build !linux

package output

// Without these, claims are judged by the lease alone.

func bootID() string { return "" }

func pidNamespace() string { return "" }

func processStart(int) (uint64, bool) { return 0, false }

func running(*Worker) bool { return true }
