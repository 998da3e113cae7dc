package cudatest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// rank returns the variables of a rank under Open MPI, all ranks on one machine.
func rank(i, world int) []string {
	r, w := strconv.Itoa(i), strconv.Itoa(world)
	return []string{"OMPI_COMM_WORLD_RANK=" + r, "OMPI_COMM_WORLD_SIZE=" + w, "OMPI_COMM_WORLD_LOCAL_RANK=" + r, "OMPI_COMM_WORLD_LOCAL_SIZE=" + w}
}

// TestCUDARanks: every rank of a machine computes on a GPU of its own, and on no other.
func TestCUDARanks(t *testing.T) {
	gpus := func(n int) []Device { return make([]Device, n) }
	parts := func(gpu int) []MIG {
		return []MIG{{UUID: fmt.Sprintf("MIG-%d-a", gpu), MemoryMB: 9000}, {UUID: fmt.Sprintf("MIG-%d-b", gpu), MemoryMB: 9000}}
	}
	uuid := func(i int) string { return complete(gpus(i + 1))[i].UUID }
	for _, c := range []struct {
		name    string
		devices []Device
		visible string // CUDA_VISIBLE_DEVICES; "-" leaves it unset
		want    []string
	}{
		{name: "one GPU", devices: gpus(1), visible: "-", want: []string{uuid(0)}},
		{name: "two GPUs", devices: gpus(2), visible: "-", want: []string{uuid(0), uuid(1)}},
		{name: "four GPUs", devices: gpus(4), visible: "-", want: []string{uuid(0), uuid(1), uuid(2), uuid(3)}},
		{name: "eight GPUs", devices: gpus(8), visible: "-", want: []string{uuid(0), uuid(1), uuid(2), uuid(3), uuid(4), uuid(5), uuid(6), uuid(7)}},
		{name: "two of four", devices: gpus(4), visible: "3,1", want: []string{uuid(3), uuid(1)}},
		{name: "by UUID", devices: gpus(4), visible: uuid(2) + "," + uuid(0), want: []string{uuid(2), uuid(0)}},
		{name: "the slower GPU first on the bus", devices: []Device{{UUID: "GPU-slow", Capability: "6.0"}, {UUID: "GPU-fast", Capability: "8.0"}}, visible: "-",
			want: []string{"GPU-slow", "GPU-fast"}},
		{name: "parts of one GPU", devices: []Device{{MIG: parts(0)}}, visible: "MIG-0-a,MIG-0-b", want: []string{"MIG-0-a", "MIG-0-b"}},
		{name: "parts of two GPUs", devices: []Device{{MIG: parts(0)}, {MIG: parts(1)}}, visible: "MIG-0-a,MIG-0-b,MIG-1-a,MIG-1-b",
			want: []string{"MIG-0-a", "MIG-0-b", "MIG-1-a", "MIG-1-b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, out := New(t, Config{Devices: c.devices}), filepath.Join(t.TempDir(), "out")
			// The ranks come one after the other, and each leaves work to the next.
			args := scoring(small(t), pictures(t, len(c.want)+1), out, "--batch", "1", "--chunk", "1", "--budget-images", "1")
			for i, want := range c.want {
				vars := rank(i, len(c.want))
				if c.visible != "-" {
					vars = append(vars, "CUDA_VISIBLE_DEVICES="+c.visible)
				}
				m.Forget(t)
				if r := m.start(t, vars, args...).wait(t); r.code != 75 {
					t.Fatalf("rank %d: exit status %d, want 75: %s%s", i, r.code, r.stdout, r.stderr)
				}
				var got []string
				for _, e := range m.Log(t).Of("device") {
					got = append(got, e.UUID)
				}
				if !slices.Equal(got, []string{want}) {
					t.Errorf("rank %d of %d used %q, want %s", i, len(c.want), got, want)
				}
			}
		})
	}
}

// TestCUDATogether: four ranks on four GPUs write the rows that one rank writes.
func TestCUDATogether(t *testing.T) {
	model, images := small(t), pictures(t, 64)
	m, out := New(t, Config{Devices: make([]Device, 4)}), filepath.Join(t.TempDir(), "out")
	var ranks []*process
	for i := range 4 {
		ranks = append(ranks, m.start(t, rank(i, 4), scoring(model, images, out, "--chunk", "8")...))
	}
	for _, r := range ranks {
		r.wait(t).must(t)
	}
	if got, want := rows(t, m, out), reference(t, CUDA12, model, images); got != want {
		t.Errorf("rows of four ranks:\n%s\nof one:\n%s", got, want)
	}
}
