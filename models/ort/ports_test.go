package ort

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/float16"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

func several(t *testing.T, batch int64, heads ...models.Head) *models.Model {
	t.Helper()
	c := graphtest.Contract(graphtest.Options{})
	c.OutputName, c.HeadName, c.Heads = graphtest.ScoresOutput, "first", heads
	return &models.Model{Path: graphtest.WriteSeveral(t, batch, 1), Contract: c}
}

// numbersOf scores the pictures of these seeds in one batch.
func numbersOf(t *testing.T, e *Engine, seeds ...int) [][]float32 {
	t.Helper()
	b := newBatch(t, e, len(seeds))
	row := len(b.Pixels) / len(seeds)
	for i, seed := range seeds {
		picture(b.Pixels[i*row:][:row], seed)
	}
	for i := range b.Scores {
		b.Scores[i] = -1
	}
	if err := e.Score(context.Background(), b, 0, len(seeds)); err != nil {
		t.Fatal(err)
	}
	var rows [][]float32
	for part := range slices.Chunk(b.Scores, len(b.Scores)/len(seeds)) {
		rows = append(rows, slices.Clone(part))
	}
	return rows
}

// All outputs of all heads are concatenated for each image, whatever their types, ranks
// and order, and one that two heads use is there twice.
func TestSeveralOutputs(t *testing.T) {
	vector := models.Head{Name: "vector", Task: models.Embed, OutputName: graphtest.FeaturesOutput, Classes: 32}
	boxes := models.Head{Name: "boxes", Task: models.Embed, Classes: 225, Outputs: []models.Output{
		{Name: graphtest.MapOutput, Shape: []int{3, 8, 8}},
		{Name: graphtest.BestOutput, Shape: []int{1}},
		{Name: graphtest.HalfOutput, Shape: []int{32}},
	}}
	again := models.Head{Name: "again", Output: models.Probabilities, OutputName: graphtest.ScoresOutput, Classes: 10}
	m := several(t, 0, vector, boxes, again)
	if err := m.Contract.Validate(); err != nil {
		t.Fatal(err)
	}
	e := open(t, m, Options{})
	const width = 10 + 32 + 192 + 1 + 32 + 10
	if n := m.Contract.Numbers(); n != width {
		t.Fatalf("%d numbers, want %d", n, width)
	}
	rows := numbersOf(t, e, 3, 4, 5)
	alone := [][]float32{}
	for _, seed := range []int{3, 4, 5} {
		alone = append(alone, numbersOf(t, e, seed)[0])
	}
	reference := numbersOf(t, open(t, several(t, 0), Options{}), 3, 4, 5)
	for i, row := range rows {
		if !slices.Equal(row, alone[i]) {
			t.Errorf("image %d has other numbers in a batch of 3", i)
		}
		scores, features, area, best, half, again := row[:10], row[10:42], row[42:234], row[234], row[235:267], row[267:]
		if !slices.Equal(scores, reference[i]) || !slices.Equal(scores, again) {
			t.Errorf("image %d: scores %v and %v, want %v", i, scores, again, reference[i])
		}
		if int(best) != slices.Index(scores, slices.Max(scores)) {
			t.Errorf("image %d: the best class is %v of %v", i, best, scores)
		}
		for j, v := range features {
			if want := float16.Value(float16.Bits(v)); half[j] != want {
				t.Errorf("image %d: half %d is %v, want %v", i, j, half[j], want)
			}
		}
		if slices.Min(area) < 0 || slices.Max(area) == 0 || slices.Max(features) == 0 {
			t.Errorf("image %d: map %v, features %v", i, area, features)
		}
	}
	if slices.Equal(rows[0], rows[1]) {
		t.Error("two images have the same numbers")
	}
}

// Where the graph decides how many rows an image has, zeros follow those that it gives,
// whatever was scored before. More than there is room for are an error.
func TestVaryingOutputs(t *testing.T) {
	const most = 10
	above := func(most int) models.Head {
		return models.Head{Name: "above", Task: models.Detect, Classes: 10, Outputs: []models.Output{
			{Name: graphtest.AboveOutput, Shape: []int{most, 2}, Varies: true},
			{Name: graphtest.AboveInOutput, Shape: []int{most, 2}, Varies: true},
			{Name: graphtest.MapOutput, Shape: []int{3, 8, 8}},
		}}
	}
	e := open(t, several(t, 1, above(most)), Options{})
	counts := map[int]int{} // images by their number of rows
	var seeds []int
	for seed := range 24 {
		seeds = append(seeds, seed)
	}
	for i, row := range numbersOf(t, e, seeds...) {
		want := make([]float32, 0, most*2)
		for class, v := range row[:10] {
			if v > 0.1 {
				want = append(want, 0, float32(class))
			}
		}
		counts[len(want)/2]++
		want = want[:most*2]
		if got := row[10:][:most*2]; !slices.Equal(got, want) {
			t.Errorf("image %d: got %v, want %v", i, got, want)
		}
		if got := row[10+most*2:][:most*2]; !slices.Equal(got, want) {
			t.Errorf("image %d: got %v with an axis for the image, want %v", i, got, want)
		}
		if again := numbersOf(t, e, seeds[i])[0]; !slices.Equal(again, row) {
			t.Errorf("image %d has other numbers alone", i)
		}
	}
	if len(counts) < 2 {
		t.Errorf("all images have as many rows: %v", counts)
	}
	small := open(t, several(t, 1, above(slices.Max(slices.Collect(maps.Keys(counts)))-1)), Options{})
	b := newBatch(t, small, len(seeds))
	for i, seed := range seeds {
		picture(b.Pixels[i*len(b.Pixels)/len(seeds):][:len(b.Pixels)/len(seeds)], seed)
	}
	err := small.Score(context.Background(), b, 0, len(seeds))
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "rows for an image, and the contract makes room for") {
		t.Errorf("got %v", err)
	}
}

// Outputs of boxes, labels and scores have a row for each box: where one has fewer, boxes would be
// without a class. Other heads' outputs may have any number.
func TestVaryingOutputs_OtherNumbersOfRows(t *testing.T) {
	head := func(name string, outputs ...string) models.Head {
		h := models.Head{Name: name, Task: models.Detect, Classes: 10}
		for _, o := range outputs {
			h.Outputs = append(h.Outputs, models.Output{Name: o, Shape: []int{10, 2}, Varies: true})
		}
		return h
	}
	seeds := []int{0, 1, 2, 3, 4, 5, 6, 7}
	apart := open(t, several(t, 1, head("a", graphtest.AboveOutput), head("b", graphtest.HigherOutput)), Options{})
	differ := false
	for _, row := range numbersOf(t, apart, seeds...) {
		above, higher := 0, 0
		for _, v := range row[:10] {
			if v > 0.1 {
				above++
			}
			if v > 0.2 {
				higher++
			}
		}
		differ = differ || above != higher
	}
	if !differ {
		t.Fatal("both outputs have as many rows for all images")
	}
	for _, outputs := range [][]string{{graphtest.AboveOutput, graphtest.HigherOutput}, {graphtest.HigherOutput, graphtest.AboveInOutput}} {
		e := open(t, several(t, 1, head("a", graphtest.AboveOutput), head("b", outputs...)), Options{})
		b := newBatch(t, e, len(seeds))
		for i, seed := range seeds {
			picture(b.Pixels[i*len(b.Pixels)/len(seeds):][:len(b.Pixels)/len(seeds)], seed)
		}
		err := e.Score(context.Background(), b, 0, len(seeds))
		if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "rows for an image, and output") {
			t.Errorf("%v: got %v, want ErrModel", outputs, err)
		}
	}
}

func TestOutputsThatDoNotFit(t *testing.T) {
	needLibrary(t)
	for _, c := range []struct {
		name   string
		batch  int64
		output models.Output
		want   string
	}{
		{name: "no such output", output: models.Output{Name: "other", Shape: []int{3}},
			want: `it has no output "other"`},
		{name: "another shape", output: models.Output{Name: graphtest.MapOutput, Shape: []int{3, 8, 9}},
			want: `output "map" has the shape [N,3,8,8], but the contract says [N,3,8,9]`},
		{name: "rows of another width", batch: 1, output: models.Output{Name: graphtest.AboveOutput, Shape: []int{4, 3}, Varies: true},
			want: `output "above" has the shape [N,2], but the contract says [N,N,3]`},
		{name: "a batch that is given and rows that vary", batch: 2, output: models.Output{Name: graphtest.MapOutput, Shape: []int{3, 8, 8}, Varies: true},
			want: "it takes 2 images at a time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := several(t, c.batch, models.Head{Name: "second", Task: models.Detect, Classes: 1, Outputs: []models.Output{c.output}})
			e, err := Open(m, Options{Provider: CPU})
			if err == nil {
				_ = e.Close()
			}
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
