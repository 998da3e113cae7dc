package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/place"
	"github.com/batchscore/batchscore/shard"
)

// crafted is an output whose rows a test makes, so that their scores are the same on
// every processor.
type crafted struct {
	// images is the place of the images; entries are its objects.
	images  string
	entries []shard.Entry
	format  row.Format // JSONL by default
	// rows returns the result of an image.
	rows       func(e shard.Entry) row.Row
	activation models.Activation
	// unfinished leaves out the last part.
	unfinished bool
}

// entriesOf returns an entry for each object of a place.
func entriesOf(t testing.TB, images string) []shard.Entry {
	t.Helper()
	var all []shard.Entry
	if err := craftedStore(t, images).List(t.Context(), "", func(o store.Object) error {
		all = append(all, shard.Entry{Path: o.Name, Size: o.Size, ETag: o.ETag})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func craftedStore(t testing.TB, spec string) store.Store {
	t.Helper()
	_, p, err := storages.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Open(place.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// write writes the output to a new folder and returns that.
func (c crafted) write(t testing.TB) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	st := craftedStore(t, out)
	if c.format == "" {
		c.format = row.JSONL
	}
	if c.activation == "" {
		c.activation = models.Logits
	}
	var b shard.Builder
	for _, e := range c.entries {
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	job, _, err := output.Join(t.Context(), st, output.Job{
		Images: c.images, Model: "tiny.onnx", ModelDigest: "sha256:m", PreprocessDigest: "sha256:p", LabelsDigest: "sha256:l",
		Activation: string(c.activation), JPEGDecoder: "libjpeg-turbo", Device: "cpu", Batch: 4, Chunk: max(4, len(c.entries)/1000),
		TopK: 2, Format: c.format,
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := output.Freeze(t.Context(), st, func(context.Context) (*shard.Manifest, error) {
		m, _, err := b.Build(0)
		return m, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	chunks := job.Chunks(m.Len())
	for i := range chunks.Count() {
		if c.unfinished && i == chunks.Count()-1 {
			return out
		}
		first, last := chunks.Range(i)
		entries, err := m.Entries(nil, first, last)
		if err != nil {
			t.Fatal(err)
		}
		var rows []row.Row
		for _, e := range entries {
			r := c.rows(e)
			r.Path, r.Size = e.Path, e.Size
			rows = append(rows, r)
		}
		if _, err := output.Commit(t.Context(), st, &job, m, i, rows); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := output.Finish(t.Context(), st, job, m, output.FinishOptions{}); err != nil {
		t.Fatal(err)
	}
	return out
}

// answer returns the row of an image with two classes, the first of that score.
func answer(label string, score float32, second string) row.Row {
	return row.Row{Status: row.StatusOK, Answer: &row.Classification{
		Label: label, ClassID: 1, Score: score,
		TopK: []row.Class{{ClassID: 1, Label: label, Score: score}, {ClassID: 2, Label: second, Score: (1 - score) / 2}},
	}}
}

// failure returns the row of an image that failed.
func failure(status, reason string) row.Row { return row.Row{Status: status, Error: reason} }

// named returns entries with those names.
func named(names ...string) []shard.Entry {
	var all []shard.Entry
	for i, name := range names {
		all = append(all, shard.Entry{Path: name, Size: int64(1000 * (i + 1)), ETag: fmt.Sprint("v", i)})
	}
	return all
}

// animals returns an output of 40 images: 24 cats, 12 dogs, 3 that are a "hot dog" and
// one that failed.
func animals(t testing.TB, c crafted) string {
	t.Helper()
	c.images = "/data/photos"
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("album %d/%03d.jpg", i%3, i))
	}
	c.entries = named(names...)
	c.rows = func(e shard.Entry) row.Row {
		n := e.Size / 1000
		switch score := 0.40 + float32(n)*0.014; {
		case n == 7:
			return failure("truncated", "the data end before the picture does")
		case n%13 == 0:
			return answer("hot dog", score, "dog")
		case n%3 == 0:
			return answer("dog", score, "cat")
		default:
			return answer("cat", score, "dog")
		}
	}
	return c.write(t)
}
