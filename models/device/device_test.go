package device

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// tree writes files to a new folder that represents /.
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
		told      string
		files     map[string]string
		usable    int
	}{
		{name: "alone", localSize: 0, mask: 8, files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 8},
		{name: "four ranks, no binding", localSize: 4, mask: 8, files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 2},
		{name: "bound to one core each", localSize: 2, mask: 1, files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 1},
		{name: "bound to a socket each", localSize: 2, mask: 4, files: map[string]string{"sys/devices/system/cpu/online": "0-3,8-11\n"}, usable: 4},
		{name: "more ranks than cores", localSize: 16, mask: 8, files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 1},
		{name: "a container's set of cores is shared", localSize: 2, mask: 4, files: map[string]string{
			"sys/devices/system/cpu/online": "0-63\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpuset.cpus.effective": "8-11\n"}, usable: 2},
		{name: "quota", localSize: 1, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "350000 100000\n"}, usable: 3},
		{name: "the quota of the group above", localSize: 1, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "max 100000\n", "sys/fs/cgroup/jobs/cpu.max": "200000 100000\n"}, usable: 2},
		{name: "a quota is shared", localSize: 2, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "400000 100000\n"}, usable: 2},
		{name: "less than a core", localSize: 1, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "50000 100000\n"}, usable: 1},
		{name: "no quota", localSize: 1, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "max 100000\n"}, usable: 8},
		{name: "version 1", localSize: 1, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": "4:cpu,cpuacct:/b\n1:name=systemd:/\n",
			"sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "250000\n", "sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000\n"}, usable: 2},
		{name: "version 1 without limit", localSize: 1, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": "4:cpu:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, usable: 8},
		{name: "shares bind nothing", localSize: 1, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": "4:cpu:/b\n", "sys/fs/cgroup/cpu/b/cpu.shares": "512\n"}, usable: 8},
		{name: "told", localSize: 1, mask: 8, told: "3", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 3},
		{name: "told, of several ranks", localSize: 2, mask: 8, told: "5", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 2},
		{name: "told less than a core", localSize: 1, mask: 8, told: "0.5", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 1},
		{name: "told more than there is", localSize: 1, mask: 8, told: "64", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 8},
		{name: "told more than the quota", localSize: 1, mask: 8, told: "4", files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2, "sys/fs/cgroup/jobs/a/cpu.max": "200000 100000\n"}, usable: 2},
		{name: "told nothing", localSize: 1, mask: 8, told: "0", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 8},
		{name: "told what is not a number", localSize: 1, mask: 8, told: "NaN", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 8},
		{name: "told more than an int holds", localSize: 1, mask: 8, told: "1e19", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 8},
		{name: "told more than a float holds", localSize: 1, mask: 8, told: "1e999", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 8},
		{name: "told a hexadecimal number", localSize: 1, mask: 8, told: "0x2", files: map[string]string{"sys/devices/system/cpu/online": "0-7\n"}, usable: 8},
		{name: "a quota that an int does not hold", localSize: 1, mask: 8, files: map[string]string{
			"sys/devices/system/cpu/online": "0-7\n", "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/cpu.max": "1e30 100000\n"}, usable: 8},
		{name: "nothing can be read", localSize: 1, mask: 0, files: nil, usable: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := cpus(test.localSize, tree(t, test.files), test.mask, test.told); got.Usable != test.usable {
				t.Errorf("%+v; want %d usable cores", got, test.usable)
			}
		})
	}
}

func TestShares(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  float64
	}{
		{name: "version 1, half a core", files: map[string]string{"proc/self/cgroup": "4:cpu,cpuacct:/b\n", "sys/fs/cgroup/cpu/b/cpu.shares": "512\n"}, want: 0.5},
		{name: "version 1, the group's own path is not visible", files: map[string]string{
			"proc/self/cgroup": "4:cpu:/kubepods/a\n", "sys/fs/cgroup/cpu/cpu.shares": "2048\n"}, want: 2},
		{name: "version 1, the default", files: map[string]string{"proc/self/cgroup": "4:cpu:/b\n", "sys/fs/cgroup/cpu/b/cpu.shares": "1024\n"}},
		{name: "version 2, half a core", files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.weight": "20\n"}, want: 0.5},
		{name: "version 2, the default", files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.weight": "100\n"}},
		{name: "the group's own, not of those above", files: map[string]string{"proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/cpu.weight": "20\n", "sys/fs/cgroup/a/b/cpu.weight": "100\n"}},
		{name: "none"},
	} {
		if got := shares(tree(t, test.files)); math.Abs(got-test.want) > 0.02 {
			t.Errorf("%s: %.3f cores, want %.1f", test.name, got, test.want)
		}
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
