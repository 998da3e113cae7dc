package result

import (
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/models/device"
)

// Provenance is what a figure depends on besides its configuration.
type Provenance struct {
	Date time.Time `json:"date"`
	OS   string    `json:"os"`
	Arch string    `json:"arch"`
	// CPU is the processor's model, Cores those that this process may use.
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory"` // of the machine, in bytes
	Kernel string `json:"kernel"`
	// Commit is that of the program, with "+modified" where it was built from a
	// changed tree; empty where the build does not say.
	Commit string `json:"commit,omitempty"`
	Seed   uint64 `json:"seed"`
	// Versions by name: batchscore, go, onnxruntime, jpeg and what else took
	// part. A name is in lower case.
	Versions map[string]string `json:"versions"`
}

// Here is the provenance of a run of this program on this machine, now. Versions
// need not name Go's.
func Here(versions map[string]string, seed uint64) Provenance {
	p := Provenance{
		Date: time.Now().UTC().Truncate(time.Second),
		OS:   runtime.GOOS, Arch: runtime.GOARCH,
		CPU: cpuModel(read("/proc/cpuinfo")), Cores: device.CPUs(1).Usable,
		Commit: commit(), Seed: seed, Versions: maps.Clone(versions),
	}
	if p.Versions == nil {
		p.Versions = map[string]string{}
	}
	p.Versions["go"] = runtime.Version()
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		p.Memory = int64(info.Totalram) * int64(info.Unit)
	}
	var uname unix.Utsname
	if unix.Uname(&uname) == nil {
		p.Kernel = unix.ByteSliceToString(uname.Release[:])
	}
	return p
}

// cpuModel finds the processor's name in the text of /proc/cpuinfo; where it
// names none, as on arm64, the architecture must do.
func cpuModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var revision, modified string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+modified"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + modified
}

func read(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "" // what cannot be told is left out
	}
	return string(text)
}
