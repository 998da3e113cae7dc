package main

import (
	"testing"

	"github.com/batchscore/batchscore/shard"
)

// TestMetricsOfRanks: ranks of one machine do not take each other's port or file.
func TestMetricsOfRanks(t *testing.T) {
	t.Parallel()
	placed := shard.World{Rank: 11, Size: 16, LocalRank: 3, LocalSize: 8, Placed: true}
	for _, c := range []struct {
		address string
		world   shard.World
		want    string
	}{
		{address: ":9090", world: placed, want: ":9093"},
		{address: "[::1]:9090", world: placed, want: "[::1]:9093"},
		{address: "127.0.0.1:0", world: placed, want: "127.0.0.1:0"},
		{address: ":9090", world: shard.World{Rank: 11, Size: 16, LocalSize: 1}, want: ":9090"}, // a pod
	} {
		if have := rankAddress(c.address, c.world); have != c.want {
			t.Errorf("%s on %+v: %s, want %s", c.address, c.world, have, c.want)
		}
	}
	if have := rankFile("a/b.prom", placed); have != "a/b-00011.prom" {
		t.Errorf("the file of rank 11 is %s", have)
	}
	if have := rankFile("a/b.prom", shard.World{Size: 1}); have != "a/b.prom" {
		t.Errorf("the file of the only rank is %s", have)
	}
	for _, wrong := range []string{"9090", ":x", ":70000", "host"} {
		if (&metricsFlags{address: wrong}).check() == nil {
			t.Errorf("--metrics %s is accepted", wrong)
		}
	}
	for _, wrong := range []string{"a.txt", "a/.prom"} {
		if (&metricsFlags{file: wrong}).check() == nil {
			t.Errorf("--metrics-file %s is accepted", wrong)
		}
	}
}
