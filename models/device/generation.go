package device

import (
	"regexp"
	"strconv"
	"strings"
)

// onlyCUDA12 matches the names of GPUs for which the libraries for CUDA 13 have no code:
// those with a compute capability below 7.5, and of 10. deploy/deps/gpu-line.sh has the same
// names.
var onlyCUDA12 = regexp.MustCompile(`(^| )(K80|K40|K20|GTX 7|GRID K|M40|M60|M4|M6|GTX 9|TITAN X$|` +
	`P100|P40|P6|P4|GTX 10|Quadro P|Quadro GP|TITAN Xp|V100|TITAN V|Quadro GV|B100|B200|B300|GB200|GB300)`)

// CUDA13 reports whether ONNX Runtime for CUDA 13 supports the GPUs that this process may
// use and their driver, as far as the files of the driver say. The driver must be of
// release 580 or newer.
func (l GPUList) CUDA13() bool {
	major, _, _ := strings.Cut(l.Driver, ".")
	if release, err := strconv.Atoi(major); err != nil || release < 580 {
		return false
	}
	used := l.All
	if l.Restricted {
		used = nil
		for _, d := range l.Selected {
			if d.GPU >= 0 {
				used = append(used, l.All[d.GPU])
			}
		}
	}
	for _, g := range used {
		if onlyCUDA12.MatchString(g.Name) {
			return false
		}
	}
	return true
}
