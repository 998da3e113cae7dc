package device

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// tree writes files under a folder of the test's own, which stands for /.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestCPUs(t *testing.T) {
	const v2 = "0::/jobs/a\n"
	for _, test := range []struct {
		name      string
		localSize int
		mask      int
		files     map[string]string
		usable    int
	}{
		{"alone", 0, 8, map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, 8},
		{"four ranks, no binding", 4, 8, map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, 2},
		{"bound to one core each", 2, 1, map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, 1},
		{"bound to a socket each", 2, 4, map[string]string{"sys/devices/system/cpu/online": "0-3,8-11\n"}, 4},
		{"more ranks than cores", 16, 8, map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, 1},
		{"a container's set of cores is shared", 2, 4, map[string]string{
			"sys/devices/system/cpu/online": "0-63\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpuset.cpus.effective": "8-11\n"}, 2},
		{"quota", 1, 8, map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "350000 100000\n"}, 3},
		{"the quota of the group above", 1, 8, map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "max 100000\n", "sys/fs/cgroup/jobs/cpu.max": "200000 100000\n"}, 2},
		{"a quota is shared", 2, 8, map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "400000 100000\n"}, 2},
		{"less than a core", 1, 8, map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "50000 100000\n"}, 1},
		{"no quota", 1, 8, map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "max 100000\n"}, 8},
		{"version 1", 1, 8, map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": "4:cpu,cpuacct:/b\n1:name=systemd:/\n",
			"sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "250000\n", "sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000\n"}, 2},
		{"version 1 without limit", 1, 8, map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": "4:cpu:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 8},
		{"nothing can be read", 1, 0, nil, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := cpus(test.localSize, tree(t, test.files), test.mask); got.Usable != test.usable {
				t.Errorf("%+v; want %d usable cores", got, test.usable)
			}
		})
	}
}

func TestThisMachine(t *testing.T) {
	if c := CPUs(1); c.Usable < 1 || c.Usable > c.Mask || c.Mask != affinity() {
		t.Errorf("%+v, mask of %d", c, affinity())
	}
}

func TestProcessor(t *testing.T) {
	for cpuinfo, want := range map[string]string{"processor\t: 0\nmodel name\t: A: B\n": "A: B", "processor\t: 0\n": runtime.GOARCH} {
		if got := processor(tree(t, map[string]string{"proc/cpuinfo": cpuinfo})); got != want {
			t.Errorf("the processor is %q, want %q", got, want)
		}
	}
}

func TestGPUs(t *testing.T) {
	two := map[string]string{
		"proc/driver/nvidia/gpus/0000:81:00.0/information": "Model: \t\t Tesla P100-PCIE-16GB\nIRQ: 40\n",
		"proc/driver/nvidia/gpus/0000:04:00.0/information": "Model: \t\t Tesla K80\n",
		"dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidiactl": "", "dev/nvidia-uvm": "",
	}
	for _, test := range []struct {
		name    string
		files   map[string]string
		visible *string
		all     []GPU
		want    int
	}{
		{"none", nil, nil, nil, 0},
		{"none, though selected", nil, ptr("0,1"), nil, 0},
		{"two", two, nil, []GPU{{"Tesla K80", "0000:04:00.0"}, {"Tesla P100-PCIE-16GB", "0000:81:00.0"}}, 2},
		{"one of two", two, ptr("1"), []GPU{{"Tesla K80", "0000:04:00.0"}, {"Tesla P100-PCIE-16GB", "0000:81:00.0"}}, 1},
		{"by name", two, ptr("GPU-5a1c, MIG-77"), []GPU{{"Tesla K80", "0000:04:00.0"}, {"Tesla P100-PCIE-16GB", "0000:81:00.0"}}, 2},
		{"hidden", two, ptr(""), []GPU{{"Tesla K80", "0000:04:00.0"}, {"Tesla P100-PCIE-16GB", "0000:81:00.0"}}, 0},
		{"up to an invalid one", two, ptr("0,-1,1"), []GPU{{"Tesla K80", "0000:04:00.0"}, {"Tesla P100-PCIE-16GB", "0000:81:00.0"}}, 1},
		{"up to one that is not there", two, ptr("1,7,0"), []GPU{{"Tesla K80", "0000:04:00.0"}, {"Tesla P100-PCIE-16GB", "0000:81:00.0"}}, 1},
		{"device nodes only", map[string]string{"dev/nvidia0": "", "dev/nvidiactl": ""}, nil, []GPU{{}}, 1},
		{"one node of two", map[string]string{
			"proc/driver/nvidia/gpus/a/information": "", "proc/driver/nvidia/gpus/b/information": "", "dev/nvidia1": ""},
			nil, []GPU{{"", "a"}}, 1},
		{"a guest of Windows", map[string]string{"dev/dxg": ""}, nil, []GPU{{Name: "GPU of the host"}}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var value string
			if test.visible != nil {
				value = *test.visible
			}
			got := gpus(tree(t, test.files), value, test.visible != nil)
			if !slices.Equal(got.All, test.all) || got.Visible() != test.want {
				t.Errorf("%+v, %d visible; want %+v, %d visible", got, got.Visible(), test.all, test.want)
			}
			if (got.Missing() == "") != (test.want > 0) {
				t.Errorf("%d visible, and %q is missing", test.want, got.Missing())
			}
		})
	}
}

func TestIndex(t *testing.T) {
	four := GPUList{All: make([]GPU, 4)}
	narrowed := GPUList{All: make([]GPU, 4), Restricted: true, Selected: []string{"3", "1"}}
	for rank, want := range []int{0, 1, 2, 3, 0, 1} {
		if got := four.Index(rank); got != want {
			t.Errorf("local rank %d of four GPUs: %d, want %d", rank, got, want)
		}
		if got := narrowed.Index(rank); got != rank%2 {
			t.Errorf("local rank %d of two visible GPUs: %d, want %d", rank, got, rank%2)
		}
	}
}

func ptr(s string) *string { return &s }
