package gpucheck

import (
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// Schema is the version of report.json. Fields may be added to one; a version of which a
// field was removed, or means something else, is another.
const Schema = 1

// Report is what came of all claims.
type Report struct {
	Schema     int               `json:"schema"`
	Provenance result.Provenance `json:"provenance"`
	// Hardware is what was checked.
	Hardware Hardware `json:"hardware"`
	// Budget is how long the checks were allowed to take, Seconds how long they took.
	Budget  float64 `json:"budget_s"`
	Seconds float64 `json:"seconds"`
	// Interrupted reports whether a signal ended the checks before all were made.
	Interrupted bool     `json:"interrupted"`
	Claims      []Result `json:"claims"`
	// Samples are the figures that were measured, as those of the bench commands.
	Samples []result.Sample `json:"samples,omitempty"`
	// Unmeasured names the points of the sweep for which there was no time.
	Unmeasured []string `json:"unmeasured,omitempty"`
}

// Count returns how many claims have a verdict.
func (r *Report) Count(v Verdict) int {
	n := 0
	for i := range r.Claims {
		if r.Claims[i].Verdict == v {
			n++
		}
	}
	return n
}

// The files of a report in its folder. samplesFile is in the Go benchmark format, for
// bench compare.
const (
	JSONFile     = "report.json"
	MarkdownFile = "report.md"
	samplesFile  = "samples.txt"
)

// write writes the files of a report into a folder.
func (r *Report) write(folder string) error {
	charts, err := r.charts()
	for _, c := range charts {
		err = errors.Join(err, writeFile(folder, c.file, c.svg))
	}
	text, jsonErr := json.MarshalIndent(r, "", "  ")
	err = errors.Join(err, jsonErr, writeFile(folder, JSONFile, append(text, '\n')))
	err = errors.Join(err, writeFile(folder, MarkdownFile, r.markdown(charts)))
	if len(r.Samples) > 0 {
		err = errors.Join(err, result.Append(folder+"/"+samplesFile, result.Run{Provenance: r.Provenance, Samples: r.Samples}))
	}
	return err
}

func writeFile(folder, name string, body []byte) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	return atomicfile.WriteIn(root, name, 0o666, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
}
