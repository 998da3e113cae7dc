package result

import (
	"cmp"
	"maps"
	"runtime"
	"runtime/debug"
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
	// GPU is the name of the GPU that computed; empty for none.
	GPU string `json:"gpu,omitempty"`
	// Commit is that of the program, as Commit returns it; empty if another, unknown
	// program wrote what was analysed.
	Commit string `json:"commit,omitempty"`
	Seed   uint64 `json:"seed"`
	// Versions are by name, in lower case: batchscore, go, onnxruntime, jpeg and
	// whatever else took part.
	Versions map[string]string `json:"versions"`
}

// Here returns the provenance of a run of this program on this machine, now. It adds
// Go's version to versions.
func Here(versions map[string]string, seed uint64) Provenance {
	p := Provenance{
		Date: time.Now().UTC().Truncate(time.Second),
		OS:   runtime.GOOS, Arch: runtime.GOARCH,
		CPU: device.Processor(), Cores: device.CPUs(1).Usable,
		Commit: Commit(), Seed: seed, Versions: maps.Clone(versions),
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

// Unknown is the commit of a program whose build did not record it.
const Unknown = "unknown"

// stamped is the commit that the Makefile passes to the linker, with "+modified" if the
// tree was changed. Go does not stamp tests, nor builds with -buildvcs=false.
var stamped string

// Commit returns the commit that this program was built from, with "+modified" if the
// tree was changed since, or Unknown.
func Commit() string {
	info, _ := debug.ReadBuildInfo()
	return cmp.Or(revision(info), stamped, Unknown)
}

// revision returns the commit that Go stamped a build with, if it did.
func revision(info *debug.BuildInfo) string {
	if info == nil {
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
