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
	// Commit is that of the program, as Commit returns it; empty where another
	// program, which nobody named, wrote what was measured.
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

// Unknown stands for the commit of a program whose build does not tell it.
const Unknown = "unknown"

// stamped is the commit as the Makefile tells it to the linker, with "+modified"
// where the tree was changed: Go does not stamp tests, nor what is built with
// -buildvcs=false.
var stamped string

// Commit is the commit that this program was built from, with "+modified" where
// the tree was changed since, or Unknown.
func Commit() string {
	info, _ := debug.ReadBuildInfo()
	return cmp.Or(revision(info), stamped, Unknown)
}

// revision is the commit that Go stamped a build with, if it did.
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
