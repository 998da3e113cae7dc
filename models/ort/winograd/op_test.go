package winograd

import "testing"

func TestAddRefuses(t *testing.T) {
	s, err := NewSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Free()
	c := Convolution{Channels: 2, Filters: 3, Kernel: [2]int{3, 3}}
	weights, bias := make([]float32, 54), make([]float32, 3)
	if !Usable() {
		if _, err := s.Add(c, weights, bias); err == nil {
			t.Error("Add accepts a convolution without the vector instructions for it")
		}
		return
	}
	for want, bias := range [][]float32{nil, bias} {
		if i, err := s.Add(c, weights, bias); err != nil || i != want {
			t.Errorf("Add() = %d, %v; want %d", i, err, want)
		}
	}
	other := c
	other.Kernel = [2]int{90, 2}
	for _, bad := range []struct {
		Convolution
		weights, bias []float32
	}{
		{Convolution: c, weights: weights[1:], bias: bias},
		{Convolution: c, weights: weights, bias: bias[1:]},
		{Convolution: other, weights: make([]float32, 90*2*6)},
	} {
		if _, err := s.Add(bad.Convolution, bad.weights, bad.bias); err == nil {
			t.Errorf("Add accepts %+v with %d weights and a bias of %d", bad.Convolution, len(bad.weights), len(bad.bias))
		}
	}
	if s.Len() != 2 {
		t.Errorf("Len() = %d, want 2", s.Len())
	}
}
