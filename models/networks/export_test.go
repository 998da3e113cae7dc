package networks

import (
	"context"
	"testing"

	"github.com/batchscore/batchscore/models/weights"
)

// Tensors returns the tensors that a network uses of its variant's published weights:
// their names here, their shapes, and the bounds for random ones.
func Tensors(t *testing.T, n Network, v Variant) []weights.Uniform {
	t.Helper()
	b, _, err := assemble(context.Background(), Options{Network: n, Variant: v})
	if err != nil {
		t.Fatal(err)
	}
	return b.tensors
}
