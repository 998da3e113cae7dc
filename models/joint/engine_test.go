package joint

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models"
)

// other is an engine like sums with an answer of its own for everything else.
type other struct {
	sums
	device string
	lanes  int
	fails  error
}

func (o *other) Device() string { return o.device }
func (o *other) Lanes() int     { return o.lanes }

func (o *other) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	if o.fails != nil {
		return o.fails
	}
	return o.sums.Score(ctx, b, lo, hi)
}

func two() (all []Model, parts []Part) {
	for _, name := range []string{"a", "b"} {
		all = append(all, Model{Name: name, Model: &models.Model{Digest: "sha256:" + name, Contract: *contractOf("", models.Logits, 4, "")}})
	}
	row := all[0].Contract.Preprocess.RowBytes()
	return all, []Part{
		&other{sums: sums{row: row, width: 4}, device: "x", lanes: 5}, &other{sums: sums{row: row, width: 4}, device: "y", lanes: 2},
	}
}

// TestEngine_OwnPixels tests that parts that cannot score the pixels of the first have copies of
// those of the images that are asked for, and how many images the batch has.
func TestEngine_OwnPixels(t *testing.T) {
	all, parts := two()
	e := Join(all, parts)
	if e.Lanes() != 2 || e.Device() != "x+y" || e.DefaultBatch() != 8 {
		t.Errorf("%d lanes on %s in batches of %d, want 2 on x+y in batches of 8", e.Lanes(), e.Device(), e.DefaultBatch())
	}
	b, err := e.NewBatch(3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Pixels {
		b.Pixels[i] = byte(i*37 + 1)
	}
	b.Size = 2
	if err := e.Score(context.Background(), b, 1, 3); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Scores[:8], make([]float32, 8)) {
		t.Errorf("an image that was not asked for has numbers %v", b.Scores[:8])
	}
	for image := 1; image < 3; image++ {
		first, second := b.Scores[image*8:][:4], b.Scores[image*8+4:][:4]
		if want := float32(b.Pixels[image*len(b.Pixels)/3])/10 - 1; first[0] != want || !slices.Equal(first, second) {
			t.Errorf("image %d: %v and %v, want both to begin with %v", image, first, second, want)
		}
	}
	for i, p := range parts {
		if size := p.(*other).size; size != 2 {
			t.Errorf("part %d scored a batch of %d images, want 2", i, size)
		}
	}
}

// TestEngine_Errors tests that the error of a part says which one it is, and that a context that
// ended is told as such, whatever the part makes of it.
func TestEngine_Errors(t *testing.T) {
	all, parts := two()
	broken := errors.New("broken")
	parts[1].(*other).fails = broken
	e := Join(all, parts)
	b, err := e.NewBatch(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Score(context.Background(), b, 0, 1); !errors.Is(err, broken) || err.Error() != "model 2 of 2: broken" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Score(ctx, b, 0, 1); err != context.Canceled {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if err := e.Score(context.Background(), &models.Batch{}, 0, 1); err == nil {
		t.Error("a batch of another engine was scored")
	}
}

// TestDigest tests that names, files and their order make another digest, for columns have the
// names and the order.
func TestDigest(t *testing.T) {
	all, _ := two()
	digest := Digest(all)
	if one := Digest(all[:1]); one != all[0].Digest {
		t.Errorf("digest of one %s, want its own", one)
	}
	again, _ := two()
	if Digest(again) != digest {
		t.Error("the same models have another digest")
	}
	for name, change := range map[string]func(){
		"another name": func() { again[1].Name = "c" },
		"another file": func() { again[1].Digest = "sha256:c" },
		"their order":  func() { slices.Reverse(again) },
	} {
		again, _ = two()
		if change(); Digest(again) == digest {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

// TestContract_Precision tests that models of different precision are told as mixed.
func TestContract_Precision(t *testing.T) {
	for _, tt := range []struct{ a, b, want string }{
		{a: "fp32", b: "fp32", want: "fp32"}, {a: "fp32", b: "fp16", want: Mixed}, {a: "fp16", b: "fp32", want: Mixed},
	} {
		all, _ := two()
		all[0].Contract.Precision, all[1].Contract.Precision = tt.a, tt.b
		c, err := Contract(all)
		if err != nil || c.Precision != tt.want || c.HeadName != "a" || len(c.Heads) != 1 || c.Heads[0].Name != "b" {
			t.Errorf("%s and %s: precision %q, heads %q and %v: %v", tt.a, tt.b, c.Precision, c.HeadName, c.Heads, err)
		}
	}
}
