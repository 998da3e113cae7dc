package metrics

import (
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// WriteFile writes the metrics to a file that the textfile collector of node_exporter
// reads, whole or not at all.
func WriteFile(path string, g prometheus.Gatherer) error {
	families, err := g.Gather()
	if err != nil {
		return err
	}
	// Everybody may read it: node_exporter is another user, and there is no secret in it.
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		enc := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
		for _, f := range families {
			if err := enc.Encode(f); err != nil {
				return err
			}
		}
		return nil
	})
}
