package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec"
	"github.com/batchscore/batchscore/scorer/output"
)

// version is set by the linker.
var version = "dev"

// versionText describes the build: its version, its commit and the version of Go.
func versionText() string {
	return fmt.Sprintf("%s (commit %s, %s)", version, result.Commit(), runtime.Version())
}

// foundLibrary is a shared library as 'batchscore version' finds it.
type foundLibrary struct {
	Version string `json:"version,omitempty"`
	// CUDA is the release of CUDA that it is built for.
	CUDA int    `json:"cuda,omitempty"`
	Path string `json:"path,omitempty"`
	// Missing says why it cannot be used.
	Missing string `json:"missing,omitempty"`
}

func (l *foundLibrary) String() string {
	if l.Missing != "" {
		return "none that can be used, see batchscore doctor"
	}
	return builtFor(l.Version, l.CUDA) + ", " + l.Path
}

// versionReport holds the versions of everything that may decide the bytes of a result.
type versionReport struct {
	Version     string       `json:"version"`
	Commit      string       `json:"commit"`
	Go          string       `json:"go"`
	Platform    string       `json:"platform"`
	ONNXRuntime foundLibrary `json:"onnxruntime"`
	LibJPEG     foundLibrary `json:"libjpeg_turbo"`
	// NvImageCodec is that of --decode-device gpu; nil if there is none.
	NvImageCodec *foundLibrary `json:"nvimagecodec,omitempty"`
	// Decoding is the version of how images become pixels.
	Decoding int `json:"decoding"`
	// Records, RowForm and ClaimForm are the versions of job records, of how rows
	// are written and of how claims are named, in jobs that this program begins.
	Records   int `json:"records"`
	RowForm   int `json:"row_form"`
	ClaimForm int `json:"claim_form"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the program, its libraries and its records",
		Long: `version prints the version of the program and of what decides the bytes of a result:
ONNX Runtime, libjpeg-turbo and nvImageCodec as they are found on this machine, the
decoding of images, and the records of jobs. 'batchscore doctor' says how to get what is
missing.`,
		Example: "  batchscore version --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := findVersions()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			w := newTable(cmd.OutOrStdout())
			printf(w, "batchscore\t%s\n", v.Version)
			printf(w, "commit\t%s\n", v.Commit)
			printf(w, "Go\t%s, %s\n", v.Go, v.Platform)
			printf(w, "ONNX Runtime\t%s\n", &v.ONNXRuntime)
			printf(w, "libjpeg-turbo\t%s\n", &v.LibJPEG)
			if v.NvImageCodec != nil {
				printf(w, "nvImageCodec\t%s\n", v.NvImageCodec)
			}
			printf(w, "decoding\t%d\n", v.Decoding)
			printf(w, "job records\t%d; form of rows %d, of claims %d\n", v.Records, v.RowForm, v.ClaimForm)
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// findVersions returns the versions of this program, and of what it finds on this
// machine.
func findVersions() versionReport {
	v := versionReport{
		Version: version, Commit: result.Commit(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Decoding: preprocess.Decoding,
	}
	v.Records, v.RowForm, v.ClaimForm = output.Versions()
	if info, err := ort.Probe(""); err != nil {
		v.ONNXRuntime = foundLibrary{Path: info.Library, Missing: err.Error()}
	} else {
		v.ONNXRuntime = foundLibrary{Version: info.Version, CUDA: info.CUDA, Path: info.Library}
	}
	if name, err := jpeg.Backend(); err != nil {
		v.LibJPEG = foundLibrary{Missing: err.Error()}
	} else {
		number, path, _ := strings.Cut(strings.TrimPrefix(name, "libjpeg-turbo "), " (")
		v.LibJPEG = foundLibrary{Version: number, Path: strings.TrimSuffix(path, ")")}
	}
	if path, err := nvimgcodec.Find(); err == nil {
		v.NvImageCodec = &foundLibrary{Path: path}
		if v.NvImageCodec.Version, err = nvimgcodec.Version(path); err != nil {
			v.NvImageCodec.Missing = err.Error()
		}
	}
	return v
}
