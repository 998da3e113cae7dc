package device

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCUDA13(t *testing.T) {
	for _, test := range []struct {
		name, driver, visible string
		gpus                  []string
		want                  bool
	}{
		{name: "new", driver: "580.65.06", gpus: []string{"NVIDIA H100 80GB HBM3"}, want: true},
		{name: "name without a generation", driver: "595.10", gpus: []string{""}, want: true},
		{name: "old driver", driver: "535.104.05", gpus: []string{"NVIDIA A100-SXM4-80GB"}},
		{name: "unknown driver", gpus: []string{"NVIDIA A100-SXM4-80GB"}},
		{name: "V100", driver: "580.65.06", gpus: []string{"Tesla V100-SXM2-16GB"}},
		{name: "B200", driver: "580.65.06", gpus: []string{"NVIDIA B200"}},
		{name: "P100", driver: "580.65.06", gpus: []string{"Tesla P100-PCIE-16GB"}},
		{name: "P4", driver: "580.65.06", gpus: []string{"Tesla P4"}},
		{name: "one of two is old", driver: "580.65.06", gpus: []string{"NVIDIA A100-PCIE-40GB", "Tesla V100-PCIE-16GB"}},
		{name: "the old one is not used", driver: "580.65.06", visible: "0", gpus: []string{"NVIDIA A100-PCIE-40GB", "Tesla V100-PCIE-16GB"}, want: true},
		{name: "only the old one is used", driver: "580.65.06", visible: "1", gpus: []string{"NVIDIA A100-PCIE-40GB", "Tesla V100-PCIE-16GB"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := GPUList{Driver: test.driver}
			for _, name := range test.gpus {
				g := unknownGPU()
				g.Name = name
				l.All = append(l.All, g)
			}
			if test.visible != "" {
				l.restrict(test.visible)
			}
			if got := l.CUDA13(); got != test.want {
				t.Errorf("CUDA 13 is supported: %t, want %t", got, test.want)
			}
		})
	}
}

// TestLines compares the table with deploy/deps/gpu-line.sh, for machines that have no
// batchscore yet, and with what administrators read.
func TestLines(t *testing.T) {
	const script = "../../deploy/deps/gpu-line.sh"
	text := readFile(t, script)
	for _, g := range generations {
		if want := fmt.Sprintf("'%s:%s'", strings.Replace(g.capability, ".", "", 1), g.names); !strings.Contains(text, want) {
			t.Errorf("gpu-line.sh has not the GPUs %s", want)
		}
	}
	if n := len(regexp.MustCompile(`(?m)^\t'\d+:`).FindAllString(text, -1)); n != len(generations) {
		t.Errorf("gpu-line.sh has %d generations, the table %d", n, len(generations))
	}
	bin := t.TempDir()
	for _, capability := range []string{"3.7", "5.2", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "10.3", "12.0", "12.1"} {
		for _, driver := range []string{"470.82.01", "524.99", "525.60.13", "570.124.06", "579.99", "580.65.06", "595.10"} {
			smi := fmt.Sprintf("#!/bin/sh\necho '%s, %s, NVIDIA GPU'\n", capability, driver)
			if err := os.WriteFile(filepath.Join(bin, "nvidia-smi"), []byte(smi), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(script)
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "BATCHSCORE_GPU_ROOT="+bin)
			out, err := cmd.Output()
			got, _, _ := strings.Cut(string(out), "\n")
			want := ""
			for _, l := range cudaLines { // the newest that serves both
				if l.Serves(capability) && l.runsOn(driver) {
					want = fmt.Sprint("cuda", l.CUDA)
				}
			}
			if got != want || (err == nil) != (want != "") {
				t.Errorf("compute capability %s, driver %s: gpu-line.sh chooses %q (%v), the table %q", capability, driver, got, err, want)
			}
		}
	}

	guide := readFile(t, "../../docs/administrator.md")
	rows := regexp.MustCompile(`(?m)^\| [^|]+ \| ([0-9., ]+) \| (yes|no)[^|]* \| (yes|no)[^|]* \|`).FindAllStringSubmatch(guide, -1)
	if len(rows) < 8 {
		t.Errorf("administrator.md has %d kinds of GPUs, want 8 or more", len(rows))
	}
	for _, row := range rows {
		for capability := range strings.SplitSeq(row[1], ", ") {
			for i, l := range cudaLines {
				if says := row[2+i] == "yes"; says != l.Serves(capability) {
					t.Errorf("administrator.md: %q, and cuda%d serves it: %t", row[0], l.CUDA, !says)
				}
			}
		}
	}
	for _, l := range cudaLines {
		major, _, _ := strings.Cut(l.Driver, ".")
		row := fmt.Sprintf(`(?m)^\| .cuda%d. \|.*\| %s or newer \| compute capability %s `, l.CUDA, major, regexp.QuoteMeta(l.Capability))
		if !regexp.MustCompile(row).MatchString(guide) {
			t.Errorf("administrator.md has no row %s", row)
		}
	}
}

func TestServes(t *testing.T) {
	for _, test := range []struct {
		capability string
		serves     string // the releases of CUDA
		newest     int
	}{
		{capability: "3.7", serves: "", newest: 0},
		{capability: "6.0", serves: "12", newest: 12},
		{capability: "7.0", serves: "12", newest: 12},
		{capability: "7.5", serves: "12 13", newest: 13},
		{capability: "9.0", serves: "12 13", newest: 13},
		{capability: "10.0", serves: "12", newest: 12},
		{capability: "10.3", serves: "12", newest: 12},
		{capability: "12.0", serves: "12 13", newest: 13},
		{capability: "", serves: "12 13", newest: 13},
	} {
		var got []string
		for _, l := range cudaLines {
			if l.Serves(test.capability) {
				got = append(got, fmt.Sprint(l.CUDA))
			}
		}
		newest, ok := LineFor(test.capability)
		if strings.Join(got, " ") != test.serves || newest.CUDA != test.newest || ok != (test.newest > 0) {
			t.Errorf("%q is served by %q, and %d is the newest; want %q and %d", test.capability, got, newest.CUDA, test.serves, test.newest)
		}
	}
	if got, want := LineOfCUDA(13).Served(), "7.5 and newer except 10.x and 11.x"; got != want {
		t.Errorf("CUDA 13 serves %q, want %q", got, want)
	}
	if l := LineOfCUDA(14); !l.Serves("6.0") || l.Served() != "" {
		t.Errorf("a release that is not known has limits: %+v", l)
	}
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
