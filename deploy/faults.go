package deploy

import (
	"fmt"
	"slices"
	"strings"
)

// Faults collects what is wrong with a job, so that its user learns of everything
// at once. The zero value has none.
type Faults struct{ all []error }

// Add adds an error, with all its parts if it is one of Err. Nil is not added, nor
// is an error whose text is there already.
func (f *Faults) Add(err error) {
	if err == nil {
		return
	}
	if e, is := err.(*several); is { //nolint:errorlint // one that is wrapped has text of its own
		for _, part := range e.all {
			f.Add(part)
		}
		return
	}
	if !slices.ContainsFunc(f.all, func(other error) bool { return other.Error() == err.Error() }) {
		f.all = append(f.all, err)
	}
}

// Say adds an error with the formatted text.
func (f *Faults) Say(format string, args ...any) { f.Add(fmt.Errorf(format, args...)) }

// Err returns nil if there are no faults, the fault if it is the only one, or an
// error that wraps all of them and has one on each line.
func (f *Faults) Err() error {
	switch len(f.all) {
	case 0:
		return nil
	case 1:
		return f.all[0]
	}
	return &several{f.all}
}

type several struct{ all []error }

func (e *several) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d faults:", len(e.all))
	for _, err := range e.all {
		fmt.Fprintf(&b, "\n  %s", err)
	}
	return b.String()
}

func (e *several) Unwrap() []error { return e.all }
