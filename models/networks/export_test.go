package networks

import (
	"context"
	"testing"

	"github.com/batchscore/batchscore/models"
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

// Fit compares the weights with the network.
func Fit(o Options) error {
	_, _, err := assemble(context.Background(), o)
	return err
}

// Fits fails the test if the weights do not fit the network.
func Fits(t *testing.T, o Options) {
	t.Helper()
	if err := Fit(o); err != nil {
		t.Error(err)
	}
}

// Contract returns the contract of a network without writing it.
func Contract(o Options) (*models.Contract, error) {
	_, c, err := assemble(context.Background(), o)
	return c, err
}
