package cudatest

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeRoot writes what NVIDIA's driver shows of its GPUs in the file system.
func writeRoot(root string, devices []Device, driver string) error {
	files := map[string]string{
		"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  " + driver + "  stand-in\n",
	}
	for i, d := range devices {
		bus := d.Bus
		if len(bus) > 12 { // The file system has four digits of the domain, NVML eight.
			bus = bus[len(bus)-12:]
		}
		files[filepath.Join("proc/driver/nvidia/gpus", bus, "information")] = fmt.Sprintf(
			"Model: \t\t %s\nGPU UUID: \t %s\nBus Type: \t PCIe\nBus Location: \t %s\nDevice Minor: \t %d\n", d.Name, d.UUID, bus, i)
		files[fmt.Sprintf("dev/nvidia%d", i)] = ""
		for k := range d.MIG {
			files[fmt.Sprintf("proc/driver/nvidia/capabilities/gpu%d/mig/gi%d/ci0/access", i, k+1)] = fmt.Sprintf("DeviceFileMinor: %d\n", 10*i+k+1)
		}
		// The second half of the GPUs is near the second socket, as NVML says here.
		node := 0
		if len(devices) > 1 && i >= (len(devices)+1)/2 {
			node = 1
		}
		files[filepath.Join("sys/bus/pci/devices", bus, "numa_node")] = fmt.Sprintln(node)
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
