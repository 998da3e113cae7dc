package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

var formats = []row.Format{row.JSONL, row.CSV, row.Parquet}

func testJob(f row.Format) Job {
	return Job{
		Images: "/data/images", Model: "tiny.onnx", ModelDigest: "sha256:m", PreprocessDigest: "sha256:p",
		LabelsDigest: "sha256:l", JPEGDecoder: "libjpeg-turbo", Precision: "fp32", Device: "cpu",
		Batch: 4, Chunk: 8, TopK: 2, Format: f,
	}
}

// numbered returns the names of n images.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("images/%06d.jpg", i)
	}
	return names
}

// The tests of this package have memory for a few entries only, so that their manifests
// are kept in temporary files, as those of millions of images are.
func init() { room.Memory = 200 }

func manifestOf(t testing.TB, names []string) *shard.Manifest {
	t.Helper()
	b := shard.Builder{Room: room}
	for i, name := range names {
		if err := b.Add(shard.Entry{Path: name, Size: int64(100 + i), ETag: fmt.Sprint("v", i)}); err != nil {
			t.Fatal(err)
		}
	}
	m, _, err := b.Build(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// freeze returns a function that makes copies of m, for Freeze to close.
func freeze(m *shard.Manifest) func(context.Context) (*shard.Manifest, error) {
	return func(context.Context) (*shard.Manifest, error) {
		var text bytes.Buffer
		if err := m.Encode(&text); err != nil {
			return nil, err
		}
		return shard.DecodeManifest(&text, room)
	}
}

// score returns the result of an image, which depends only on its name.
func score(e shard.Entry) row.Row {
	h := fnv.New32a()
	h.Write([]byte(e.Path))
	n := h.Sum32()
	r := row.Row{Path: e.Path, Size: e.Size}
	if n%7 == 0 {
		r.Status, r.Error, r.Answer = "truncated", "ends early, at \"SOS\"", &row.Classification{ClassID: -1}
		return r
	}
	p := float32(n%1000) / 1001
	id, label := int(n%5), fmt.Sprint("class, ", n%5)
	r.Status = row.StatusOK
	r.Answer = &row.Classification{ClassID: id, Label: label, Score: p, TopK: []row.Class{
		{ClassID: id, Label: label, Score: p}, {ClassID: id + 1, Label: "other", Score: (1 - p) / 3},
	}}
	return r
}

func rowsOf(m *shard.Manifest, c shard.Chunks, chunk int) []row.Row {
	var rows []row.Row
	first, last := c.Range(chunk)
	entries, err := m.Entries(nil, first, last)
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		rows = append(rows, score(e))
	}
	return rows
}

// run is one job in a store.
type run struct {
	st store.Store
	j  Job
	m  *shard.Manifest
	c  shard.Chunks
}

// begin joins a job over names and freezes its manifest.
func begin(t testing.TB, st store.Store, want Job, names []string) run {
	t.Helper()
	j, _, err := Join(t.Context(), st, want)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Freeze(t.Context(), st, freeze(manifestOf(t, names)))
	if err != nil {
		t.Fatal(err)
	}
	return run{st, j, m, j.Chunks(m.Len())}
}

func (r run) commit(t testing.TB, chunk int) CommitResult {
	t.Helper()
	res, err := Commit(t.Context(), r.st, &r.j, r.m, chunk, rowsOf(r.m, r.c, chunk))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (r run) finish(t testing.TB) Success {
	t.Helper()
	s, err := Finish(t.Context(), r.st, r.j, r.m, FinishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// complete runs a job of n images until it is complete.
func complete(t testing.TB, st store.Store, want Job, n int) run {
	t.Helper()
	r := begin(t, st, want, numbered(n))
	for chunk := range r.c.Count() {
		r.commit(t, chunk)
	}
	r.finish(t)
	return r
}

// checkRows checks what must hold after every fault: the rows of the output equal the
// manifest.
func checkRows(t testing.TB, st store.Store, names []string) {
	t.Helper()
	report, err := Verify(t.Context(), st)
	if err != nil || !report.OK() || !report.Complete {
		t.Fatalf("Verify() = %v\n%s", err, report.String())
	}
	var got []string
	if err := Rows(t.Context(), st, func(r row.Row) error {
		name, err := r.Name()
		got = append(got, name)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values(names))
	if !slices.Equal(got, want) {
		t.Fatalf("Rows() = %d rows, want %d", len(got), len(want))
	}
}

func objects(t testing.TB, st store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	if err := st.List(t.Context(), "", func(o store.Object) error {
		body, _, err := store.ReadAll(t.Context(), st, o.Name, 1<<20)
		all[o.Name] = string(body)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// clock is a store's clock that tests set.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) store() *mem.Store { return &mem.Store{Now: func() time.Time { return c.now }} }

var errLost = errors.New("connection reset before the answer came")

const lease = time.Minute

// writeSummary stores the summary of a worker of a new job.
func writeSummary(t testing.TB, st store.Store, s WorkerSummary) {
	t.Helper()
	if err := WriteSummary(t.Context(), st, &Job{RowForm: row.Newest}, s); err != nil {
		t.Fatal(err)
	}
}

// elsewhere returns a worker on a machine of its own.
func elsewhere(n int) claim.Worker {
	return claim.Worker{ID: fmt.Sprint("w", n), Host: fmt.Sprint("host", n), BootID: fmt.Sprint("boot", n),
		PIDNamespace: "pid:[1]", PID: 100, PIDStart: 7, Rank: n, World: 8}
}

// claimsOf returns claims whose monotonic clock advances with that of the store.
func claimsOf(st store.Store, w claim.Worker, c *clock) *claim.Claims {
	origin := c.now
	return claim.New(claim.Config{Store: st, Worker: w, Lease: lease, Names: claim.Named,
		Monotonic: func() time.Duration { return c.now.Sub(origin) }})
}
