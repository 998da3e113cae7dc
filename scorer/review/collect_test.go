package review_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// labels are those of the tests' model. The red of an image of one pixel is the number of its
// label, and its green is the score in percent; the next label has the rest.
var labels = []string{"cat", "dog", "<script>alert(1)</script>"}

type seer struct{ contract models.Contract }

func (seer) Device() string    { return "eye" }
func (seer) Lanes() int        { return 1 }
func (seer) DefaultBatch() int { return 4 }
func (seer) Close() error      { return nil }

func (s seer) NewBatch(n int) (*models.Batch, error) {
	return &models.Batch{Pixels: make([]byte, n*s.contract.Preprocess.RowBytes()), Scores: make([]float32, n*s.contract.Classes)}, nil
}

func (s seer) Score(_ context.Context, b *models.Batch, lo, hi int) error {
	for i := lo; i < hi; i++ {
		pixel, scores := b.Pixels[3*i:], b.Scores[i*s.contract.Classes:(i+1)*s.contract.Classes]
		clear(scores)
		best := int(pixel[0]) % len(scores)
		scores[best] = float32(pixel[1]) / 100
		scores[(best+1)%len(scores)] = 1 - scores[best]
	}
	return nil
}

// picture is an image of a test: its label and its score in percent. A score of 0 is a file
// that holds no image.
type picture struct {
	label string
	score int
}

// score returns the output of a job on images, by their names.
func score(t *testing.T, images map[string]picture, more ...func(*scorer.Options)) store.Store {
	t.Helper()
	in, out := new(mem.Store), new(mem.Store)
	for name, p := range images {
		body := []byte("none")
		if p.score > 0 {
			img := image.NewNRGBA(image.Rect(0, 0, 1, 1))
			img.SetNRGBA(0, 0, color.NRGBA{uint8(slices.Index(labels, p.label)), uint8(p.score), 0, 255})
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				t.Fatal(err)
			}
			body = b.Bytes()
		}
		if _, err := in.Create(t.Context(), name, body); err != nil {
			t.Fatal(err)
		}
	}
	contract := models.Contract{Name: "test", Output: models.Probabilities, Classes: len(labels), Labels: labels,
		Preprocess: preprocess.Spec{Width: 1, Height: 1, Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.PillowNearest, Fit: preprocess.Stretch}}
	o := scorer.Options{
		Images: in, Out: out, Contract: contract, Counters: new(telemetry.Counters), MaxErrors: judge.None,
		World:      shard.World{Size: 1, LocalSize: 1},
		Progress:   &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}},
		OpenEngine: func() (scorer.Engine, error) { return seer{contract}, nil },
		Job: output.Job{Images: in.String(), PreprocessDigest: contract.PreprocessDigest(), LabelsDigest: contract.LabelsDigest(),
			Format: row.JSONL, TopK: 2, Chunk: 4},
	}
	for _, change := range more {
		change(&o)
	}
	if _, err := scorer.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return out
}

// collection returns n images of each of the first two labels, the scores of which grow, and two
// files that hold no image.
func collection(n int) map[string]picture {
	all := map[string]picture{"broken/1.jpg": {}, "broken/2.jpg": {}}
	for i := range n {
		all[fmt.Sprintf("cat/%04d.png", i)] = picture{label: "cat", score: 51 + i*49/n}
		all[fmt.Sprintf("dog/%04d.png", i)] = picture{label: "dog", score: 60 + i*40/n}
	}
	return all
}

func collect(t *testing.T, out store.Store, opt review.Options) *review.Findings {
	t.Helper()
	f, entries, err := review.Collect(t.Context(), out, opt)
	if err != nil {
		t.Fatal(err)
	}
	f.Conclude()
	f.EachPicture(func(p *review.Picture) {
		if entries.Thumbs[p.Thumb].Path != p.Path {
			t.Errorf("the thumbnail of %q is number %d, which is of %q", p.Path, p.Thumb, entries.Thumbs[p.Thumb].Path)
		}
	})
	return f
}

func gallery(t *testing.T, f *review.Findings, id string) review.Gallery {
	t.Helper()
	for _, g := range f.Galleries {
		if g.ID == id {
			return g
		}
	}
	t.Fatalf("there is no gallery %q", id)
	return review.Gallery{}
}

func names(g review.Gallery) (all []string) {
	for _, p := range g.Pictures {
		all = append(all, p.Path)
	}
	return all
}

// TestCollect: counts, histograms and galleries of a small output.
func TestCollect(t *testing.T) {
	out := score(t, collection(40))
	f := collect(t, out, review.Options{PerGallery: 5})
	if f.Images != 82 || f.OK != 80 || f.Failed != 2 || !f.Complete || f.Missing != 0 {
		t.Errorf("%d images, %d ok, %d failed, complete %v, %d missing", f.Images, f.OK, f.Failed, f.Complete, f.Missing)
	}
	if len(f.Labels) != 2 || f.Labels[0].Label != "cat" || f.Labels[0].Images != 40 || f.Labels[0].Share != 0.5 {
		t.Errorf("labels are %+v", f.Labels)
	}
	if !slices.Equal(f.UnusedLabels, labels[2:]) {
		t.Errorf("the labels that no image has are %q", f.UnusedLabels)
	}
	if f.Scores.N != 80 || f.Margins.N != 80 || math.Abs(f.Scores.Least-0.51) > 1e-6 || f.Scores.AtLeast(0) != 80 || f.Scores.AtLeast(0.5) != 80 {
		t.Errorf("scores are %+v", *f.Scores)
	}
	sum := 0
	for _, b := range f.Sizes {
		sum += b.Images
	}
	if sum != 82 {
		t.Errorf("the sizes are of %d images", sum)
	}
	if got := names(gallery(t, f, "least-sure")); got[0] != "cat/0000.png" || len(got) != 5 {
		t.Errorf("the least sure are %q", got)
	}
	if got := names(gallery(t, f, "surest")); got[0] != "dog/0039.png" && got[0] != "cat/0039.png" {
		t.Errorf("the surest are %q", got)
	}
	failed := gallery(t, f, "status-not_image")
	if got := names(failed); len(got) != 2 || failed.Pictures[0].Error == "" || failed.Pictures[0].Label != "" || failed.Pictures[0].Margin != -1 {
		t.Errorf("the failed ones are %+v", failed.Pictures)
	}
	if got := gallery(t, f, "label-2"); got.Title != "dog" || got.Of != 40 {
		t.Errorf("the second label's gallery is %q of %d", got.Title, got.Of)
	}
	if r := f.Remarks[0]; r.Where != "status-not_image" || !strings.Contains(r.Command, "--status failed") {
		t.Errorf("the first remark is %+v", r)
	}
}

// TestCollectIsTheSame: the same output and options give the same findings; samples do not
// depend on how images are divided into parts, and another seed gives others.
func TestCollectIsTheSame(t *testing.T) {
	one := score(t, collection(100))
	other := score(t, collection(100), func(o *scorer.Options) { o.Job.Chunk = 7 })
	a, b := collect(t, one, review.Options{}), collect(t, other, review.Options{})
	if x, y := galleriesOf(t, a), galleriesOf(t, b); x != y {
		t.Errorf("chunks of 4 and 7 images give other galleries:\n%s\n%s", x, y)
	}
	if x, y := names(gallery(t, a, "random")), names(gallery(t, collect(t, one, review.Options{Seed: 2}), "random")); slices.Equal(x, y) {
		t.Errorf("another seed gives the same sample %q", x)
	}
}

func galleriesOf(t *testing.T, f *review.Findings) string {
	t.Helper()
	text, err := json.Marshal(f.Galleries)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// folders is a truth by folder.
type folders struct{}

func (folders) Of(path string) ([]string, bool) {
	folder, _, _ := strings.Cut(path, "/")
	return []string{folder}, folder != "broken"
}

// TestTruth: mistakes are found, the most confident first, and failed images are not judged.
func TestTruth(t *testing.T) {
	images := collection(40)
	images["dog/wrong-and-sure.png"] = picture{label: "cat", score: 99}
	images["dog/wrong.png"] = picture{label: "cat", score: 55}
	f := collect(t, score(t, images), review.Options{Truth: folders{}})
	if f.Truth.Judged != 82 || f.Truth.Accuracy.Count != 80 || f.Truth.NoTruth != 2 {
		t.Errorf("%d judged, %d right, %d without truth", f.Truth.Judged, f.Truth.Accuracy.Count, f.Truth.NoTruth)
	}
	mistakes := gallery(t, f, "mistakes")
	if got := names(mistakes); !slices.Equal(got, []string{"dog/wrong-and-sure.png", "dog/wrong.png"}) {
		t.Errorf("mistakes are %q", got)
	}
	if p := mistakes.Pictures[0]; !slices.Equal(p.Truth, []string{"dog"}) || p.Label != "cat" {
		t.Errorf("the first mistake is %+v", p)
	}
}

// TestAgainst: rows of two outputs are compared by their names, whatever either lacks.
func TestAgainst(t *testing.T) {
	here, there := collection(40), collection(40)
	here["cat/0003.png"] = picture{label: "dog", score: 80}  // a flip
	delete(here, "cat/0000.png")                             // only there, the first one but two
	delete(here, "dog/0039.png")                             // the last one
	delete(there, "cat/0001.png")                            // only here
	here["zebra.png"] = picture{label: labels[2], score: 70} // a new label, after all others
	there["cat/0007.png"] = picture{}                        // failed there
	f := collect(t, score(t, here), review.Options{Against: score(t, there)})
	a := f.Against
	if a.Here != 81 || a.There != 81 || a.OnlyHere != 2 || a.OnlyThere != 2 || a.Both != 79 || a.Flipped != 1 || a.Compared != 76 {
		t.Errorf("%d here, %d there, %d and %d only, %d both, %d of %d flipped", a.Here, a.There, a.OnlyHere, a.OnlyThere, a.Both, a.Flipped, a.Compared)
	}
	if !slices.Equal(a.New, labels[2:]) || !a.SameModel {
		t.Errorf("new labels are %q, same model %v", a.New, a.SameModel)
	}
	flips := map[string][]string{}
	for _, g := range f.Galleries {
		if strings.HasPrefix(g.ID, "flip-") {
			flips[g.Title] = names(g)
		}
	}
	want := map[string][]string{"Changed: cat → dog": {"cat/0003.png"}, "Changed: not_image → cat": {"cat/0007.png"}}
	if fmt.Sprint(flips) != fmt.Sprint(want) {
		t.Errorf("flips are %q, want %q", flips, want)
	}
}

// TestAgainstItself: nothing differs.
func TestAgainstItself(t *testing.T) {
	out := score(t, collection(30))
	f := collect(t, out, review.Options{Against: out})
	if a := f.Against; a.Flipped != 0 || a.Both != 62 || a.OnlyHere+a.OnlyThere != 0 || a.Label.PSI != 0 || a.Score.JS != 0 {
		t.Errorf("an output compared with itself: %+v", a)
	}
}

// TestIncomplete: of an unfinished job the rows that exist are shown, and the first remark says
// how many are missing.
func TestIncomplete(t *testing.T) {
	whole := score(t, collection(20))
	part := new(mem.Store)
	if err := store.Names(t.Context(), whole, "", func(name string) error {
		if name == output.SuccessName || name == "part-00003.jsonl" {
			return nil
		}
		body, _, err := store.ReadAll(t.Context(), whole, name, 1<<20)
		if err == nil {
			_, err = part.Create(t.Context(), name, body)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f := collect(t, part, review.Options{})
	if f.Complete || f.Missing != 4 || f.Images != 38 {
		t.Errorf("complete %v, %d missing, %d images", f.Complete, f.Missing, f.Images)
	}
	if r := f.Remarks[0]; r.Level != review.Bad || !strings.Contains(r.Text, "4 images have no row yet") {
		t.Errorf("the first remark is %+v", r)
	}
}

// TestNoOutput: a place without an output is an error, also the one to compare with.
func TestNoOutput(t *testing.T) {
	if _, _, err := review.Collect(t.Context(), new(mem.Store), review.Options{}); err == nil {
		t.Error("an empty place is reported on")
	}
	_, _, err := review.Collect(t.Context(), score(t, collection(3)), review.Options{Against: new(mem.Store)})
	if !errors.Is(err, store.ErrNotExist) {
		t.Errorf("an empty place to compare with: %v", err)
	}
}

// TestThreshold: the images on both sides of a threshold are shown, the nearest first.
func TestThreshold(t *testing.T) {
	images := map[string]picture{}
	for _, score := range []int{60, 65, 69, 72, 80, 99} {
		images[fmt.Sprintf("%d.png", score)] = picture{label: "cat", score: score}
	}
	g := gallery(t, collect(t, score(t, images), review.Options{Threshold: 0.7, PerGallery: 3}), "threshold")
	if got := names(g); !slices.Equal(got, []string{"69.png", "72.png", "65.png"}) || !strings.Contains(g.Title, "0.7") {
		t.Errorf("%s: %q", g.Title, got)
	}
}

// TestOrderOfGalleries: the label and the kind of change of most images come first, whatever
// their names; every label has a gallery.
func TestOrderOfGalleries(t *testing.T) {
	here, there := map[string]picture{}, map[string]picture{}
	for i, n := range []int{2, 5, 9} { // images of each label here; there, each has the next label
		for k := range n {
			name := fmt.Sprintf("%d-%d.png", i, k)
			here[name] = picture{label: labels[i], score: 90}
			there[name] = picture{label: labels[(i+1)%3], score: 90}
		}
	}
	f := collect(t, score(t, here), review.Options{Against: score(t, there)})
	var got []string
	for _, g := range f.Galleries {
		if strings.HasPrefix(g.ID, "label-") || strings.HasPrefix(g.ID, "flip-") {
			got = append(got, fmt.Sprintf("%s %s %d", g.ID, g.Title, g.Of))
		}
	}
	script := labels[2]
	want := []string{"flip-1 Changed: cat → " + script + " 9", "flip-2 Changed: " + script + " → dog 5", "flip-3 Changed: dog → cat 2",
		"label-1 " + script + " 9", "label-2 dog 5", "label-3 cat 2"}
	if !slices.Equal(got, want) {
		t.Errorf("the galleries are %q, want %q", got, want)
	}
}

// TestAFewMayFail: up to a tenth of failed images deserves a look, and more is bad.
func TestAFewMayFail(t *testing.T) {
	for failed, want := range map[int]string{2: review.Look, 3: review.Bad} {
		images := map[string]picture{}
		for i := range 20 {
			images[fmt.Sprintf("%02d.png", i)] = picture{label: "cat", score: 80}
			if i < failed {
				images[fmt.Sprintf("%02d.png", i)] = picture{}
			}
		}
		for _, r := range collect(t, score(t, images), review.Options{}).Remarks {
			if r.Where == "status-not_image" && r.Level != want {
				t.Errorf("%d of 20 failed: the level is %q, want %q", failed, r.Level, want)
			}
		}
	}
}

// TestManyLabels: labels beyond those that are listed are counted together.
func TestManyLabels(t *testing.T) {
	f := &review.Findings{}
	review.TallyForTest(f, review.MostLabels+50)
	if len(f.Labels) != review.MostLabels || f.OtherLabels != 50 || f.OtherImages != 50 || f.OK != review.MostLabels+50 {
		t.Errorf("%d labels, %d others with %d images, %d ok", len(f.Labels), f.OtherLabels, f.OtherImages, f.OK)
	}
}
