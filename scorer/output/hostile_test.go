package output

import (
	"errors"
	"fmt"
	hardware "github.com/batchscore/batchscore/models/device"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
)

// allocated returns how many bytes fn takes from the heap, those included that are free
// again.
func allocated(fn func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// readers are what reads an output. The first ones read everything.
var readers = []struct {
	name string
	read func(t *testing.T, st store.Store) error
}{
	{name: "Verify", read: func(t *testing.T, st store.Store) error {
		report, err := Verify(t.Context(), st)
		if err != nil || report.OK() {
			return err
		}
		var details []string
		for _, p := range report.Problems {
			details = append(details, p.Object+": "+p.Detail)
		}
		return fmt.Errorf("%w: %s", ErrMismatch, strings.Join(details, "; "))
	}},
	{name: "Look", read: func(t *testing.T, st store.Store) error { _, err := Observe(st).Look(t.Context()); return err }},
	{name: "Merge", read: func(t *testing.T, st store.Store) error { return Merge(t.Context(), st, io.Discard, MergeOptions{}) }},
	{name: "Rows", read: func(t *testing.T, st store.Store) error {
		return Rows(t.Context(), st, func(row.Row) error { return nil })
	}},
	{name: "Intact", read: func(t *testing.T, st store.Store) error {
		s, err := ReadSuccess(t.Context(), st)
		if err != nil {
			return err
		}
		return errors.Join(Intact(t.Context(), st, s), s.CountWorkers(t.Context(), st))
	}},
	{name: "Join", read: func(t *testing.T, st store.Store) error {
		job, _, err := Join(t.Context(), st, testJob(row.JSONL))
		if err != nil {
			return err
		}
		m, err := ReadManifest(t.Context(), st)
		if err != nil {
			return err
		}
		defer m.Close()
		_, err = Finish(t.Context(), st, job, m, FinishOptions{})
		return err
	}},
	{name: "Owners", read: func(t *testing.T, st store.Store) error {
		_, err := claim.Owners(t.Context(), st, claim.Named, nil)
		return err
	}},
	{name: "Repair", read: func(t *testing.T, st store.Store) error { _, err := Repair(t.Context(), st); return err }},
}

// TestFault45_HugeRecords: an object that is larger than what batchscore writes under its name is
// refused before memory is taken for it, by all that read it.
func TestFault45_HugeRecords(t *testing.T) {
	const huge = 30 << 30
	inMemory := newClock().store()
	complete(t, inMemory, testJob(row.JSONL), 20)
	made := objects(t, inMemory)
	for _, test := range []struct {
		object string
		read   int  // by how many of the readers at least
		none   bool // it proves nothing, and does no harm
	}{
		{object: jobName, read: 6},
		{object: manifestName, read: 6},
		{object: SuccessName, read: 5},
		{object: "part-00001.jsonl", read: 5},
		{object: digestsName, read: 1},
		{object: workerFolder + "r0.json", read: 3},
		{object: "_batchscore/claims/chunk-00001.000000", none: true},
		{object: deliveryFolder + "0123456789abcdef.json", none: true},
	} {
		t.Run(test.object, func(t *testing.T) {
			root := t.TempDir()
			for name, body := range made {
				path := filepath.Join(root, filepath.FromSlash(name))
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(body), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			st, err := dir.New(root, dir.Options{})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(root, filepath.FromSlash(test.object))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, huge); err != nil {
				t.Fatal(err)
			}
			refused := 0
			for _, r := range readers {
				var err error
				if used := allocated(func() { err = r.read(t, st) }); used > 32<<20 {
					t.Errorf("%s took %d MB", r.name, used>>20)
				}
				if err == nil {
					continue
				}
				refused++
				if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), test.object) || test.none {
					t.Errorf("%s: %v, want ErrMismatch of %s", r.name, err, test.object)
				}
				if large := new(store.TooLarge); errors.As(err, &large) && (large.Size != huge || large.Most >= huge) {
					t.Errorf("%s: %+v", r.name, large)
				}
			}
			if refused < test.read {
				t.Errorf("%d readers refused it, want %d", refused, test.read)
			}
		})
	}
}

// TestLargestRecords: what a large job writes is far below the bounds.
func TestLargestRecords(t *testing.T) {
	long := strings.Repeat("\xff", 4096) // a path of the greatest length, which JSON makes six times as long
	j := testJob(row.JSONL)
	j.Images, j.Model, j.LabelsFile, j.Device, j.OutputName = long, long, long, long, long
	j.TopK = 50
	body, err := encodeRecord(&j)
	if err != nil || len(body) > recordMost/4 {
		t.Errorf("a job record of %d bytes, %v; the bound is %d", len(body), err, recordMost)
	}
	s := newSuccess(&j, j.Chunks(100_000_000), map[string]string{"batchscore": "1", "onnxruntime": "1"})
	for i := range 1000 { // as many kinds of devices as a cluster may have
		s.Devices = append(s.Devices, fmt.Sprint("cuda/NVIDIA H200 NVL with a long name ", i))
		s.GPUKinds = append(s.GPUKinds, fmt.Sprint("NVIDIA H200 NVL, compute capability 9.0, cuDNN 9.10.2, driver 570.124.06, ", i))
	}
	s.Answers = &row.Summary{}
	for range row.SummaryLabels {
		s.Answers.Labels = append(s.Answers.Labels, row.LabelCount{Label: long[:1000], Images: 1 << 40})
	}
	if body, err = encodeRecord(&s); err != nil || len(body) > recordMost/2 {
		t.Errorf("a _SUCCESS of %d bytes, %v; the bound is %d", len(body), err, recordMost)
	}
	w := WorkerSummary{Worker: claim.Worker{ID: long, Host: long}, Started: time.Now(), Device: long}
	if body, err = encodeRecord(&w); err != nil || len(body) > recordMost/4 {
		t.Errorf("a summary of %d bytes, %v; the bound is %d", len(body), err, recordMost)
	}
	// A part all of whose images have such paths.
	rows := make([]row.Row, 4)
	for i := range rows {
		a := &row.Classification{Label: "label", TopK: make([]row.Class, 50)}
		for k := range a.TopK {
			a.TopK[k] = row.Class{ClassID: k, Label: strings.Repeat("l", 100), Score: 0.123456789}
		}
		rows[i] = row.Row{Path: long, Size: 1 << 60, Status: row.StatusOK, Answer: a}
	}
	for _, f := range formats {
		j.Format = f
		body, err := j.Schema().Encode(rows)
		if most := j.partMost(len(rows)); err != nil || int64(len(body)) > most/2 {
			t.Errorf("a part in %s of %d bytes, %v; the bound is %d", f, len(body), err, most)
		}
	}
	name := (&PartNames{format: row.Parquet, folders: true}).Name(9_999_999)
	if line := appendDigest(nil, strings.Repeat("0", 64), name); len(line) > digestMost {
		t.Errorf("a line of digests has %d bytes, want %d at most", len(line), digestMost)
	}
}

// TestPartOfManyRows: a part takes memory for the rows that it should have.
func TestPartOfManyRows(t *testing.T) {
	j := testJob(row.JSONL)
	for _, f := range []row.Format{row.JSONL, row.CSV} {
		j.Format = f
		empty, err := j.Schema().Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		body := append(empty, make([]byte, 4<<20)...)
		for i := len(empty); i < len(body); i++ {
			body[i] = '\n'
		}
		if used := allocated(func() { _, err = j.decode(body, 8) }); !errors.Is(err, ErrMismatch) || used > 16<<20 {
			t.Errorf("%s: %v, and %d MB for 4 MB of ends of lines", f, err, used>>20)
		}
	}
}

// hostile returns values that a field may be set to: ends of ranges, and texts that are
// paths, commands or huge.
func hostile(t reflect.Type) (values []reflect.Value) {
	add := func(v any) { values = append(values, reflect.ValueOf(v).Convert(t)) }
	switch t.Kind() {
	case reflect.String:
		for _, text := range []string{"", "\x1b]0;x\a\n", "x/../../y", strings.Repeat("x", 300_000)} {
			add(text)
		}
	case reflect.Int, reflect.Int64:
		for _, n := range []int64{0, -1, math.MaxInt32, 1 << 40, math.MaxInt64} {
			add(n)
		}
	case reflect.Float32, reflect.Float64:
		for _, f := range []float64{-1, 1e9, 3e38} {
			add(f)
		}
	case reflect.Bool:
		add(true)
		add(false)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			for _, year := range []int{1, 9999} {
				add(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
			}
		}
	}
	return values
}

// mutate calls fn for each field of a record with each hostile value in turn. name says
// which field has which.
func mutate(v reflect.Value, name string, fn func(name string)) {
	for _, value := range hostile(v.Type()) {
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		v.Set(value)
		fn(fmt.Sprintf("%s = %.40q", name, fmt.Sprint(value.Interface())))
		v.Set(was)
	}
	switch v.Kind() {
	case reflect.Pointer:
		was := v.Elem()
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fn(name + " is not nil")
		mutate(v.Elem(), name, fn)
		v.SetZero()
		fn(name + " = nil")
		if was.IsValid() {
			v.Set(was.Addr())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("json") != "-" && f.Name != "Version" && f.Name != "Checksum" {
				mutate(v.Field(i), name+"."+f.Name, fn)
			}
		}
	case reflect.Slice:
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		for _, n := range []int{0, 1000} {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			fn(fmt.Sprintf("%s has %d elements", name, n))
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		mutate(v.Index(0), name+"[0]", fn)
		v.Set(was)
	case reflect.Map:
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		for _, key := range []string{"", "ok", "\x1b[31m"} {
			element := reflect.New(v.Type().Elem()).Elem()
			set := func(what string) {
				m := reflect.MakeMap(v.Type())
				m.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), element)
				v.Set(m)
				fn(what)
			}
			set(fmt.Sprintf("%s has the key %q", name, key))
			mutate(element, fmt.Sprintf("%s[%q]", name, key), set)
		}
		v.SetZero()
		fn(name + " = nil")
		v.Set(was)
	}
}

// TestHostileRecords: whatever the fields of a record say, with a checksum that matches,
// all that read the output end soon, without a panic and without much memory, in one of
// the errors that they document. So does a job that is continued. Only every 16th record is
// read unless BATCHSCORE_HOSTILE is set, as "make hostile" does.
func TestHostileRecords(t *testing.T) {
	for _, test := range []struct {
		object string
		new    func() record
	}{
		{object: jobName, new: func() record { return new(Job) }},
		{object: SuccessName, new: func() record { return new(Success) }},
		{object: workerFolder + "w.json", new: func() record { return new(WorkerSummary) }},
		{object: retryFolder + "0001/" + jobName, new: func() record { return new(Job) }},
		{object: retryFolder + "0001/" + SuccessName, new: func() record { return new(Success) }},
	} {
		t.Run(test.object, func(t *testing.T) {
			t.Parallel()
			made, _ := retried(t, row.JSONL)
			writeSummary(t, made, WorkerSummary{Worker: claim.Worker{ID: "w", Host: "h", World: 2}, Started: newClock().now, Seconds: 1,
				Statuses: map[string]int{row.StatusOK: 1}, End: "done", GPU: &hardware.GPUFacts{Name: "P100"}, GPUUse: &hardware.GPUUse{Seconds: 1}})
			all := objects(t, made)
			r := test.new()
			if err := decodeRecord([]byte(all[test.object]), r); err != nil {
				t.Fatal(err)
			}
			every := 16
			if os.Getenv("BATCHSCORE_HOSTILE") != "" {
				every = 1
			}
			varied, wrote := 0, 0
			mutate(reflect.ValueOf(r).Elem(), "", func(name string) {
				body, err := encodeRecord(r)
				if err != nil {
					return // JSON cannot say it
				}
				if varied++; varied%every != 0 {
					return
				}
				wrote++
				st := newClock().store()
				for object, body := range all {
					st.Put(object, []byte(body))
				}
				st.Put(test.object, body)
				some := readers
				if decodeRecord(body, test.new()) != nil { // by which all readers begin
					some = readers[wrote%len(readers):][:1]
				}
				for _, reader := range some {
					var err error
					began := time.Now()
					if used := allocated(func() { err = reader.read(t, st) }); used > 256<<20 { // of all that run at once
						t.Errorf("%s: %s took %d MB", name, reader.name, used>>20)
					}
					if took := time.Since(began); took > time.Minute {
						t.Errorf("%s: %s took %v", name, reader.name, took)
					}
					if err != nil && !errors.Is(err, ErrMismatch) && !errors.Is(err, ErrOtherJob) && !errors.Is(err, ErrIncomplete) &&
						!errors.Is(err, store.ErrNotExist) {
						t.Errorf("%s: %s: %v, which is none of the errors of a damaged output", name, reader.name, err)
					}
					if err != nil && len(err.Error()) > 8<<10 {
						t.Errorf("%s: %s: an error of %d bytes: %.200s", name, reader.name, len(err.Error()), err)
					}
				}
			})
			if varied < 30 || wrote == 0 {
				t.Errorf("%d records, %d of them read, want more: is anything mutated?", varied, wrote)
			}
		})
	}
}
