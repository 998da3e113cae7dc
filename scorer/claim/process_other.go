//go:build !linux

package claim

// Without these, claims are judged by the lease alone.

func bootID() string { return "" }

func pidNamespace() string { return "" }

func processStart(int) (uint64, bool) { return 0, false }

// Running reports true: other processes cannot be seen here.
func (w *Worker) Running() bool { return true }
