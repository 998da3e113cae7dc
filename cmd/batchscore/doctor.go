package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
)

// finding is one line of doctor's report.
type finding struct {
	what, state string
	missing     string // what is missing and how to get it, or ""
	needed      bool   // nothing can be scored without it
}

func newDoctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Report what this machine has for scoring, and what to install",
		Long: `doctor looks for ONNX Runtime and its providers, the JPEG decoder, mpirun, cores and
GPUs. It exits with code 78 if something is missing that scoring needs.`,
		Example: "  batchscore doctor",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return diagnose(cmd.OutOrStdout())
		},
	}
}

// diagnose prints what this machine has, and returns an error if scoring needs
// something that is missing.
func diagnose(w io.Writer) error {
	findings := examine()
	if err := printFindings(w, findings); err != nil {
		return err
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
	return append(list, jpegDecoder(), openMPI(), cores(), gpus())
}

func printFindings(w io.Writer, findings []finding) error {
	t := newTable(w)
	for _, f := range findings {
		mark := "ok"
		switch {
		case f.missing != "" && f.needed:
			mark = "MISSING"
		case f.missing != "":
			mark = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", mark, f.what, strings.TrimSpace(f.state+" "+f.missing))
	}
	return t.Flush()
}

// onnxRuntime returns one finding for the library and one for each provider.
func onnxRuntime() []finding {
	info, err := ort.Probe("")
	if err != nil {
		return []finding{{what: "ONNX Runtime", missing: err.Error(), needed: true}}
	}
	list := []finding{{what: "ONNX Runtime", state: info.Version + ", " + info.Library}}
	for _, p := range info.Providers {
		f := finding{what: "  provider " + p.Name, state: "usable"}
		if p.Err != nil {
			f.state, f.missing = "", p.Err.Error()
		}
		list = append(list, f)
	}
	return list
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
	return f
}

func gpus() finding {
	f := finding{what: "GPUs"}
	list := device.GPUs()
	if len(list.All) == 0 {
		f.missing = "none; the CPU is used"
		return f
	}
	var names []string
	for _, g := range list.All {
		names = append(names, strings.TrimSpace(g.Name+" "+g.Bus))
	}
	f.state = fmt.Sprintf("%d visible of %d: %s", list.Visible(), len(list.All), strings.Join(names, ", "))
	return f
}
