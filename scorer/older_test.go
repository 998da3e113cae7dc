package scorer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// newerFields match the fields of a job record that an older release does not know.
var newerFields = regexp.MustCompile(`(?s)\n  "(part_form|max_errors|max_image_memory|labels_file)": [^\n]*,|\n  "preprocess": \{.*?\n  \},`)

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

var allRecords = slices.Sorted(maps.Keys(olderFields))

// checkOlderFields fails the test if an older release cannot read a record of a job, or if
// there is none of one of those kinds.
func checkOlderFields(t *testing.T, out store.Store, kinds ...string) {
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
	if found := slices.Sorted(maps.Keys(seen)); !slices.Equal(found, kinds) {
		t.Errorf("records of %v were found, want %v", found, kinds)
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
			o.GPU, o.OpenEngine = onGPU("P100"), func() (Engine, error) { return shortOfMemory(), nil }
			o.MaxErrors = judge.None
			o.Versions = map[string]string{output.Runtime: "1.31.1", "cudnn": "9.10.2"}
			o.Counters = new(telemetry.Counters)
			mustRun(t, o)
			if o.Counters.Snapshot().Counts[telemetry.Halved] == 0 {
				t.Error("the batch was not halved")
			}
			checkOlderFields(t, out, allRecords...)
			verified(t, out)
			mend()
			again := retrying(t, images, out, f)
			again.GPU, again.OpenEngine, again.Versions = o.GPU, o.OpenEngine, o.Versions
			if s := mustRun(t, again); s.Generation() != 1 {
				t.Errorf("nothing was scored again: %+v", s)
			}
			checkOlderFields(t, out, allRecords...)
			checkOlderFields(t, output.Generation(out, 1), allRecords...)
			verified(t, out)
		})
	}
}

// shortOfMemory returns an engine that does not hold two images.
func shortOfMemory() Engine {
	e := newFakeEngine()
	e.score = func(_ context.Context, lo, hi int) error {
		if hi-lo > 1 {
			return fmt.Errorf("%d images: %w", hi-lo, models.ErrOutOfMemory)
		}
		return nil
	}
	return e
}

// TestOlderRecords: whatever a record of a job that an older release began could say,
// that release can read it.
func TestOlderRecords(t *testing.T) {
	var job output.Job
	fill(t, reflect.ValueOf(&job).Elem())
	job.Format, job.RowForm, job.ClaimForm, job.PartForm, job.Task = row.JSONL, row.Typed, 0, 0, ""
	var s output.WorkerSummary
	fill(t, reflect.ValueOf(&s).Elem())
	out := new(mem.Store)
	if _, _, err := output.Join(t.Context(), out, job); err != nil {
		t.Fatal(err)
	}
	if err := output.WriteSummary(t.Context(), out, &job, s); err != nil {
		t.Fatal(err)
	}
	checkOlderFields(t, out, "job.json", "workers")
}

// fill makes every field of a record other than empty.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x").Convert(v.Type().Key()), value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i))
			}
		}
	default:
		t.Fatalf("no value for a %s", v.Type())
	}
}
