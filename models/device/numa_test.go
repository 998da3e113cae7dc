package device

import (
	"fmt"
	"reflect"
	"testing"
)

func TestNear(t *testing.T) {
	two := map[string]string{
		"sys/devices/system/node/node0/cpulist": "0-3,8-11\n", "sys/devices/system/node/node1/cpulist": "4-7,12-15\n",
	}
	gpus := func(nodes ...int) []GPU {
		var all []GPU
		for _, n := range nodes {
			all = append(all, GPU{Minor: -1, Node: n})
		}
		return all
	}
	zero, one := []int{0, 1, 2, 3, 8, 9, 10, 11}, []int{4, 5, 6, 7, 12, 13, 14, 15}
	for _, test := range []struct {
		name       string
		files      map[string]string
		all        []GPU
		visible    *string
		rank, size int
		want       Near
		ok         bool
	}{
		{name: "four GPUs, two sockets", files: two, all: gpus(0, 0, 1, 1), rank: 3, size: 4, want: Near{Node: 1, CPUs: one, Share: 4}, ok: true},
		{name: "unevenly", files: two, all: gpus(0, 1, 1, 1), rank: 0, size: 4, want: Near{Node: 0, CPUs: zero, Share: 8}, ok: true},
		{name: "one rank", files: two, all: gpus(0, 1), rank: 0, size: 1, want: Near{Node: 0, CPUs: zero, Share: 8}, ok: true},
		{name: "each sees its own", files: two, all: gpus(0, 0, 1, 1), visible: ptr("2"), rank: 2, size: 4, want: Near{Node: 1, CPUs: one, Share: 4}, ok: true},
		{name: "the second of a list", files: two, all: gpus(0, 0, 1, 1), visible: ptr("0,3"), rank: 1, size: 2, want: Near{Node: 1, CPUs: one, Share: 8}, ok: true},
		{name: "node unknown", files: two, all: gpus(-1), size: 1},
		{name: "one node", files: map[string]string{"sys/devices/system/node/node0/cpulist": "0-3\n"}, all: gpus(0), size: 1},
		{name: "no GPU", files: two, size: 1},
		{name: "a node without cores", files: map[string]string{"sys/devices/system/node/node0/cpulist": "0-3", "sys/devices/system/node/node1/cpulist": ""},
			all: gpus(1), size: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := GPUList{All: test.all}
			if test.visible != nil {
				l.restrict(*test.visible)
			}
			got, ok := l.near(tree(t, test.files), test.rank, test.size, func(int) bool { return true })
			if ok != test.ok || ok && !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, %v; want %+v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

// TestBind binds this process to one of its cores, and undoes it.
func TestBind(t *testing.T) {
	all := affinity()
	if all < 2 {
		t.Skip("this process has one core")
	}
	t.Setenv(rootVariable, tree(t, map[string]string{
		"proc/driver/nvidia/gpus/0000:04:00.0/information": "", "sys/bus/pci/devices/0000:04:00.0/numa_node": "1",
		"sys/devices/system/node/node0/cpulist": "0", "sys/devices/system/node/node1/cpulist": fmt.Sprintf("1-%d", 1024),
	}))
	near, ok, err := Bind(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Skip("this process may not use all cores of the machine")
	}
	if near.Node != 1 || affinity() != len(near.CPUs) || CPUs(1).Usable > len(near.CPUs) {
		t.Errorf("%+v, a mask of %d, %+v", near, affinity(), CPUs(1))
	}
	if err := Unbind(); err != nil || affinity() != all {
		t.Errorf("%v; a mask of %d, want %d", err, affinity(), all)
	}
}
