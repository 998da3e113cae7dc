package output

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

func TestJoinCreatesThenJoins(t *testing.T) {
	st := new(mem.Store)
	first, created, err := Join(t.Context(), st, testJob(row.JSONL))
	if err != nil || !created {
		t.Fatalf("Join() = created %v, %v, want true", created, err)
	}
	if first.ID == "" || first.Checksum == "" || first.Version != 1 || first.Created.IsZero() {
		t.Errorf("Join() = %+v, want an ID and a time", first)
	}
	second, created, err := Join(t.Context(), st, testJob(row.JSONL))
	if err != nil || created || !reflect.DeepEqual(second, first) {
		t.Errorf("Join() again = %+v, created %v, %v, want %+v", second, created, err, first)
	}
	read, err := ReadJob(t.Context(), st)
	if err != nil || !reflect.DeepEqual(read, first) {
		t.Errorf("ReadJob() = %+v, %v, want %+v", read, err, first)
	}
}

func TestJoinAdoptsBatchAndChunk(t *testing.T) {
	st := new(mem.Store)
	auto := testJob(row.CSV)
	auto.Batch, auto.Chunk, auto.AutoBatch, auto.Listed = 0, 0, 16, 100_000
	first, _, err := Join(t.Context(), st, auto)
	if err != nil || first.Batch != 16 || first.Chunk != 64 {
		t.Fatalf("Join() = %+v, %v, want the batch of the first worker and chunks for what it listed", first, err)
	}
	auto.AutoBatch, auto.Listed = 64, 10
	if second, _, err := Join(t.Context(), st, auto); err != nil || !reflect.DeepEqual(second, first) {
		t.Errorf("Join() of the second worker = %+v, %v, want the recorded batch and chunk", second, err)
	}
	if c := first.Chunks(10); c.Size != 64 || c.Entries != 10 {
		t.Errorf("Chunks() = %+v", c)
	}
	same := auto
	same.Batch = 16
	if _, _, err := Join(t.Context(), st, same); err != nil {
		t.Errorf("Join() with the recorded batch = %v", err)
	}
	for want, change := range map[string]func(*Job){
		"--batch: the job has 16, this command has 8; to continue the job, leave out --batch; or choose another --out": func(j *Job) { j.Batch = 8 },
		"--chunk: the job has 64, this command has 128":                                                                func(j *Job) { j.Chunk = 128 },
	} {
		other := auto
		change(&other)
		if _, _, err := Join(t.Context(), st, other); !errors.Is(err, ErrOtherJob) || !strings.Contains(err.Error(), want) {
			t.Errorf("Join() = %v, want ErrOtherJob with %q", err, want)
		}
	}
	if c := (&Job{Chunk: 10}).Chunks(25); c.Count() != 3 {
		t.Errorf("%d chunks", c.Count())
	}
}

// TestJoinWithoutARecordedChunk: records of older releases may leave the chunk open.
func TestJoinWithoutARecordedChunk(t *testing.T) {
	st := new(mem.Store)
	auto := testJob(row.CSV)
	auto.Batch, auto.Chunk = 16, 0
	if first, _, err := Join(t.Context(), st, auto); err != nil || first.Chunk != 0 {
		t.Fatalf("Join() = %+v, %v", first, err)
	}
	auto.Listed = 100_000
	second, _, err := Join(t.Context(), st, auto)
	if c := second.Chunks(100_000); err != nil || second.Chunk != 0 || c.Size != 64 {
		t.Errorf("Join() again = %+v with chunks %v, %v", second, c, err)
	}
	auto.Chunk = 64
	if _, _, err := Join(t.Context(), st, auto); !errors.Is(err, ErrOtherJob) || !strings.Contains(err.Error(), "--chunk: the job has auto, this command has 64") {
		t.Errorf("%v, want ErrOtherJob", err)
	}
}

func TestJoinWithAPathThatIsNotUTF8(t *testing.T) {
	st := new(mem.Store)
	want := testJob(row.JSONL)
	want.Images = "/data/\xff\xfe"
	want.Model = "tiny\xff.onnx"
	for range 2 {
		if _, _, err := Join(t.Context(), st, want); err != nil {
			t.Error(err)
		}
	}
	want.Images = "/data/\xff\xfd"
	if _, _, err := Join(t.Context(), st, want); !errors.Is(err, ErrOtherJob) {
		t.Errorf("Join() with another path that is not UTF-8 = %v, want ErrOtherJob", err)
	}
}

// TestFault22_AnotherModelOnResume: a worker that wants another job, or the same with another model, is told
// which fields differ, and writes nothing.
func TestFault22_AnotherModelOnResume(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Job)
		kind   error
		says   []string
	}{
		"images": {change: func(j *Job) { j.Images = "/my photos" }, kind: ErrOtherJob,
			says: []string{"--images: the job has /data/images, this command has /my photos; to continue the job, give --images /data/images"}},
		"max": {change: func(j *Job) { j.Max = 5 }, kind: ErrOtherJob,
			says: []string{"started with other options: --max: the job has all, this command has 5; to continue the job, leave out --max"}},
		"format": {change: func(j *Job) { j.Format = row.CSV }, kind: ErrOtherJob,
			says: []string{"--format: the job has jsonl, this command has csv", "give --format jsonl"}},
		"dependent": {change: func(j *Job) { j.DependentRows = true }, kind: ErrOtherJob,
			says: []string{"--allow-dependent-rows: the job has false, this command has true", "leave out --allow-dependent-rows"}},
		"files": {change: func(j *Job) { j.Files = listing.AllFiles }, kind: ErrOtherJob,
			says: []string{"--all-files: the job has false, this command has true", "leave out --all-files"}},
		"topk": {change: func(j *Job) { j.TopK = 9 }, kind: ErrOtherJob,
			says: []string{"--top-k: the job has 2, this command has 9; to continue the job, give --top-k 2; or choose another --out"}},
		"model": {
			change: func(j *Job) { j.Model, j.ModelDigest = "big.onnx", "sha256:"+strings.Repeat("0123456789abcdef", 4) },
			kind:   ErrMismatch,
			says: []string{"started with another model: --model: the job has tiny.onnx (sha256:m), this command has big.onnx (sha256:0123456789ab); " +
				"to continue the job, give the file that the job has"},
		},
		"model with more classes": {
			change: func(j *Job) {
				j.ModelDigest, j.TopK, j.LabelsDigest, j.PreprocessDigest = "sha256:x", 5, "sha256:x", "sha256:x"
			},
			kind: ErrMismatch,
			says: []string{"started with another model: --model: the job has tiny.onnx (sha256:m), this command has tiny.onnx (sha256:x); to"},
		},
		"model and fewer classes asked for": {
			change: func(j *Job) { j.ModelDigest, j.TopK = "sha256:x", 1 },
			kind:   ErrOtherJob,
			says:   []string{"--top-k: the job has 2, this command has 1", "--model: "},
		},
		"simulated": {
			change: func(j *Job) { j.Precision = row.Simulated },
			kind:   ErrMismatch,
			says:   []string{"--provider: the job has a real device, this command has a simulated one"},
		},
		"preprocessing": {
			change: func(j *Job) {
				j.PreprocessDigest = "sha256:x"
				j.Preprocess = &preprocess.Spec{Width: 299, Height: 224, BGR: true, Mean: []float32{0.5, 0.5, 0.25}, IgnoreOrientation: true}
			},
			kind: ErrMismatch,
			says: []string{
				"--width: the job has 224, this command has 299", "--bgr: the job has false, this command has true",
				"--mean: the job has 0,0,0, this command has 0.5,0.5,0.25", "--orientation: the job has upright, this command has stored",
				"to continue the job, give --width 224, and leave out --bgr and --orientation and --mean; or",
			},
		},
		"previews of raw files": {
			change: func(j *Job) {
				j.PreprocessDigest = "sha256:x"
				j.Preprocess = &preprocess.Spec{Width: 224, Height: 224, RawPreview: true}
			},
			kind: ErrMismatch,
			says: []string{"--raw-preview: the job has false, this command has true", "leave out --raw-preview"},
		},
		"preprocessing of an older record": {
			change: func(j *Job) { j.PreprocessDigest, j.Preprocess = "sha256:x", nil },
			kind:   ErrMismatch,
			says:   []string{"preprocessing (--width, --mean and the other flags about the model): the job has sha256:p, this command has sha256:x"},
		},
		"labels": {change: func(j *Job) { j.LabelsFile, j.LabelsDigest = "dogs.txt", "sha256:x" }, kind: ErrMismatch,
			says: []string{"--labels: the job has the model's own, or none (sha256:l), this command has dogs.txt (sha256:x)"}},
		"activation": {change: func(j *Job) { j.Activation = "logits" }, kind: ErrMismatch,
			says: []string{"--activation: the job has none, this command has logits"}},
		"output": {change: func(j *Job) { j.OutputName = "scores" }, kind: ErrMismatch,
			says: []string{"--output-name: the job has none, this command has scores", "leave out --output-name"}},
		"decoder": {change: func(j *Job) { j.JPEGDecoder = "go" }, kind: ErrMismatch,
			says: []string{"JPEG decoder: the job has libjpeg-turbo, this command has go", "batchscore doctor"}},
		"decoding on a GPU": {change: func(j *Job) { j.JPEGDecoder = "nvimgcodec 0.9.0 gpu, nvjpeg 12.4.0" }, kind: ErrMismatch,
			says: []string{"JPEG decoder: the job has libjpeg-turbo, this command has nvimgcodec 0.9.0 gpu, nvjpeg 12.4.0", "leave out --decode-device"}},
		"precision": {change: func(j *Job) { j.Precision = "fp16" }, kind: ErrMismatch, says: []string{"precision"}},
		"tf32": {change: func(j *Job) { j.Precision = TF32 }, kind: ErrMismatch,
			says: []string{"precision: the job has fp32, this command has tf32", "leave out --tf32"}},
		"both": {change: func(j *Job) { j.Max = 5; j.ModelDigest = "sha256:x" }, kind: ErrOtherJob,
			says: []string{"--max: the job has all, this command has 5", "the job has tiny.onnx (sha256:m), this command has tiny.onnx (sha256:x)"}},
	} {
		st := new(mem.Store)
		first := testJob(row.JSONL)
		first.Decoding, first.Preprocess = 2, &preprocess.Spec{Width: 224, Height: 224}
		if _, _, err := Join(t.Context(), st, first); err != nil {
			t.Fatal(err)
		}
		before := objects(t, st)
		want := testJob(row.JSONL)
		want.Preprocess = first.Preprocess
		tt.change(&want)
		_, _, err := Join(t.Context(), st, want)
		if !errors.Is(err, tt.kind) {
			t.Errorf("%s: Join() = %v, want %v", name, err, tt.kind)
			continue
		}
		for _, text := range tt.says {
			if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "another job") {
				t.Errorf("%s: Join() = %v, want an error with %q", name, err, text)
			}
		}
		if !maps.Equal(before, objects(t, st)) {
			t.Errorf("%s: Join() changed the folder", name)
		}
	}
	for name, change := range map[string]func(*Job){
		"name of the model": func(j *Job) { j.Model = "renamed.onnx" }, "device": func(j *Job) { j.Device = "cuda:1" },
	} {
		st := new(mem.Store)
		want := testJob(row.JSONL)
		if _, _, err := Join(t.Context(), st, want); err != nil {
			t.Fatal(err)
		}
		change(&want)
		if _, _, err := Join(t.Context(), st, want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFault08_TwoJobsOnOneOutput: two jobs start on one output at the same time. One wins, and the workers
// of the same job join it. The others change nothing.
func TestFault08_TwoJobsOnOneOutput(t *testing.T) {
	for round := range 20 {
		var st store.Store = new(mem.Store)
		if round%2 == 0 {
			var err error
			if st, err = dir.New(t.TempDir(), dir.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		const workers = 16
		var group sync.WaitGroup
		var jobs [workers]Job
		var created [workers]bool
		var errs [workers]error
		start := make(chan struct{})
		for i := range workers {
			group.Go(func() {
				want := testJob(row.JSONL)
				want.Max = 1 + i%2
				want.Batch, want.Chunk = 0, 0 // what others choose by themselves is no difference
				want.AutoBatch, want.Listed = 1+i, 1000*i
				<-start
				jobs[i], created[i], errs[i] = Join(t.Context(), st, want)
			})
		}
		close(start)
		group.Wait()
		won, err := ReadJob(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		creators := 0
		for i := range workers {
			if created[i] {
				creators++
			}
			switch {
			case 1+i%2 == won.Max && (errs[i] != nil || !reflect.DeepEqual(jobs[i], won)):
				t.Errorf("Join() of worker %d of the same job = %v", i, errs[i])
			case 1+i%2 != won.Max && !errors.Is(errs[i], ErrOtherJob):
				t.Errorf("Join() of worker %d of the other job = %v, want ErrOtherJob", i, errs[i])
			}
		}
		if n := len(objects(t, st)); creators != 1 || n != 1 {
			t.Errorf("%d workers created the record, and there are %d objects; want 1 and 1", creators, n)
		}
	}
}

func TestFault08_OutputWithoutARecordIsNotOurs(t *testing.T) {
	for _, name := range []string{"part-00000.jsonl", "part-00000.csv", SuccessName, manifestName, Folder + "claims/chunk-00003.000000"} {
		st := new(mem.Store)
		st.Put(name, []byte("x"))
		_, _, err := Join(t.Context(), st, testJob(row.JSONL))
		if !errors.Is(err, ErrOtherJob) || !strings.Contains(err.Error(), name) {
			t.Errorf("Join() next to %s = %v, want ErrOtherJob that names it", name, err)
		}
		if n := len(objects(t, st)); n != 1 {
			t.Errorf("Join() next to %s left %d objects, want 1", name, n)
		}
	}
	st := new(mem.Store)
	st.Put("notes.txt", []byte("x"))
	if _, created, err := Join(t.Context(), st, testJob(row.JSONL)); err != nil || !created {
		t.Errorf("Join() next to unrelated files = %v", err)
	}
}

// TestFault08_JoinedBetweenTwoLooks: between Join's first read and its listing, another worker of the same job
// may create the record and even a part.
func TestFault08_JoinedBetweenTwoLooks(t *testing.T) {
	for _, same := range []bool{true, false} {
		inner := new(mem.Store)
		f := &storetest.Faulty{Store: inner}
		f.BeforeOpen = func(_ context.Context, n int, _ string) error {
			if n == 0 {
				defer func() {
					want := testJob(row.JSONL)
					want.Max = 3
					complete(t, inner, want, 3)
				}()
				return fmt.Errorf("%s: %w", jobName, store.ErrNotExist)
			}
			return nil
		}
		want := testJob(row.JSONL)
		want.Max = 3
		if !same {
			want.Max = 4
		}
		_, created, err := Join(t.Context(), f, want)
		if created || same != (err == nil) || !same && !errors.Is(err, ErrOtherJob) {
			t.Errorf("same job %v: Join() = created %v, %v", same, created, err)
		}
	}
}

// TestFault02_TheRecordsAnswerIsLost: the record was created, and the store's answer was lost.
func TestFault02_TheRecordsAnswerIsLost(t *testing.T) {
	inner := new(mem.Store)
	f := &storetest.Faulty{Store: inner, AfterCreate: func(_ int, _ store.Object, err error) error {
		if err == nil {
			return errLost
		}
		return err
	}}
	j, created, err := Join(t.Context(), f, testJob(row.JSONL))
	if err != nil || !created {
		t.Fatalf("Join() = created %v, %v, want true", created, err)
	}
	if have, err := ReadJob(t.Context(), inner); err != nil || !reflect.DeepEqual(have, j) {
		t.Errorf("ReadJob() = %+v, %v, want what was created", have, err)
	}

	f = &storetest.Faulty{Store: new(mem.Store), BeforeCreate: func(context.Context, int, string, []byte) error { return errLost }}
	if _, _, err := Join(t.Context(), f, testJob(row.JSONL)); !errors.Is(err, errLost) {
		t.Errorf("Join() after a create without effect = %v, want the error of the store", err)
	}
}

// TestFault28_DamagedRecord: a record with a damaged byte, or that was cut, is ErrMismatch. The job
// never silently starts from the beginning.
func TestFault28_DamagedRecord(t *testing.T) {
	st := new(mem.Store)
	if _, _, err := Join(t.Context(), st, testJob(row.JSONL)); err != nil {
		t.Fatal(err)
	}
	good := objects(t, st)[jobName]
	check := func(what, body string) {
		st.Put(jobName, []byte(body))
		for i, err := range []error{
			func() error { _, _, err := Join(t.Context(), st, testJob(row.JSONL)); return err }(),
			func() error { _, err := ReadJob(t.Context(), st); return err }(),
		} {
			if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), jobName) {
				t.Errorf("%s: call %d returned %v, want ErrMismatch that names the record", what, i, err)
			}
		}
		if objects(t, st)[jobName] != body {
			t.Errorf("%s: the record was replaced", what)
		}
	}
	for i := range good {
		check(fmt.Sprint("cut after byte ", i), good[:i])
		flipped := []byte(good)
		flipped[i] ^= 4
		check(fmt.Sprint("flipped in byte ", i), string(flipped))
	}
	check("more after it", good+"\n")
	check("another version", strings.Replace(good, `"version": 1`, `"version": 2`, 1))
	check("an unknown field", strings.Replace(good, `"max"`, `"extra": 1, "max"`, 1))
	st.Put(jobName, []byte(good))
	if _, _, err := Join(t.Context(), st, testJob(row.JSONL)); err != nil {
		t.Errorf("ReadJob() of the undamaged record = %v", err)
	}
}

// TestClaimFormOfAJob: new jobs name their claims; jobs begun before claims had
// names, and retries of those, number them.
func TestClaimFormOfAJob(t *testing.T) {
	newJob, _, err := Join(t.Context(), new(mem.Store), testJob(row.JSONL))
	if err != nil {
		t.Fatal(err)
	}
	if got := newJob.ClaimNames(5); got != claim.Named {
		t.Errorf("a new job has claims %+v, want %+v", got, claim.Named)
	}

	st := new(mem.Store)
	old := testJob(row.JSONL)
	body, err := encodeRecord(&old)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(body), "claim_form") {
		t.Errorf("the record of an old job has a field of its own for claims:\n%s", body)
	}
	st.Put(jobName, body)
	joined, _, err := Join(t.Context(), st, testJob(row.JSONL))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := joined.ClaimNames(5), claim.Numbered(5); got != want {
		t.Errorf("an old job has claims %+v, want %+v", got, want)
	}

	for _, job := range []Job{newJob, joined} {
		retry := testJob(row.JSONL)
		retry.Retry = &Retry{Of: job.ID, Generation: 1}
		retry.ClaimForm = job.ClaimForm
		again, _, err := Join(t.Context(), new(mem.Store), retry)
		if err != nil || again.ClaimForm != job.ClaimForm {
			t.Errorf("a retry has claim form %d, %v, want %d as the job has", again.ClaimForm, err, job.ClaimForm)
		}
	}

	later := testJob(row.JSONL)
	later.ClaimForm = claimForm + 1
	if body, err = encodeRecord(&later); err != nil {
		t.Fatal(err)
	}
	if _, err := parseJob(st, body); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "its claims have form") {
		t.Errorf("a record of a later program: %v, want ErrMismatch that names its claim form", err)
	}
}

func FuzzParseJob(f *testing.F) {
	j := testJob(row.JSONL)
	j.ID, j.Created = "id", time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	body, err := encodeRecord(&j)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"version":1}`))
	st := new(mem.Store)
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseJob(st, body)
		if err != nil {
			if !errors.Is(err, ErrMismatch) {
				t.Fatalf("parseJob() = %v, want ErrMismatch", err)
			}
			return
		}
		if again, err := encodeRecord(&got); err != nil || string(again) != string(body) {
			t.Fatalf("parseJob() accepted %q, which is written as %q", body, again)
		}
	})
}
