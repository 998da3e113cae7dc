package scorer

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestAnOlderJobSaysWhoDecoded continues a job that a program with other
// decoders began, and retries its failures.
func TestAnOlderJobSaysWhoDecoded(t *testing.T) {
	images, mend := troubled(t, 20)
	out := new(mem.Store)
	old := options(t, images, out).withDefaults()
	old.Job.Decoding, old.Job.AutoBatch = 0, 4
	if _, _, err := output.Join(t.Context(), out, old.Job); err != nil {
		t.Fatal(err)
	}
	const warning = "begun by a program with other decoders"
	var log bytes.Buffer
	o := options(t, images, out)
	o.Log = zerolog.New(&log)
	if s := mustRun(t, o); !s.MixedDecoding || strings.Count(log.String(), warning) != 1 {
		t.Errorf("_SUCCESS has mixed_decoding %v, and the log is\n%s", s.MixedDecoding, log.String())
	}
	mend()
	log.Reset()
	o = retrying(t, images, out, row.JSONL)
	o.Log = zerolog.New(&log)
	if s := mustRun(t, o); !s.MixedDecoding || strings.Count(log.String(), warning) != 1 {
		t.Errorf("after the retry _SUCCESS has mixed_decoding %v, want true, and the log is\n%s", s.MixedDecoding, log.String())
	}
	verified(t, out)

	if s := mustRun(t, options(t, images, new(mem.Store))); s.MixedDecoding {
		t.Error("a job of one program has mixed_decoding")
	}
}
