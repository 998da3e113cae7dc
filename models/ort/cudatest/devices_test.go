package cudatest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/models/fetched"
)

// rank returns the variables of a rank under Open MPI, all ranks on one machine.
func rank(i, world int) []string {
	r, w := strconv.Itoa(i), strconv.Itoa(world)
	return []string{"OMPI_COMM_WORLD_RANK=" + r, "OMPI_COMM_WORLD_SIZE=" + w, "OMPI_COMM_WORLD_LOCAL_RANK=" + r, "OMPI_COMM_WORLD_LOCAL_SIZE=" + w}
}

// gpus returns n GPUs of one kind, and uuids their UUIDs.
func gpus(n int) []Device { return make([]Device, n) }

func uuids(numbers ...int) []string {
	var all []string
	for _, n := range numbers {
		all = append(all, complete(gpus(n + 1))[n].UUID)
	}
	return all
}

// divided returns GPUs of two MIG devices each, and the UUIDs of these.
func divided(n int) (devices []Device, parts []string) {
	for i := range n {
		d := Device{}
		for k := range 2 {
			part := MIG{UUID: fmt.Sprintf("MIG-00000000-0000-4000-8000-0000000000%d%d", i, k), MemoryMB: 9856}
			d.MIG, parts = append(d.MIG, part), append(parts, part.UUID)
		}
		devices = append(devices, d)
	}
	return devices, parts
}

// used returns the UUIDs of the devices that processes have used since Forget.
func (m *Machine) used(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, e := range m.Log(t).Of("device") {
		all = append(all, e.UUID)
	}
	return all
}

// TestCUDADevices: every rank of a machine computes on the GPU of its place on the
// machine, and on no other.
func TestCUDADevices(t *testing.T) {
	t.Parallel()
	const (
		shares = "processes of this machine share a GPU"
		byHand = "the GPU is the rank modulo the number of GPUs"
		part   = "CUDA shows a process one MIG device"
	)
	mig, parts := divided(2)
	mixed := append(slices.Clip(mig[:1]), gpus(1)...)
	whole := complete(mixed)[1].UUID
	for _, c := range []struct {
		name     string
		devices  []Device
		visible  []string // the list CUDA_VISIBLE_DEVICES, if there is one
		alone    bool     // without a launcher
		flags    bool     // with --rank and --world, without a launcher
		own      bool     // of the list each rank sees only its own entry
		provider string   // cuda by default
		want     []string // of each rank
		says     string   // what every rank says, of shares, byHand and part, and nothing else
	}{
		{name: "alone", devices: gpus(1), alone: true, want: uuids(0)},
		{name: "alone, with more GPUs", devices: gpus(2), alone: true, want: uuids(0)},
		{name: "one GPU", devices: gpus(1), want: uuids(0)},
		{name: "two GPUs", devices: gpus(2), want: uuids(0, 1)},
		{name: "four GPUs", devices: gpus(4), want: uuids(0, 1, 2, 3)},
		{name: "eight GPUs", devices: gpus(8), want: uuids(0, 1, 2, 3, 4, 5, 6, 7)},
		{name: "auto", devices: gpus(4), provider: "auto", want: uuids(0, 1, 2, 3)},
		{name: "more ranks than GPUs", devices: gpus(2), want: uuids(0, 1, 0), says: shares},
		{name: "numbered by hand", devices: gpus(4), flags: true, want: uuids(0, 1, 2, 3), says: byHand},
		{name: "numbered by hand, with one GPU", devices: gpus(1), flags: true, want: uuids(0, 0)},
		{name: "a list", devices: gpus(4), visible: []string{"3", "1"}, want: uuids(3, 1)},
		{name: "a list of names", devices: gpus(4), visible: uuids(2, 0), want: uuids(2, 0)},
		{name: "each sees its own", devices: gpus(4), visible: []string{"2", "3"}, own: true, want: uuids(2, 3)},
		{name: "a number and more", devices: gpus(2), visible: []string{"1.0;x", "+0"}, want: uuids(1, 0)},
		{name: "a name, then a number", devices: gpus(2), visible: append(uuids(1), "0"), want: uuids(1, 1)},
		{name: "MIG devices and a whole GPU", devices: mixed, want: []string{parts[0], parts[1], whole}, says: part},
		{name: "their numbers", devices: mixed, visible: []string{"0", "1"}, want: []string{whole, parts[0], parts[1]}, says: part},
		{name: "the whole GPU", devices: mixed, visible: []string{"0"}, want: []string{whole}},
		{name: "all MIG devices", devices: mig, want: parts, says: part},
		{name: "MIG devices of one GPU", devices: mig[:1], visible: parts[:2], want: parts[:2], says: part},
		{name: "MIG devices of two GPUs", devices: mig, visible: parts, want: parts, says: part},
		{name: "each sees its own MIG device", devices: mig, visible: parts, own: true, want: parts},
		{name: "more ranks than MIG devices", devices: mig[:1], visible: parts[:2], want: []string{parts[0], parts[1], parts[0]}, says: part + shares},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lines(t, func(t *testing.T, line Line) {
				m, out := New(t, Config{Line: line, Devices: c.devices}), filepath.Join(t.TempDir(), "out")
				// The ranks come one after the other, and each leaves work to the next.
				args := scoringOn(cmp.Or(c.provider, "cuda"), small(t), pictures(t, len(c.want)+1), out,
					"--batch", "1", "--chunk", "1", "--budget-images", "1")
				for i, want := range c.want {
					var vars []string
					args := args
					switch {
					case c.flags:
						args = append(slices.Clip(args), "--rank", strconv.Itoa(i), "--world", strconv.Itoa(len(c.want)))
					case !c.alone:
						vars = rank(i, len(c.want))
					}
					switch {
					case c.own:
						vars = append(vars, "CUDA_VISIBLE_DEVICES="+c.visible[i])
					case c.visible != nil:
						vars = append(vars, "CUDA_VISIBLE_DEVICES="+strings.Join(c.visible, ","))
					}
					m.Forget(t)
					r := m.start(t, vars, args...).wait(t)
					if r.code != 75 {
						t.Fatalf("rank %d: exit status %d, want 75: %s%s", i, r.code, r.stdout, r.stderr)
					}
					if got := m.used(t); !slices.Equal(got, []string{want}) {
						t.Errorf("rank %d of %d used %q, want %s", i, len(c.want), got, want)
					}
					for _, text := range []string{shares, byHand, part} {
						if strings.Contains(r.stderr, text) != strings.Contains(c.says, text) {
							t.Errorf("rank %d: %q is said, or is not:\n%s", i, text, r.stderr)
						}
					}
				}
			})
		})
	}
}

// TestCUDAHiddenParts has a container that does not see that a GPU is divided: CUDA then
// enumerates fewer devices than the driver lists.
func TestCUDAHiddenParts(t *testing.T) {
	t.Parallel()
	mig, _ := divided(1)
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line, Devices: append(mig, gpus(1)...)})
		if err := os.RemoveAll(filepath.Join(m.Root, "proc/driver/nvidia/capabilities")); err != nil {
			t.Fatal(err)
		}
		r := m.start(t, rank(1, 2), scoring(small(t), pictures(t, 2), filepath.Join(t.TempDir(), "out"))...).wait(t)
		const want = "batchscore: execution provider unavailable: cuda:1: there is no device 1 among the 1 that CUDA shows this process; the driver lists 2 GPUs, " +
			"but CUDA shows this process fewer: see CUDA_VISIBLE_DEVICES, the limits of the container, and nvidia-smi for GPUs in MIG mode\n"
		if r.code != 78 || r.stderr != want {
			t.Errorf("exit code %d, want 78 and %q:\n%s", r.code, want, r.stderr)
		}
	})
}

// TestCUDAOrder: GPUs of several kinds have the numbers that doctor shows, and not those
// of CUDA's own order, the fastest first.
func TestCUDAOrder(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line, Devices: []Device{{Name: "Tesla T4", Capability: "7.5"}, {}}})
		for order, want := range map[string][]string{"": uuids(0), "PCI_BUS_ID": uuids(0), "FASTEST_FIRST": uuids(1)} {
			var vars []string
			if order != "" {
				vars = append(vars, "CUDA_DEVICE_ORDER="+order)
			}
			m.Forget(t)
			m.start(t, vars, scoring(small(t), pictures(t, 2), filepath.Join(t.TempDir(), "out"))...).wait(t).must(t)
			if got := m.used(t); !slices.Equal(got, want) {
				t.Errorf("order %q: used %q, want %q", order, got, want)
			}
		}
	})
}

// TestCUDATogether: four ranks on four GPUs write the rows that one rank writes.
func TestCUDATogether(t *testing.T) {
	t.Parallel()
	model, images := small(t), pictures(t, 64)
	m, out := New(t, Config{Devices: gpus(4)}), filepath.Join(t.TempDir(), "out")
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

// TestCUDANearCores: a rank runs on the cores near its GPU, unless the flag or the
// launcher says otherwise, or it computes on the CPU after all.
func TestCUDANearCores(t *testing.T) {
	t.Parallel()
	if runtime.NumCPU() < 2 {
		fetched.Need(t, errors.New("this machine has one core"))
	}
	var mask unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mask); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !mask.IsSet(first) {
		first++
	}
	m := New(t, Config{Devices: gpus(2)})
	list := func(file, cores string) {
		t.Helper()
		file = filepath.Join(m.Root, "sys/devices/system", file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(cores+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// The process may use all cores of the machine, of which the first is node 0.
	list("node/node0/cpulist", fmt.Sprint(first))
	list("node/node1/cpulist", fmt.Sprintf("%d-1024", first+1))
	list("cpu/online", fmt.Sprintf("0-%d", mask.Count()-1))
	const near = "this rank runs on the cores near its GPU"
	model, images := small(t), pictures(t, 2)
	for _, c := range []struct {
		flags, vars string
		want        string
		bound       bool
	}{
		{want: `"numa_node":0,"cores":1,`, bound: true},
		{flags: "--rank 1 --world 2", want: `"numa_node":1,`, bound: true},
		{flags: "--numa off"},
		{vars: "CUDATEST_FAIL=cudaSetDevice=46", want: fmt.Sprintf(`"lanes":%d,`, runtime.NumCPU()), bound: true},
		{vars: "CUDATEST_FAIL=cudaSetDevice=46", flags: "--log-level debug", want: fmt.Sprintf(`"cores":%d,"decoders":%[1]d,`, runtime.NumCPU()), bound: true},
	} {
		out := filepath.Join(t.TempDir(), "out")
		m.begin(t, model, images, out)
		r := m.start(t, strings.Fields(c.vars), scoringOn("auto", model, images, out, strings.Fields(c.flags)...)...).wait(t).must(t)
		if strings.Contains(r.stderr, near) != c.bound || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%+v: %s", c, r.stderr)
		}
	}
	list("cpu/online", fmt.Sprintf("0-%d", mask.Count()))
	out := filepath.Join(t.TempDir(), "out")
	m.begin(t, model, images, out)
	if r := m.start(t, nil, scoring(model, images, out)...).wait(t).must(t); strings.Contains(r.stderr, near) {
		t.Errorf("a launcher has chosen cores, and others are used: %s", r.stderr)
	}
}
