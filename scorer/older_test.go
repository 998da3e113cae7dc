package scorer

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// newerFields match the fields of a job record that an older release does not know.
var newerFields = regexp.MustCompile(`(?s)\n  "(part_form|max_errors|labels_file)": [^\n]*,|\n  "preprocess": \{.*?\n  \},`)

// beginOlder creates the record of a job that an older release began.
func beginOlder(t *testing.T, o Options) {
	t.Helper()
	beginWith(t, o, func(record string) string {
		record = newerFields.ReplaceAllLiteralString(record, "")
		return strings.Replace(record, `"row_form": 2`, `"row_form": 1`, 1)
	})
}

// olderFields are the fields of the records of the last older release, by object. It takes a record with
// any other for damaged.
var olderFields = map[string]string{
	"_SUCCESS": "version job images simulated statuses failed see chunks chunk_size format digests activation jpeg_decoder mixed_decoding " +
		"dependent_rows started ended makespan_seconds images_per_second retry drift passed_over workers devices storage versions checksum",
	"job.json": "version id images files max model model_digest preprocess_digest labels_digest task activation output_name jpeg_decoder precision " +
		"int8 device batch chunk max_pixels max_bytes decoding dependent_rows topk format row_form claim_form retry created checksum",
	"workers": "version worker device batch decoding started seconds share images statuses chunks stolen lost storage end versions checksum",
}

// checkOlderFields fails the test if an older release cannot read a record of a job.
func checkOlderFields(t *testing.T, out store.Store) {
	t.Helper()
	seen := map[string]int{}
	for _, name := range storetest.ObjectNames(t, out) {
		kind := path.Base(name)
		if path.Base(path.Dir(name)) == "workers" {
			kind = "workers"
		}
		known, ok := olderFields[kind]
		if !ok {
			continue
		}
		seen[kind]++
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(object(t, out, name)), &fields); err != nil {
			t.Fatal(err)
		}
		for field := range fields {
			if !slices.Contains(strings.Fields(known), field) {
				t.Errorf("%s has the field %q, which an older release does not know", name, field)
			}
		}
		if form := string(fields["row_form"]); kind == "job.json" && form != "1" {
			t.Errorf("%s has rows of form %s, which an older release does not know", name, form)
		}
	}
	if len(seen) != len(olderFields) {
		t.Errorf("only these records were found: %v", seen)
	}
}

// TestOlderReleaseCanReadItsJob: this release joins a job that an older release began, completes it
// and scores images again. Whatever it writes, the older release can read, which may be at work on
// the job at the same time.
func TestOlderReleaseCanReadItsJob(t *testing.T) {
	for _, f := range row.Formats {
		t.Run(string(f), func(t *testing.T) {
			images, mend := troubled(t, 60)
			out := new(mem.Store)
			o := options(t, images, out)
			o.Job.Format = f
			beginOlder(t, o)
			o.GPU = onGPU("P100")
			mustRun(t, o)
			checkOlderFields(t, out)
			verified(t, out)
			mend()
			again := retrying(t, images, out, f)
			again.GPU = o.GPU
			if s := mustRun(t, again); s.Generation() != 1 {
				t.Errorf("nothing was scored again: %+v", s)
			}
			checkOlderFields(t, out)
			checkOlderFields(t, output.Generation(out, 1))
			verified(t, out)
		})
	}
}
