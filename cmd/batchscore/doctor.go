package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
)

// finding is one line of doctor's report.
type finding struct {
	what, state string
	missing     string // what is missing and how to get it, or ""
	needed      bool   // nothing can be scored without it
	failed      bool   // it is there and cannot be used
}

func newDoctor() *cobra.Command {
	var f doctorFlags
	var bugs bugReportFlags
	cmd := &cobra.Command{
		Use:   "doctor [--bug-report [FILE]]",
		Short: "Report what this machine has for scoring, and what to install",
		Long: `doctor looks for ONNX Runtime and its providers, the decoders of JPEG, HEIC, AVIF,
JPEG XL and JPEG 2000, mpirun, cores, GPUs, registered models, free disk space and
credentials for storage, whose values it does not show. It exits with code 78 if
something is missing that scoring needs.

With --device it also computes a small network on every GPU that this process may use,
compares the result with the CPU's, and shows the GPU's name, memory, compute
capability, NUMA node, and the versions of its driver, CUDA and cuDNN. It exits with
code 78 if a GPU cannot be used or computes something else.

With --bug-report it writes an archive to attach to an issue: versions, this report, the
machine and its control groups, the variables that matter, the ends of logs, and of an
output its records and errors. Credentials, other variables and the names of images are
left out. It prints what is inside. Look through it before you send it. A file of that
name is not replaced, and nobody else may read the new one. It exits with code 78 if
something that --out, --job or --logs names could not be read.`,
		Example: "  batchscore doctor\n  batchscore doctor --device\n  batchscore doctor --bug-report --out result --logs run.log",
		Args:    atMostOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if bugs.asked.yes {
				return bugs.run(cmd, firstArg(args), f.args()...)
			}
			if len(args) > 0 {
				return strayArgument(cmd, args[0], "")
			}
			if err := bugs.refuse(cmd); err != nil {
				return err
			}
			if f.try >= 0 {
				return tryOne(cmd.Context(), cmd.OutOrStdout(), f.try)
			}
			findings := examine()
			if f.device {
				findings = append(findings, tryDevices(cmd.Context(), f.limit)...)
			}
			return diagnose(cmd.OutOrStdout(), findings)
		},
	}
	f.register(cmd)
	bugs.register(cmd)
	return cmd
}

// diagnose prints what this machine has, and returns an error if scoring needs
// something that is missing.
func diagnose(w io.Writer, findings []finding) error {
	if err := printFindings(w, findings); err != nil {
		return err
	}
	var unusable []string
	for _, f := range findings {
		if f.failed {
			unusable = append(unusable, f.what)
		}
	}
	if len(unusable) > 0 {
		return config(fmt.Errorf("%s cannot be used; see above", strings.Join(unusable, ", ")))
	}
	for _, f := range findings {
		if f.needed && f.missing != "" {
			return config(fmt.Errorf("nothing can be scored without %s; see above", f.what))
		}
	}
	return nil
}

// examine returns what doctor reports.
func examine() []finding {
	list := append([]finding{{what: "batchscore", state: versionText()}}, onnxRuntime()...)
	list = append(append(list, jpegDecoder(), gpuDecoder()), nativeDecoders()...)
	list = append(list, openMPI(), cores())
	list = append(append(list, memory()...), gpus())
	if cache := os.Getenv("BATCHSCORE_CACHE"); cache != "" {
		list = append(list, fetchedFiles(cache))
	}
	return append(list, registeredModels(), disk(), credentials())
}

func printFindings(w io.Writer, findings []finding) error {
	widest := 0
	for _, f := range findings {
		widest = max(widest, len(f.what))
	}
	indent := strings.Repeat(" ", len("MISSING")+2+widest+2) // of the third column
	width := 100
	if isTerminal(w) {
		width = helpWidth()
	}
	for _, f := range findings {
		mark := "ok"
		switch {
		case f.failed:
			mark = "FAIL"
		case f.missing != "" && f.needed:
			mark = "MISSING"
		case f.missing != "":
			mark = "-"
		}
		text := strings.Join(columns.Wrap(strings.TrimSpace(f.state+" "+f.missing), width-len(indent)), "\n"+indent)
		if _, err := fmt.Fprintf(w, "%-9s%-*s%s\n", mark, widest+2, f.what, text); err != nil {
			return err
		}
	}
	return nil
}

// onnxRuntime returns one finding for the library and one for each provider.
func onnxRuntime() []finding {
	info, err := ort.Probe("")
	if err != nil {
		return []finding{{what: "ONNX Runtime", missing: err.Error(), needed: true}}
	}
	state := builtFor(info.Version, info.CUDA) + ", " + info.Library
	if ort.StandIn(info.Library) {
		state += ", with a stand-in for CUDA, which computes nothing"
	}
	list := []finding{{what: "ONNX Runtime", state: state}}
	for _, p := range info.Providers {
		f := finding{what: "  provider " + p.Name, state: "usable"}
		switch visible := device.GPUs().Visible(); {
		case p.Err == nil && p.Name != ort.CPU:
			f.state = "libraries found; not tried, which --device does"
		case p.Err == nil:
		case p.Name != ort.CPU && visible == 0:
			f.state, f.missing = "", "no NVIDIA GPU is visible"
		default:
			f.state, f.missing = "", strings.TrimPrefix(p.Err.Error(), models.ErrProvider.Error()+": ")
		}
		list = append(list, f)
	}
	return list
}

// builtFor returns the version of a library, and the release of CUDA for which it is
// built.
func builtFor(version string, cuda int) string {
	if cuda == 0 {
		return version
	}
	return fmt.Sprintf("%s for CUDA %d", version, cuda)
}

func jpegDecoder() finding {
	f := finding{what: "JPEG decoder"}
	name, err := jpeg.Backend()
	if err != nil {
		f.state = "Go's own, several times slower;"
		f.missing = err.Error()
		return f
	}
	f.state = name
	return f
}

// gpuDecoder looks for the library of --decode-device gpu. It does not open a device.
func gpuDecoder() finding {
	f := finding{what: "JPEG on a GPU"}
	library, err := nvimgcodec.Find()
	switch {
	case err == nil && device.GPUs().Visible() == 0:
		f.missing = "nvImageCodec was found, " + library + ", but no NVIDIA GPU is visible"
	case err == nil:
		f.state = "nvImageCodec was found, " + library + ", for --decode-device gpu; not tried"
	case device.GPUs().Visible() == 0:
		f.missing = "no NVIDIA GPU is visible"
	default:
		f.missing = "nvImageCodec, needed for --decode-device gpu only; " + nvimgcodec.HowToInstall
	}
	return f
}

func openMPI() finding {
	f := finding{what: "mpirun"}
	out, err := exec.Command("mpirun", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		f.missing = "none, needed for several ranks on one machine only; install Open MPI (Debian, Ubuntu: apt-get install openmpi-bin)"
		return f
	}
	if err != nil {
		f.missing = err.Error()
		return f
	}
	f.state, _, _ = strings.Cut(string(out), "\n")
	return f
}

func cores() finding {
	c := device.CPUs(1)
	f := finding{what: "cores", state: fmt.Sprintf("%d to compute on; machine %d, affinity mask %d", c.Usable, c.Online, c.Mask)}
	if c.Quota > 0 {
		f.state += fmt.Sprintf(", quota %.1f", c.Quota)
	}
	if told := os.Getenv(device.CPUsEnv); c.Told > 0 {
		f.state += fmt.Sprintf(", %s %g", device.CPUsEnv, c.Told)
	} else if told != "" && told != "0" {
		f.state += fmt.Sprintf("; %s=%q is not a number of cores and says nothing", device.CPUsEnv, told)
	}
	if c.Shares > 0 && c.Quota == 0 && c.Told == 0 {
		f.state += fmt.Sprintf("; no quota, and the control group's share is that of %.1f cores: if others compute on this machine, set %s", c.Shares, device.CPUsEnv)
	}
	return f
}

func gpus() finding {
	f := finding{what: "GPUs"}
	list := device.GPUs()
	if len(list.All) == 0 {
		f.missing = "none; the CPU is used"
		return f
	}
	f.state = fmt.Sprintf("%d visible of %d", list.Visible(), len(list.All))
	var names []string
	for _, g := range list.All {
		if name := strings.TrimSpace(g.Name + " " + g.Bus); name != "" {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		f.state += ": " + strings.Join(names, ", ")
	}
	if list.Driver != "" {
		f.state += "; driver " + list.Driver
	}
	if why := list.Missing(); why != "" {
		f.state += ";"
		f.missing = why
	}
	return f
}

// fetchedFiles returns what is in the folder that BATCHSCORE_CACHE names.
func fetchedFiles(cache string) finding {
	f := finding{what: "fetched files", state: "in BATCHSCORE_CACHE=" + cache}
	_, err := os.Stat(filepath.Join(cache, "onnxruntime"))
	if _, gpuErr := os.Stat(filepath.Join(cache, "onnxruntime-gpu")); err != nil && gpuErr != nil {
		f.state, f.missing = "", "BATCHSCORE_CACHE="+cache+" has no ONNX Runtime; \"make deps\" in the source tree fetches it there"
	}
	return f
}

// registeredModels returns the models that --model takes by name.
func registeredModels() finding {
	f := finding{what: "models"}
	dir, err := library.Dir()
	if err != nil {
		f.missing = err.Error()
		return f
	}
	entries, err := library.Entries(dir)
	if err != nil {
		f.missing = err.Error()
		return f
	}
	var names, faults []string
	for _, e := range entries {
		names = append(names, e.Name)
		if state, err := e.State(); err != nil {
			faults = append(faults, err.Error())
		} else if state != library.StateOK {
			faults = append(faults, fmt.Sprintf("the file of %s is %s: %s", e.Name, state, e.File))
		}
	}
	if len(names) == 0 {
		f.missing = "none registered in " + dir + "; --model takes a file, too"
		return f
	}
	f.state = strings.Join(names, ", ") + "; in " + dir
	f.missing = strings.Join(faults, "; ")
	return f
}

// readOnlyMount is ST_RDONLY of statvfs(3).
const readOnlyMount = 1

// disk returns the free space where runs write: in the working folder, and where
// files are spooled.
func disk() finding {
	f := finding{what: "disk"}
	var parts []string
	for _, folder := range []struct{ name, what string }{{name: ".", what: "this folder"}, {name: os.TempDir(), what: os.TempDir()}} {
		var s syscall.Statfs_t
		if err := syscall.Statfs(folder.name, &s); err != nil {
			f.missing = folder.what + ": " + err.Error()
			continue
		}
		if s.Flags&readOnlyMount != 0 {
			parts = append(parts, folder.what+" is read-only")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s free in %s", formatBytes(int64(s.Bavail)*s.Bsize), folder.what))
	}
	f.state = strings.Join(parts, ", ")
	return f
}

// credentials returns the names of the variables that hold credentials.
func credentials() finding {
	f := finding{what: "credentials"}
	var set []string
	for _, name := range storages.Secrets() {
		if os.Getenv(name) != "" {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		f.missing = "none in the environment; for object storage, --credentials names a file, or the storage's default chain is used"
		return f
	}
	f.state = strings.Join(set, ", ")
	return f
}

// memory returns what decoding may take on this machine by default.
func memory() []finding {
	_, err := jpeg.Backend()
	return memoryFor(budget.LimitsOf(0, 1), err == nil)
}

// memoryFor returns the memory for decoding, and how large an image of each format may be
// whatever its kind, with or without libjpeg-turbo.
func memoryFor(l budget.Limits, turbo bool) []finding {
	var sizes []string
	for _, f := range preprocess.BytesPerPixel {
		bytes := f.Bytes
		if f.Format == "JPEG" && !turbo {
			bytes = preprocess.JPEGBytesPerPixelInGo
		}
		pixels := min(float64(l.Largest)/bytes, preprocess.DefaultMaxPixels)
		sizes = append(sizes, fmt.Sprintf("%s %.0f (%g)", f.Format, math.Floor(pixels/1e6), bytes))
	}
	return []finding{
		{what: "memory", state: fmt.Sprintf("%s for all decoding at a time, %s (run --decode-memory); of that, %s for one image (run --max-image-memory)",
			budget.Bytes(l.Memory), l.From, budget.Bytes(l.Largest))},
		{what: "  largest images", state: "in megapixels, and bytes that a pixel takes at most: " + strings.Join(sizes, ", ") +
			"; a pixel of HEIC, AVIF, JPEG XL and JPEG 2000 takes 14 to 44 bytes, and an image 48 MB more;" +
			" other formats as PNG; a lossless WebP takes up to 220 MB more"},
	}
}
