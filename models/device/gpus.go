package device

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// GPU is one NVIDIA GPU of this machine, as the driver shows it in the file system.
type GPU struct {
	// Name is the driver's name, such as "Tesla P100-PCIE-16GB"; it may be empty.
	Name string
	// Bus is the PCI address, such as "0000:04:00.0"; empty if only the device node is
	// visible.
	Bus string
	// UUID is "GPU-" and a number in hexadecimal; empty if unknown.
	UUID string
	// Minor is the number of the device node; -1 if unknown.
	Minor int
	// Node is the NUMA node whose cores are near the GPU; -1 if unknown.
	Node int
	// Parts are the MIG devices into which the GPU is divided, by the names that
	// CUDA_VISIBLE_DEVICES takes; nil if it is not divided.
	Parts []string
}

// unknownGPU is a GPU of which nothing is known.
func unknownGPU() GPU { return GPU{Minor: -1, Node: -1} }

// GPUList is the GPUs of this machine, and which of them this process may use.
type GPUList struct {
	// All are the GPUs in the order of their PCI addresses.
	All []GPU
	// Driver is the version of the NVIDIA driver, such as "535.129.03"; empty if
	// unknown.
	Driver string
	// Restricted reports whether CUDA_VISIBLE_DEVICES is set; Selected are the devices
	// that it selects.
	Restricted bool
	Selected   []Device
	// Unordered reports whether CUDA_DEVICE_ORDER asks for another order than that of
	// All. It is then unknown which GPU has which number.
	Unordered bool
	// rejected says which entry of CUDA_VISIBLE_DEVICES ended the selection.
	rejected string
	// withheld reports whether its value says that no GPU is wanted.
	withheld bool
}

// GPUs lists NVIDIA GPUs as the driver shows them in the file system. It does not load
// CUDA, nor its signal handlers, into the process.
func GPUs() GPUList {
	root := gpuRoot()
	l := GPUList{All: gpus(root), Driver: driver(root)}
	order, set := os.LookupEnv(OrderVariable)
	l.Unordered = set && order != byBus && len(l.All) > 1
	if value, set := os.LookupEnv(VisibleVariable); set {
		l.restrict(value)
	}
	return l
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

// gpus returns the GPUs that the files under root show.
func gpus(root string) []GPU {
	var all []GPU
	// There is one folder per GPU, named by its PCI address.
	folders, _ := filepath.Glob(filepath.Join(root, "proc/driver/nvidia/gpus/*"))
	slices.Sort(folders)
	for _, folder := range folders {
		all = append(all, described(root, folder))
	}
	nodes, _ := filepath.Glob(filepath.Join(root, "dev/nvidia[0-9]*"))
	if len(all) == 0 {
		for range nodes {
			all = append(all, unknownGPU())
		}
	}
	all = accessible(root, all, len(nodes))
	// Under WSL, one node of the hypervisor represents the GPU.
	if _, err := os.Stat(filepath.Join(root, "dev/dxg")); err == nil && len(all) == 0 {
		g := unknownGPU()
		g.Name = "GPU of the host"
		all = append(all, g)
	}
	return all
}

// accessible returns the GPUs of which this process has the device node. A container may
// have fewer than the driver lists. If there are no nodes at all, the driver may make
// them when CUDA starts.
func accessible(root string, all []GPU, nodes int) []GPU {
	if nodes == 0 || nodes >= len(all) {
		return all
	}
	kept := slices.DeleteFunc(slices.Clone(all), func(g GPU) bool {
		_, err := os.Stat(filepath.Join(root, "dev/nvidia"+strconv.Itoa(g.Minor)))
		return err != nil
	})
	if len(kept) == 0 {
		return all[:nodes]
	}
	return kept
}

// described reads what the driver says of the GPU with that folder.
func described(root, folder string) GPU {
	g := unknownGPU()
	g.Bus = filepath.Base(folder)
	for line := range strings.Lines(read(folder, "information")) {
		key, value, _ := strings.Cut(line, ":")
		switch value = Clean(strings.TrimSpace(value)); key {
		case "Model":
			g.Name = value
		case "GPU UUID":
			if !strings.Contains(value, "?") { // of a GPU that nobody has used yet
				g.UUID = value
			}
		case "Device Minor":
			g.Minor = number(value)
		}
	}
	g.Node = number(read(root, filepath.Join("sys/bus/pci/devices", strings.ToLower(g.Bus), "numa_node")))
	if g.UUID != "" && g.Minor >= 0 {
		g.Parts = parts(root, g)
	}
	return g
}

// parts returns the MIG devices of a GPU: its compute instances, each of which is part
// of a GPU instance.
func parts(root string, g GPU) []string {
	folder := filepath.Join(root, "proc/driver/nvidia/capabilities", "gpu"+strconv.Itoa(g.Minor), "mig")
	type part struct{ gpu, compute int }
	var found []part
	paths, _ := filepath.Glob(filepath.Join(folder, "gi*", "ci*"))
	for _, path := range paths {
		p := part{
			number(strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "gi")),
			number(strings.TrimPrefix(filepath.Base(path), "ci")),
		}
		if p.gpu >= 0 && p.compute >= 0 {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b part) int {
		if a.gpu != b.gpu {
			return a.gpu - b.gpu
		}
		return a.compute - b.compute
	})
	var names []string
	for _, p := range found {
		names = append(names, migPrefix+g.UUID+"/"+strconv.Itoa(p.gpu)+"/"+strconv.Itoa(p.compute))
	}
	return names
}

var driverVersion = regexp.MustCompile(`^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)*)\s`)

// driver returns the version of the NVIDIA driver.
func driver(root string) string {
	if m := driverVersion.FindStringSubmatch(read(root, "proc/driver/nvidia/version") + "\n"); m != nil {
		return m[1]
	}
	return ""
}

// number returns a number from 0 up, or -1.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
