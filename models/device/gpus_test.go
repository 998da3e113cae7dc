package device

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// information is a GPU as the driver describes it.
func information(name, uuid string, minor int) string {
	return fmt.Sprintf("Model: \t\t %s\nIRQ:   \t\t 40\nGPU UUID: \t %s\nVideo BIOS: \t 86.00\nBus Location: \t 0000:04:00.0\n"+
		"Device Minor: \t %d\nGPU Firmware: \t N/A\n", name, uuid, minor)
}

// These are the GPUs of the tests' machines.
var (
	k80  = GPU{Name: "Tesla K80", Bus: "0000:04:00.0", UUID: "GPU-5a1c0000-0001", Minor: 1, Node: 0}
	p100 = GPU{Name: "Tesla P100-PCIE-16GB", Bus: "0000:81:00.0", UUID: "GPU-5a1c0000-0002", Minor: 0, Node: 1}
)

// mixedBox has a K80 and a P100, whose device nodes are in the other order.
func mixedBox() map[string]string {
	return map[string]string{
		"proc/driver/nvidia/gpus/0000:81:00.0/information": information(p100.Name, p100.UUID, p100.Minor),
		"proc/driver/nvidia/gpus/0000:04:00.0/information": information(k80.Name, k80.UUID, k80.Minor),
		"sys/bus/pci/devices/0000:04:00.0/numa_node":       "0\n",
		"sys/bus/pci/devices/0000:81:00.0/numa_node":       "1\n",
		"dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidiactl": "", "dev/nvidia-uvm": "",
	}
}

func TestGPUs(t *testing.T) {
	oneNode := mixedBox()
	delete(oneNode, "dev/nvidia1")
	noNodes := map[string]string{"proc/driver/nvidia/gpus/0000:81:00.0/information": information(p100.Name, "GPU-????????-????", p100.Minor)}
	nodesOnly := map[string]string{"dev/nvidia0": "", "dev/nvidia3": "", "dev/nvidiactl": ""}
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []GPU
	}{
		{name: "none", files: nil, want: nil},
		{name: "two", files: mixedBox(), want: []GPU{k80, p100}},
		{name: "a container with one of two", files: oneNode, want: []GPU{p100}},
		{name: "never used, and no nodes yet", files: noNodes, want: []GPU{{Name: p100.Name, Bus: p100.Bus, Minor: 0, Node: -1}}},
		{name: "nodes only", files: nodesOnly, want: []GPU{unknownGPU(), unknownGPU()}},
		{name: "one node, and nothing says of which GPU", files: map[string]string{
			"proc/driver/nvidia/gpus/a/information": "", "proc/driver/nvidia/gpus/b/information": "", "dev/nvidia1": ""},
			want: []GPU{{Bus: "a", Minor: -1, Node: -1}}},
		{name: "a guest of Windows", files: map[string]string{"dev/dxg": ""}, want: []GPU{{Name: "GPU of the host", Minor: -1, Node: -1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := gpus(tree(t, test.files)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestDriver(t *testing.T) {
	for text, want := range map[string]string{
		"NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\nGCC version:  gcc 12.2.0\n":           "535.129.03",
		"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root@build)  Sun Jul 27\nGCC version: 11.4": "580.65.06",
		"NVRM version: NVIDIA UNIX aarch64 Kernel Module  550.54.15":                                                                     "550.54.15",
		"": "",
	} {
		if got := driver(tree(t, map[string]string{"proc/driver/nvidia/version": text})); got != want {
			t.Errorf("%q: driver %q, want %q", text, got, want)
		}
	}
}

// A list is read as CUDA reads it.
func TestVisible(t *testing.T) {
	const a, b = "GPU-5a1c0000-0001", "GPU-5a1c0000-0002"
	for _, test := range []struct {
		value string
		want  []Device
		why   string // in the reason, if nothing is selected
	}{
		{value: "0,1", want: []Device{{0, ""}, {1, ""}}},
		{value: "1,0", want: []Device{{1, ""}, {0, ""}}},
		{value: " 1 ", want: []Device{{1, ""}}},
		{value: "1gpu", want: []Device{{1, ""}}},
		{value: "", why: "selects none of the 2 GPUs"},
		{value: "0,-1,1", want: []Device{{0, ""}}},
		{value: "1,7,0", want: []Device{{1, ""}}},
		{value: "7,0", why: `("7": there are the GPUs 0 to 1)`},
		{value: "none", why: `("none": there are the GPUs 0 to 1)`},
		{value: "NoDevFiles", why: "selects none"},
		{value: "+1", want: []Device{{1, ""}}},
		{value: "0;1", want: []Device{{0, ""}}},
		{value: "1.0", want: []Device{{1, ""}}},
		{value: "0x1", want: []Device{{0, ""}}},
		{value: "-0", why: `("-0": there are the GPUs 0 to 1)`},
		{value: "99999999999999999999", why: "there are the GPUs 0 to 1"},
		{value: "gpu-5a1c0000-0002", why: "there are the GPUs 0 to 1"},
		{value: "0,0", why: `"0" is there twice`},
		{value: ",0", why: "an entry is empty"},
		{value: b + "," + a, want: []Device{{1, ""}, {0, ""}}},
		{value: "GPU-5a1c0000-0002", want: []Device{{1, ""}}},
		{value: "GPU-5a1c", why: "several GPUs"},
		{value: "GPU-77", why: "no GPU of this name"},
		{value: a + ",0", want: []Device{{0, ""}}},
		{value: "0," + b, want: []Device{{0, ""}}},
		{value: "MIG-77,MIG-78", want: []Device{{-1, "MIG-77"}, {-1, "MIG-78"}}},
		{value: "MIG-" + b + "/1/0", want: []Device{{1, "MIG-" + b + "/1/0"}}},
		{value: "MIG-77," + a, want: []Device{{-1, "MIG-77"}}},
		{value: "MIG-77,MIG-77", why: "twice"},
	} {
		t.Run(test.value, func(t *testing.T) {
			l := GPUList{All: []GPU{k80, p100}}
			l.restrict(test.value)
			if !reflect.DeepEqual(l.Selected, test.want) || l.Visible() != len(test.want) {
				t.Errorf("%+v, %d visible; want %+v", l.Selected, l.Visible(), test.want)
			}
			if got := l.Missing(); (got == "") != (len(test.want) > 0) || !strings.Contains(got, test.why) {
				t.Errorf("Missing() = %q, want %q", got, test.why)
			}
		})
	}
	nodes := GPUList{All: []GPU{unknownGPU(), unknownGPU()}}
	nodes.restrict("GPU-1,GPU-2")
	if nodes.Visible() != 2 {
		t.Errorf("two names without anything to compare them with select %d", nodes.Visible())
	}
}

// A list that selects nothing is a mistake unless its value says that none is wanted.
func TestMistaken(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "-1": false, " -1 ": false, "NoDevFiles": false, "none": false, "0": false, "1,7": false, "MIG-77": false,
		"2": true, "0,0": true, "all": true, "void": true, "GPU-": true, "gpu-5a1c0000-0001": true, ",0": true,
	} {
		l := GPUList{All: []GPU{k80, p100}}
		if l.restrict(value); l.Mistaken() != want {
			t.Errorf("%q is a mistake: %v, want %v", value, !want, want)
		}
		l = GPUList{}
		if l.restrict(value); l.Mistaken() {
			t.Errorf("%q without a GPU is a mistake", value)
		}
	}
	if l := (GPUList{All: []GPU{k80}}); l.Mistaken() {
		t.Error("no list is a mistake")
	}
}

// divided is a GPU with two MIG devices.
func divided(uuid string) GPU {
	return GPU{Name: "NVIDIA A100-SXM4-80GB", UUID: uuid, Minor: 0, Node: -1, Parts: []string{"MIG-" + uuid + "/1/0", "MIG-" + uuid + "/2/0"}}
}

func TestParts(t *testing.T) {
	files := map[string]string{
		"proc/driver/nvidia/gpus/0000:07:00.0/information": information("NVIDIA A100-SXM4-80GB", "GPU-a", 3),
	}
	for _, path := range []string{"gi11/ci0", "gi2/ci1", "gi2/ci0"} {
		files["proc/driver/nvidia/capabilities/gpu3/mig/"+path+"/access"] = "DeviceFileMinor: 12\n"
	}
	files["proc/driver/nvidia/capabilities/gpu3/mig/gi2/access"] = "DeviceFileMinor: 11\n"
	got := gpus(tree(t, files))
	want := []string{"MIG-GPU-a/2/0", "MIG-GPU-a/2/1", "MIG-GPU-a/11/0"}
	if len(got) != 1 || !reflect.DeepEqual(got[0].Parts, want) {
		t.Errorf("%+v, want the parts %q", got, want)
	}
}

func TestChoose(t *testing.T) {
	whole := func(n int) []GPU { return make([]GPU, n) }
	type choices []string // "index" or "index only", by local rank
	for _, test := range []struct {
		name    string
		all     []GPU
		visible *string
		want    choices
	}{
		{name: "one", all: whole(1), want: choices{"0", "0"}},
		{name: "four", all: whole(4), want: choices{"0", "1", "2", "3", "0"}},
		{name: "two of four", all: whole(4), visible: ptr("3,1"), want: choices{"0", "1", "0"}},
		{name: "one MIG device", all: whole(1), visible: ptr("MIG-x"), want: choices{"0", "0"}},
		{name: "two MIG devices", all: whole(1), visible: ptr("MIG-x,MIG-y"), want: choices{"0 MIG-x", "0 MIG-y", "0 MIG-x"}},
		{name: "divided", all: []GPU{divided("GPU-a"), divided("GPU-b")},
			want: choices{"0 MIG-GPU-a/1/0", "0 MIG-GPU-a/2/0", "0 MIG-GPU-b/1/0", "0 MIG-GPU-b/2/0", "0 MIG-GPU-a/1/0"}},
		{name: "one of two divided", all: []GPU{divided("GPU-a"), divided("GPU-b")}, visible: ptr("1"),
			want: choices{"0 MIG-GPU-b/1/0", "0 MIG-GPU-b/2/0"}},
		{name: "divided and whole", all: []GPU{divided("GPU-a"), p100}, want: choices{"0 MIG-GPU-a/1/0", "0 MIG-GPU-a/2/0", "0 " + p100.UUID}},
		{name: "whole ones have the first numbers", all: []GPU{divided("GPU-a"), p100}, visible: ptr("0,1"),
			want: choices{"0 " + p100.UUID, "0 MIG-GPU-a/1/0", "0 MIG-GPU-a/2/0"}},
		{name: "the whole one alone", all: []GPU{divided("GPU-a"), p100}, visible: ptr("0"), want: choices{"0", "0"}},
		{name: "a whole one without a name", all: []GPU{divided("GPU-a"), unknownGPU()}, want: choices{"0 MIG-GPU-a/1/0", "0 MIG-GPU-a/2/0", "0 0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := GPUList{All: test.all}
			if test.visible != nil {
				l.restrict(*test.visible)
			}
			for rank, want := range test.want {
				c := l.Choose(rank)
				if got := strings.TrimSpace(fmt.Sprint(c.Index, " ", c.Only)); got != want {
					t.Errorf("local rank %d: %s, want %s", rank, got, want)
				}
			}
		})
	}
}

// What a choice sets is what CUDA, and another look at the GPUs, find.
func TestApply(t *testing.T) {
	files := map[string]string{"dev/nvidia0": "", "dev/nvidia1": ""}
	t.Setenv(rootVariable, tree(t, files))
	t.Setenv(VisibleVariable, "MIG-x,MIG-y")
	t.Setenv(OrderVariable, "")
	if err := os.Unsetenv(OrderVariable); err != nil {
		t.Fatal(err)
	}
	if err := GPUs().Choose(1).Apply(); err != nil {
		t.Fatal(err)
	}
	if v, order := os.Getenv(VisibleVariable), os.Getenv(OrderVariable); v != "MIG-y" || order != "PCI_BUS_ID" {
		t.Errorf("%s=%s, %s=%s", VisibleVariable, v, OrderVariable, order)
	}
	if c := GPUs().Choose(1); c.Index != 0 || c.Part != "MIG-y" {
		t.Errorf("the second look finds %+v", c)
	}
	t.Setenv(OrderVariable, "FASTEST_FIRST")
	t.Setenv(VisibleVariable, "1")
	l := GPUs()
	c := l.Choose(0)
	if err := c.Apply(); err != nil {
		t.Fatal(err)
	}
	if order := os.Getenv(OrderVariable); order != "FASTEST_FIRST" || c.Only != "" || c.GPU != -1 || l.Of(c.Device).Name != "" {
		t.Errorf("with the user's order: %s, %+v", order, c)
	}
}

func TestShared(t *testing.T) {
	for _, test := range []struct {
		name      string
		all       []GPU
		visible   *string
		env       string
		localSize int
		want      bool
	}{
		{name: "one each", all: make([]GPU, 4), localSize: 4},
		{name: "more ranks than GPUs", all: make([]GPU, 4), localSize: 5, want: true},
		{name: "each sees its own", all: make([]GPU, 4), visible: ptr("2"), localSize: 4},
		{name: "each sees one, of too few", all: make([]GPU, 4), visible: ptr("2"), localSize: 5, want: true},
		{name: "all see the same two", all: make([]GPU, 4), visible: ptr("0,1"), localSize: 4, want: true},
		{name: "each has two of its own", all: make([]GPU, 8), visible: ptr("0,1"), env: "SLURM_GPUS_PER_TASK", localSize: 4},
		{name: "each has its own MIG device", all: make([]GPU, 1), visible: ptr("MIG-x"), localSize: 4},
		{name: "too few MIG devices", all: make([]GPU, 1), visible: ptr("MIG-x,MIG-y"), localSize: 4, want: true},
		{name: "parts", all: []GPU{divided("GPU-a"), divided("GPU-b")}, localSize: 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.env != "" {
				t.Setenv(test.env, "2")
			}
			l := GPUList{All: test.all}
			if test.visible != nil {
				l.restrict(*test.visible)
			}
			if got := l.Shared(test.localSize); got != test.want {
				t.Errorf("%d ranks share: %v, want %v", test.localSize, got, test.want)
			}
		})
	}
}

func TestGPURoot(t *testing.T) {
	root := tree(t, map[string]string{"dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidia2": ""})
	if err := os.MkdirAll(filepath.Join(root, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(rootVariable, root)
	t.Setenv(VisibleVariable, "0,2")
	if l := GPUs(); len(l.All) != 3 || l.Visible() != 2 {
		t.Errorf("%+v; want two of three GPUs", l)
	}
}

func ptr(s string) *string { return &s }
