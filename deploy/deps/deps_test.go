package deps

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// need finds a program that make deps installs.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: make deps", program)
	}
	t.Skipf("%s is missing: make deps", program)
	return ""
}

func read(t *testing.T, file string) string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	// A new file: a link may lead to a program of this machine.
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestScripts(t *testing.T) {
	if out, err := exec.Command(need(t, "shellcheck"), "-x", "-P", "../..", "fetch.sh", "gpu-line.sh").CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %s", out)
	}
}

// TestPins checks the form that fetch.sh relies on.
func TestPins(t *testing.T) {
	pin := regexp.MustCompile(`^[a-z0-9-]+==[0-9.]+ --hash=sha256:[0-9a-f]{64} # [0-9]+ MB, [0-9]+ MB unpacked$`)
	for _, file := range []string{"cuda12.txt", "cuda13.txt", "cudatest.txt", "nvimgcodec.txt", "decoders.txt"} {
		pins := 0
		for line := range strings.Lines(read(t, file)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "#") {
				continue
			}
			pins++
			if !pin.MatchString(line) {
				t.Errorf("%s: %q", file, line)
			}
		}
		if pins == 0 {
			t.Errorf("%s has no pins", file)
		}
	}
	if !strings.Contains(read(t, "cuda12.txt"), "nvidia-cudnn-cu12==9.10.") {
		t.Error("cuda12.txt is for GPUs that no cuDNN after 9.10 supports")
	}
}

// TestGPULine runs gpu-line.sh on machines with GPUs, by what nvidia-smi or the driver's
// files say.
func TestGPULine(t *testing.T) {
	for _, test := range []struct {
		name   string
		smi    string   // lines of nvidia-smi; it fails if empty
		driver string   // in the driver's files
		gpus   []string // in the driver's files
		line   string   // empty: an error
		why    string
	}{
		{name: "no GPU", line: "cuda12", why: "no GPU is visible"},
		{name: "H100", smi: "9.0, 580.65.06, NVIDIA H100 80GB HBM3", line: "cuda13", why: "580.65.06"},
		{name: "B200", smi: "10.0, 595.10, NVIDIA B200", line: "cuda12", why: "B200"},
		{name: "RTX PRO 6000", smi: "12.0, 595.10, NVIDIA RTX PRO 6000 Blackwell", line: "cuda13", why: "595.10"},
		{name: "files, B200", driver: "580.65.06", gpus: []string{"NVIDIA B200"}, line: "cuda12", why: "B200"},
		{name: "T4", smi: "7.5, 580.65.06, Tesla T4", line: "cuda13", why: "Tesla T4"},
		{name: "old driver", smi: "8.0, 535.104.05, NVIDIA A100-SXM4-80GB", line: "cuda12", why: "driver 535.104.05"},
		{name: "V100", smi: "7.0, 580.65.06, Tesla V100-SXM2-16GB", line: "cuda12", why: "V100"},
		{name: "P100 among others", smi: "9.0, 580.65.06, NVIDIA H100\n6.0, 580.65.06, Tesla P100-PCIE-16GB", line: "cuda12", why: "P100"},
		{name: "K80", smi: "3.7, 470.256.02, Tesla K80", why: "bench simulate"},
		{name: "driver too old", smi: "7.5, 470.256.02, Tesla T4", why: "470.256.02 is too old"},
		{name: "nvidia-smi without a driver", smi: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
			line: "cuda12", why: "no GPU is visible"},
		{name: "files, V100", driver: "580.65.06", gpus: []string{"Tesla V100-PCIE-32GB"}, line: "cuda12", why: "V100"},
		{name: "files, P4", driver: "580.65.06", gpus: []string{"Tesla P4"}, line: "cuda12", why: "P4"},
		{name: "files, K80", driver: "470.256.02", gpus: []string{"Tesla K80"}, why: "Tesla K80"},
		{name: "files, driver too old", driver: "510.47.03", gpus: []string{"Tesla T4"}, why: "too old"},
		{name: "files, old driver", driver: "550.54.15", gpus: []string{"NVIDIA L4"}, line: "cuda12", why: "550.54.15"},
		{name: "files, new driver", driver: "580.65.06", gpus: []string{"NVIDIA L40S"}, line: "cuda13", why: "L40S"},
		{name: "files without a driver", gpus: []string{"NVIDIA L40S"}, line: "cuda12", why: "nothing says which driver"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root, bin := t.TempDir(), t.TempDir()
			if test.driver != "" {
				write(t, filepath.Join(root, "proc/driver/nvidia/version"),
					"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  "+test.driver+"  Release Build  (dvs)\nGCC version:  gcc version 12.3.0\n")
			}
			for i, name := range test.gpus {
				write(t, filepath.Join(root, "proc/driver/nvidia/gpus", "0000:0"+string(rune('0'+i))+":00.0", "information"), "Model: \t\t "+name+"\nIRQ:   \t\t 10\n")
			}
			smi := "#!/bin/sh\nexit 9\n"
			if test.smi != "" {
				smi = "#!/bin/sh\ncat <<'END'\n" + test.smi + "\nEND\n"
			}
			write(t, filepath.Join(bin, "nvidia-smi"), smi)
			cmd := exec.Command("./gpu-line.sh")
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "BATCHSCORE_GPU_ROOT="+root)
			out, err := cmd.CombinedOutput()
			line, why, _ := strings.Cut(string(out), "\n")
			if test.line == "" {
				line, why = "", string(out)
			}
			if (err == nil) != (test.line != "") || line != test.line || !strings.Contains(why, test.why) {
				t.Errorf("%v, %q; want the line %q with %q", err, out, test.line, test.why)
			}
		})
	}
}
