package scorer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/output/agreement"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// shifted is an engine whose scores belong to other classes: each row that is kept of
// another engine is wrong.
type shifted struct{ *fakeEngine }

func (e shifted) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	err := e.fakeEngine.Score(ctx, b, lo, hi)
	for i := lo; i < hi; i++ {
		scores := b.Scores[i*e.classes:][:e.classes]
		first := scores[0]
		copy(scores, scores[1:])
		scores[e.classes-1] = first
	}
	return err
}

// otherNights are nights that keep nothing of the one before: what they want, and what the
// record then says.
var otherNights = []struct {
	name, says string
	want       func(o *Options)
	was        func(record string) string // changes the record of the night before; nil for no change
}{
	{name: "model", says: "--model", want: func(o *Options) { o.Job.ModelDigest = "sha256:other" }},
	{name: "preprocessing", says: "preprocessing", want: func(o *Options) {
		o.Contract.Preprocess.Resize = preprocess.PillowBicubic
		o.Job.PreprocessDigest = o.Contract.PreprocessDigest()
	}},
	{name: "labels", says: "--labels", want: func(o *Options) {
		o.Contract.Labels = []string{"0", "1", "2", "3", "4", "5", "6"}
		o.Job.LabelsDigest = o.Contract.LabelsDigest()
	}},
	{name: "JPEG decoder", says: "JPEG decoder", want: func(o *Options) { o.Job.JPEGDecoder = "another" }},
	{name: "TF32", says: "precision", want: func(o *Options) { o.Job.Precision = output.TF32 }},
	{name: "simulated", says: "--provider", want: func(o *Options) { o.Job.Precision = row.Simulated }},
	{name: "8-bit sums", says: "sums of 8-bit products", want: func(o *Options) { o.Job.Int8 = output.ExactInt8 }},
	{name: "activation", says: "--activation", want: func(o *Options) { o.Job.Activation = "sigmoid" }},
	{name: "output name", says: "--output-name", want: func(o *Options) { o.Job.OutputName = "logits" }},
	{name: "dependent rows", says: "--allow-dependent-rows", want: func(o *Options) { o.Job.DependentRows = true }},
	{name: "top-k", says: "--top-k: 3 there, 2 here", want: func(o *Options) { o.Job.TopK = 2 }},
	{name: "format", says: "--format: jsonl there, csv here", want: func(o *Options) { o.Job.Format = row.CSV }},
	{name: "files", says: "--all-files", want: func(o *Options) { o.Job.Files = listing.AllFiles }},
	{name: "max", says: "--max: all there, 20 here", want: func(o *Options) { o.Job.Max = 20 }},
	{name: "most pixels", says: "--max-pixels", want: func(o *Options) { o.Decode.MaxPixels = 100 }},
	{name: "most bytes", says: "--max-bytes", want: func(o *Options) { o.Decode.MaxBytes = 300 }},
	{name: "most memory", says: "--max-image-memory", want: func(o *Options) { o.Decode.MaxMemory = 1 << 30 }},
	{name: "decoders of another release", says: "decoders of images", want: func(*Options) {},
		was: func(record string) string {
			return regexp.MustCompile(`"decoding": \d+`).ReplaceAllLiteralString(record, `"decoding": 1`)
		}},
	{name: "rows of an older release", says: "form of the rows", want: func(*Options) {},
		was: func(record string) string {
			return strings.Replace(newerFields.ReplaceAllLiteralString(record, ""), `"row_form": 2`, `"row_form": 1`, 1)
		}},
}

// TestAnotherJobKeepsNothing: if anything that rows depend on differs from the night before, no
// row is kept, the log and the record say what differs, and the rows are those of a job that
// scores all. The night after that keeps them again.
func TestAnotherJobKeepsNothing(t *testing.T) {
	for _, tt := range otherNights {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			images, whole := collection(t, 30), new(mem.Store)
			images.Put("bad.jpg", []byte("no picture"))
			images.Put("notes.txt", []byte("no picture either"))
			begin := after(t, images, whole, 1)
			if tt.was != nil {
				beginWith(t, begin, tt.was)
				begin.After = nil
			}
			mustRun(t, begin)
			play := func(out store.Store, after *After) (output.Success, string) {
				o := options(t, images, out)
				tt.want(&o)
				o.After, o.MaxErrors = after, judge.None
				o.OpenEngine = func() (Engine, error) { return shifted{newFakeEngine()}, nil }
				var log bytes.Buffer
				o.Log = zerolog.New(&log)
				return mustRun(t, o), log.String()
			}
			last := &After{Place: "memory/runs"}
			s, log := play(night(whole, 2), last)
			job, err := output.ReadJob(t.Context(), night(whole, 2))
			if err != nil {
				t.Fatal(err)
			}
			if s.Increment != nil || job.After == nil || len(job.After.Sources) > 0 || !strings.Contains(job.After.Nothing, tt.says) {
				t.Errorf("the record says %+v and _SUCCESS %+v, want nothing kept because of %q", job.After, s.Increment, tt.says)
			}
			if strings.Count(log, `"event":"nothing_kept"`) != 1 || !strings.Contains(log, `"level":"warn"`) || !strings.Contains(log, tt.says) {
				t.Errorf("the log does not say %q:\n%s", tt.says, log)
			}
			full := store.NewSub(whole, "full/")
			play(full, nil)
			want := wholeMerge(t, full, job.Format)
			if wholeMerge(t, night(whole, 2), job.Format) != want {
				t.Error("the rows are not those of a job that scores all")
			}
			s, _ = play(night(whole, 3), last)
			if tt.name == "dependent rows" { // are never kept
				if s.Increment != nil {
					t.Errorf("the night after keeps %+v", s.Increment)
				}
			} else if s.Increment == nil || s.Images != 0 || s.Increment.Kept != strings.Count(want, "\n")-header(job.Format) {
				t.Errorf("the night after keeps %+v", s.Increment)
			}
			if wholeMerge(t, night(whole, 3), job.Format) != want {
				t.Error("the rows of the night after are not those of a job that scores all")
			}
		})
	}
}

func header(f row.Format) int {
	if f == row.CSV {
		return 1
	}
	return 0
}

// TestRowsOfMixedDecodersAreNotKept: rows that two releases made differ from those of one.
func TestRowsOfMixedDecodersAreNotKept(t *testing.T) {
	images, whole := collection(t, 20), new(mem.Store)
	mustRun(t, after(t, images, whole, 1))
	const name = "runs/night-0001/_SUCCESS"
	success := object(t, whole, name)
	changed := strings.Replace(success, `"started":`, `"mixed_decoding": true,`+"\n  "+`"started":`, 1)
	whole.Put(name, []byte(resealed(changed)))
	if s := mustRun(t, after(t, images, whole, 2)); s.Increment != nil || s.Images != 20 {
		t.Errorf("%d images are scored, %+v", s.Images, s.Increment)
	}
	job, err := output.ReadJob(t.Context(), night(whole, 2))
	if err != nil || !strings.Contains(job.After.Nothing, "made by another release") {
		t.Errorf("the record says %+v, %v", job.After, err)
	}
}

// TestOtherImagesAreRefused: an output of other images is not continued.
func TestOtherImagesAreRefused(t *testing.T) {
	images, whole := collection(t, 20), new(mem.Store)
	mustRun(t, after(t, images, whole, 1))
	o := after(t, images, whole, 2)
	o.Job.Images = "elsewhere"
	_, err := Run(t.Context(), o)
	if !errors.Is(err, output.ErrOtherJob) || !strings.Contains(fmt.Sprint(err), "--images elsewhere; name an output of the same images") {
		t.Errorf("Run() = %v, want ErrOtherJob", err)
	}
	if _, err := output.ReadJob(t.Context(), night(whole, 2)); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("the job was begun: %v", err)
	}
}

// TestRowsOfAnotherLibraryAreNotKept: rows that another release of a native library made are scored
// again, and a retry or a later night that keeps rows is bound to the release that made them.
func TestRowsOfAnotherLibraryAreNotKept(t *testing.T) {
	t.Parallel()
	const was = "libheif 1.15.1"
	whole, images := new(mem.Store), new(mem.Store)
	for i := range 12 {
		body := picture(t, i)
		if i == 3 {
			body = []byte("no picture")
		}
		if _, err := images.Create(t.Context(), pictureName(i), body); err != nil {
			t.Fatal(err)
		}
	}
	of := func(whole *mem.Store, n int, release string) (Options, store.Store) {
		out := night(whole, n)
		o := options(t, images, out)
		if n > 1 {
			o.After = &After{Place: "memory/runs/night-0001"}
		}
		o.MaxErrors, o.libraries = judge.None, func(string) string { return release }
		return o, out
	}
	first, one := of(whole, 1, was)
	mustRun(t, first)
	if err := agreement.OnLibraries(t.Context(), one).Agree("libheif", was); err != nil {
		t.Fatal(err)
	}
	for n, release := range map[int]string{2: was, 3: "libheif 1.19.8"} {
		o, out := of(whole, n, release)
		mustRun(t, o)
		job, err := output.ReadJob(t.Context(), out)
		if err != nil {
			t.Fatal(err)
		}
		if kept := release == was; kept != (job.After.Nothing == "") || !kept && !strings.Contains(job.After.Nothing, was+" there, "+release+" here") {
			t.Errorf("with %s: %q", release, job.After.Nothing)
		}
		if err := agreement.OnLibraries(t.Context(), out).Agree("libheif", release); err != nil {
			t.Errorf("with %s: %v", release, err)
		}
		if err := agreement.OnLibraries(t.Context(), out).Agree("libheif", "libheif 2"); !errors.Is(err, output.ErrMismatch) {
			t.Errorf("rows of a third release join: %v", err)
		}
	}
	whole = new(mem.Store)
	first, one = of(whole, 1, was)
	mustRun(t, first)
	if err := agreement.OnLibraries(t.Context(), one).Agree("libheif", was); err != nil {
		t.Fatal(err)
	}
	again, _ := of(whole, 1, was)
	again.Retry = row.Selection{row.AnyFailure}
	mustRun(t, again)
	if err := agreement.OnLibraries(t.Context(), output.Generation(one, 1)).Agree("libheif", "libheif 2"); !errors.Is(err, output.ErrMismatch) {
		t.Errorf("another release adds rows to a job by a retry: %v", err)
	}
}
