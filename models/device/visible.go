package device

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// CUDA's environment variables. VisibleVariable lists the devices of a process;
// OrderVariable says how CUDA numbers them.
const (
	VisibleVariable = "CUDA_VISIBLE_DEVICES"
	OrderVariable   = "CUDA_DEVICE_ORDER"
	byBus           = "PCI_BUS_ID"
)

const (
	gpuPrefix = "GPU-"
	migPrefix = "MIG-"
)

// Device is what CUDA calls a device: a GPU, or a MIG device, which is a part of one.
type Device struct {
	// GPU is its number in GPUList.All; -1 if unknown.
	GPU int
	// Part is the name of the MIG device; empty if it is a whole GPU.
	Part string
}

// onPurpose are the values of CUDA_VISIBLE_DEVICES by which users and Slurm say that a
// process is to have no GPU.
var onPurpose = []string{"", "-1", "NoDevFiles", "none"}

// restrict applies a value of CUDA_VISIBLE_DEVICES, as CUDA does. The first entry decides
// whether the list has numbers, names of GPUs or names of MIG devices. The entries before
// the first one that selects nothing count. If a device is selected twice, none is.
func (l *GPUList) restrict(value string) {
	l.Restricted, l.Selected, l.rejected = true, nil, ""
	l.withheld = slices.Contains(onPurpose, strings.TrimSpace(value))
	if len(l.All) == 0 || value == "" {
		return
	}
	prefix := ""
	for _, p := range []string{gpuPrefix, migPrefix} {
		if strings.HasPrefix(strings.TrimSpace(value), p) {
			prefix = p
		}
	}
	seen := map[Device]bool{}
	for entry := range strings.SplitSeq(value, ",") {
		entry = strings.TrimSpace(entry)
		d, why := l.find(entry, prefix)
		if why != "" {
			l.rejected = fmt.Sprintf("%q: %s", entry, why)
			return
		}
		if seen[d] && (d.GPU >= 0 || d.Part != "") {
			l.Selected, l.rejected = nil, fmt.Sprintf("%q is there twice", entry)
			return
		}
		seen[d] = true
		l.Selected = append(l.Selected, d)
	}
}

// find returns the device that an entry of a list selects, or why it selects none.
func (l *GPUList) find(entry, prefix string) (d Device, why string) {
	switch {
	case entry == "":
		return Device{}, "an entry is empty"
	case !strings.HasPrefix(entry, prefix):
		return Device{}, "the list began with " + prefix + "..."
	case prefix == migPrefix:
		return Device{l.partOf(entry), entry}, ""
	case prefix == gpuPrefix:
		return l.byUUID(entry)
	}
	// CUDA reads them as C's strtoul does: a sign and the digits at the beginning.
	digits := strings.TrimPrefix(entry, "+")
	digits = digits[:len(digits)-len(strings.TrimLeft(digits, "0123456789"))]
	n := number(digits)
	if n < 0 || n >= len(l.All) {
		return Device{}, "there are the GPUs 0 to " + strconv.Itoa(len(l.All)-1)
	}
	if l.Unordered {
		return Device{-1, ""}, ""
	}
	return Device{l.numbered()[n], ""}, ""
}

// numbered returns the places in All of the GPUs with CUDA's numbers 0, 1 ...: those that
// are divided come after the others.
func (l *GPUList) numbered() []int {
	var whole, divided []int
	for i := range l.All {
		if len(l.All[i].Parts) == 0 {
			whole = append(whole, i)
		} else {
			divided = append(divided, i)
		}
	}
	return append(whole, divided...)
}

// byUUID returns the GPU whose UUID begins with entry.
func (l *GPUList) byUUID(entry string) (d Device, why string) {
	d.GPU = -1
	known := false
	for i, g := range l.All {
		known = known || g.UUID != ""
		if g.UUID == "" || !strings.HasPrefix(g.UUID, entry) {
			continue
		}
		if d.GPU >= 0 {
			return Device{}, "it is the beginning of several GPUs' names"
		}
		d.GPU = i
	}
	if d.GPU < 0 && known {
		return Device{}, "there is no GPU of this name"
	}
	return d, ""
}

// partOf returns the number of the GPU to which a MIG device belongs; -1 if unknown. Only
// the older form of its name, MIG-GPU-uuid/gi/ci, tells that.
func (l *GPUList) partOf(mig string) int {
	uuid, _, old := strings.Cut(strings.TrimPrefix(mig, migPrefix), "/")
	for i, g := range l.All {
		if old && g.UUID == uuid {
			return i
		}
	}
	return -1
}

// Devices returns the devices among which the ranks of this machine choose. A GPU that is
// divided is replaced by its parts.
func (l GPUList) Devices() []Device {
	var devices []Device
	if !l.Restricted {
		for i := range l.All {
			devices = append(devices, l.divide(i)...)
		}
		return devices
	}
	for _, d := range l.Selected {
		if d.Part != "" || d.GPU < 0 {
			devices = append(devices, d)
		} else {
			devices = append(devices, l.divide(d.GPU)...)
		}
	}
	return devices
}

// divide returns the parts of a GPU, or the GPU itself if it has none.
func (l GPUList) divide(gpu int) []Device {
	if len(l.All[gpu].Parts) == 0 {
		if l.Unordered && !l.Restricted {
			gpu = -1
		}
		return []Device{{GPU: gpu}}
	}
	var devices []Device
	for _, part := range l.All[gpu].Parts {
		devices = append(devices, Device{gpu, part})
	}
	return devices
}

// Visible returns how many devices there are to choose from.
func (l GPUList) Visible() int { return len(l.Devices()) }

// Choice is the device of one rank.
type Choice struct {
	Device
	// Index is the number that CUDA gives it in this process.
	Index int
	// Only is what CUDA_VISIBLE_DEVICES must be set to first; empty if it need not be
	// set. CUDA shows a process at most one MIG device, and no other device besides.
	Only string
}

// Choose returns the device of a local rank. Visible must not be 0.
func (l GPUList) Choose(localRank int) Choice {
	devices := l.Devices()
	n := localRank % len(devices)
	c := Choice{Device: devices[n], Index: n}
	for _, d := range devices {
		if d.Part != "" && len(devices) > 1 {
			c.Index, c.Only = 0, l.name(c.Device)
		}
	}
	return c
}

// name returns the entry of CUDA_VISIBLE_DEVICES that selects a device.
func (l GPUList) name(d Device) string {
	switch {
	case d.Part != "":
		return d.Part
	case d.GPU >= 0:
		return cmp.Or(l.All[d.GPU].UUID, strconv.Itoa(slices.Index(l.numbered(), d.GPU)))
	}
	return ""
}

// Apply sets CUDA's environment variables for a choice. It must be called before CUDA is
// loaded, which reads them once. It makes CUDA number GPUs by PCI address, as the driver's
// tools do and as GPUList.All is ordered, unless the user has chosen an order.
func (c Choice) Apply() error {
	if !isSet(OrderVariable) {
		if err := os.Setenv(OrderVariable, byBus); err != nil {
			return err
		}
	}
	if c.Only == "" {
		return nil
	}
	return os.Setenv(VisibleVariable, c.Only)
}

// Of returns what is known of the GPU of a device.
func (l GPUList) Of(d Device) GPU {
	if d.GPU < 0 {
		return unknownGPU()
	}
	return l.All[d.GPU]
}

// Shared reports whether several of localSize ranks of this machine certainly use the
// same device. A list of one device is usually that of one rank: Slurm gives each rank
// its own with --gpus-per-task.
func (l GPUList) Shared(localSize int) bool {
	if l.Restricted {
		everything := GPUList{All: l.All}
		parts := slices.ContainsFunc(l.Selected, func(d Device) bool { return d.Part != "" })
		if localSize > everything.Visible() && !parts { // the driver may not show all parts
			return true
		}
		if l.Visible() == 1 || isSet("SLURM_GPUS_PER_TASK") || isSet("SLURM_TRES_PER_TASK") {
			return false
		}
	}
	return localSize > l.Visible()
}

// Mistaken reports whether there are GPUs of which CUDA_VISIBLE_DEVICES selects none,
// and its value does not say that none is wanted.
func (l GPUList) Mistaken() bool {
	return len(l.All) > 0 && l.Restricted && len(l.Selected) == 0 && !l.withheld
}

func isSet(name string) bool {
	_, set := os.LookupEnv(name)
	return set
}

// Missing returns the reason why Visible is 0.
func (l GPUList) Missing() string {
	switch {
	case len(l.All) == 0:
		return "no NVIDIA GPU is visible (/proc/driver/nvidia/gpus and /dev/nvidia0 are missing:" +
			" install the NVIDIA driver, or start the container with its GPUs)"
	case l.Restricted && len(l.Selected) == 0:
		text := fmt.Sprintf("%s selects none of the %d GPUs", VisibleVariable, len(l.All))
		if l.rejected != "" {
			text += " (" + l.rejected + ")"
		}
		return text
	}
	return ""
}
