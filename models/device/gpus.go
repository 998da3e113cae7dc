package device

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// GPU is one NVIDIA GPU of this machine.
type GPU struct {
	// Name is the driver's name, such as "Tesla P100-PCIE-16GB"; it may be empty.
	Name string
	// Bus is the PCI address; empty if only the device node is visible.
	Bus string
}

// GPUList is the GPUs of this machine, and which of them this process may use.
type GPUList struct {
	All []GPU
	// Restricted reports whether CUDA_VISIBLE_DEVICES is set; Selected are its
	// entries that select a device.
	Restricted bool
	Selected   []string
}

// VisibleVariable is CUDA's environment variable. It is read and never written.
const VisibleVariable = "CUDA_VISIBLE_DEVICES"

// GPUs lists NVIDIA GPUs as the driver shows them in the file system. It does not load
// CUDA, nor its signal handlers, into the process.
func GPUs() GPUList {
	value, set := os.LookupEnv(VisibleVariable)
	return gpus(gpuRoot(), value, set)
}

// rootVariable is for tests; see the package's comment.
const rootVariable = "BATCHSCORE_GPU_ROOT"

// gpuRoot returns the folder that holds proc, dev and sys of GPUs.
func gpuRoot() string {
	if root := os.Getenv(rootVariable); root != "" {
		return root
	}
	return "/"
}

// Visible returns how many GPUs CUDA will number from 0 in this process.
func (l GPUList) Visible() int {
	if l.Restricted {
		return len(l.Selected)
	}
	return len(l.All)
}

// Index returns the number that CUDA gives the GPU of a local rank. Visible must not be
// 0.
func (l GPUList) Index(localRank int) int { return localRank % l.Visible() }

// Missing returns the reason why Visible is 0.
func (l GPUList) Missing() string {
	switch {
	case len(l.All) == 0:
		return "no NVIDIA GPU is visible (/proc/driver/nvidia/gpus and /dev/nvidia0 are missing:" +
			" install the NVIDIA driver, or start the container with its GPUs)"
	case l.Restricted && len(l.Selected) == 0:
		return fmt.Sprintf("%s selects none of the %d GPUs", VisibleVariable, len(l.All))
	}
	return ""
}

func gpus(root, visible string, restricted bool) GPUList {
	l := GPUList{Restricted: restricted}
	// There is one folder per GPU, named by its PCI address.
	folders, _ := filepath.Glob(filepath.Join(root, "proc/driver/nvidia/gpus/*"))
	slices.Sort(folders)
	for _, folder := range folders {
		g := GPU{Bus: filepath.Base(folder)}
		for _, line := range strings.Split(read(folder, "information"), "\n") {
			if name, ok := strings.CutPrefix(line, "Model:"); ok {
				g.Name = strings.TrimSpace(name)
			}
		}
		l.All = append(l.All, g)
	}
	// A container may have fewer devices than the driver lists.
	nodes, _ := filepath.Glob(filepath.Join(root, "dev/nvidia[0-9]*"))
	switch {
	case len(l.All) == 0:
		for range nodes {
			l.All = append(l.All, GPU{})
		}
	case len(nodes) > 0 && len(nodes) < len(l.All):
		l.All = l.All[:len(nodes)]
	}
	// Under WSL, one node of the hypervisor represents the GPU.
	if _, err := os.Stat(filepath.Join(root, "dev/dxg")); err == nil && len(l.All) == 0 {
		l.All = append(l.All, GPU{Name: "GPU of the host"})
	}
	// CUDA uses the entries before the first one that selects nothing. An entry is an
	// index, or the name of a GPU or of a part of one.
	for _, entry := range strings.Split(visible, ",") {
		entry = strings.TrimSpace(entry)
		index, err := strconv.Atoi(entry)
		if entry == "" || len(l.All) == 0 || err == nil && (index < 0 || index >= len(l.All)) {
			break
		}
		l.Selected = append(l.Selected, entry)
	}
	return l
}
