package device

import (
	"regexp"
	"strconv"
	"strings"
)

// beforeTuring matches the names of GPUs with a compute capability below 7.5.
// deploy/deps/gpu-line.sh has the same names.
var beforeTuring = regexp.MustCompile(`(^| )(K80|K40|K20|GTX 7|GRID K|M40|M60|M4|M6|GTX 9|TITAN X$|` +
	`P100|P40|P6|P4|GTX 10|Quadro P|Quadro GP|TITAN Xp|V100|TITAN V|Quadro GV)`)

// CUDA13 reports whether the GPUs that this process may use and their driver support
// CUDA 13, as far as the files of the driver say: all GPUs are of Turing (compute
// capability 7.5) or newer, and the driver is of release 580 or newer.
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
		if beforeTuring.MatchString(g.Name) {
			return false
		}
	}
	return true
}
