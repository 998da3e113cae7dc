package device

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// CUDALine is one of the two lines of ONNX Runtime for GPUs, which are built for a release
// of CUDA each. deploy/deps pins them, and deploy/deps/gpu-line.sh chooses among them by
// the same limits.
type CUDALine struct {
	// CUDA is the release: 12 or 13.
	CUDA int
	// Driver is the first release of the driver for Linux that runs it, such as "525.60".
	Driver string
	// Capability is the lowest compute capability that it has code for, such as "6.0".
	Capability string

	// without are the major numbers of higher capabilities that it has no code for.
	without []string
}

var cudaLines = []CUDALine{
	{CUDA: 12, Driver: "525.60", Capability: "6.0"},
	{CUDA: 13, Driver: "580.65", Capability: "7.5", without: []string{"10", "11"}},
}

// LineOfCUDA returns the line for a release of CUDA. It has no limits, and serves
// everything, if the release is not known.
func LineOfCUDA(release int) CUDALine {
	for _, l := range cudaLines {
		if l.CUDA == release {
			return l
		}
	}
	return CUDALine{}
}

// LineFor returns the newest line that serves a compute capability. It reports false if
// none does.
func LineFor(capability string) (CUDALine, bool) {
	for i := len(cudaLines) - 1; i >= 0; i-- {
		if cudaLines[i].Serves(capability) {
			return cudaLines[i], true
		}
	}
	return CUDALine{}, false
}

// Serves reports whether the line has code for a compute capability, or makes some when it
// starts. One that is unknown ("") is served.
func (l CUDALine) Serves(capability string) bool {
	if capability == "" || l.Capability == "" {
		return true
	}
	major, _, _ := strings.Cut(capability, ".")
	return AtLeast(capability, l.Capability) && !slices.Contains(l.without, major)
}

// Served returns the compute capabilities of the line for an error text, such as "6.0 and
// newer"; empty if they are not known.
func (l CUDALine) Served() string {
	switch {
	case l.Capability == "":
		return ""
	case len(l.without) > 0:
		return l.Capability + " and newer except " + strings.Join(l.without, ".x and ") + ".x"
	}
	return l.Capability + " and newer"
}

// runsOn reports whether a driver is of the release that the line needs, or of a newer one.
func (l CUDALine) runsOn(driver string) bool {
	major, _, _ := strings.Cut(l.Driver, ".")
	return AtLeast(driver, major+".0")
}

// AtLeast reports whether a version such as "7.5" or "580.65.06" has at least these two
// numbers. A version that has not two numbers has not.
func AtLeast(version, least string) bool {
	var major, minor, leastMajor, leastMinor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return false
	}
	if _, err := fmt.Sscanf(least, "%d.%d", &leastMajor, &leastMinor); err != nil {
		return false
	}
	return major > leastMajor || major == leastMajor && minor >= leastMinor
}

// A generation is GPUs whose names say that a line does not serve them.
type generation struct {
	capability string
	names      string // a pattern for a part of the name, from the beginning of a word on
}

// generations are those with a compute capability that one of cudaLines does not serve.
var generations = []generation{
	{"3.0", `K80|K40|K20|GTX 7|GRID K`},
	{"5.2", `M40|M60|M4|M6|GTX 9|TITAN X$`},
	{"6.0", `P100|P40|P6|P4|GTX 10|Quadro P|Quadro GP|TITAN Xp`},
	{"7.0", `V100|TITAN V|Quadro GV`},
	{"10.0", `B100|B200|B300|GB200|GB300`},
}

// capabilityOf returns the lowest compute capability of the generation of a GPU; empty
// if its name does not say that it is in one of generations.
func capabilityOf(name string) string {
	for _, g := range generations {
		if regexp.MustCompile(`(^| )(` + g.names + `)`).MatchString(name) {
			return g.capability
		}
	}
	return ""
}

// CUDA13 reports whether ONNX Runtime for CUDA 13 supports the GPUs that this process may
// use and their driver, as far as the files of the driver say.
func (l GPUList) CUDA13() bool {
	line := LineOfCUDA(13)
	if !line.runsOn(l.Driver) {
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
		if !line.Serves(capabilityOf(g.Name)) {
			return false
		}
	}
	return true
}
