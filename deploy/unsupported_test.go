package deploy

import (
	"errors"
	"testing"
)

// TestLacking: the error of a missing field is one of what the engine does not
// support, but does not say so, since the engine supports the job with that field.
func TestLacking(t *testing.T) {
	t.Parallel()
	err := Lacking("cloud", "image", "name one")
	if want := "cloud: image: name one"; err.Error() != want || !errors.Is(err, ErrUnsupported) {
		t.Errorf("Lacking() = %v, want ErrUnsupported that says %q", err, want)
	}
}
