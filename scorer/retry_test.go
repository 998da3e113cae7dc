package scorer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// troubled returns a collection of n pictures, of which every third is truncated and
// every seventh is empty. mend replaces these by whole ones. One more object, which is
// not a picture, remains.
func troubled(t testing.TB, n int) (images *mem.Store, mend func()) {
	images = collection(t, n)
	bad := map[string]int{}
	for i := range n {
		body := picture(t, i)
		switch {
		case i%7 == 1:
			body = nil
		case i%3 == 1:
			body = body[:len(body)*2/3]
		default:
			continue
		}
		bad[pictureName(i)] = i
		images.Put(pictureName(i), body)
	}
	images.Put("folder 1/page.jpg", []byte("<!DOCTYPE html><html><body>404</body></html>"))
	return images, func() {
		for name, i := range bad {
			images.Put(name, picture(t, i))
		}
	}
}

func retrying(t testing.TB, images, out store.Store, f row.Format) Options {
	o := options(t, images, out)
	o.Job.Format = f
	o.Retry = row.Selection{row.AnyFailure}
	return o
}

// fresh returns the merged rows that one rank makes of a collection as it is now.
func fresh(t testing.TB, images store.Store, f row.Format) string {
	t.Helper()
	out := new(mem.Store)
	o := options(t, images, out)
	o.Job.Format = f
	mustRun(t, o)
	return mergedText(t, out)
}

func TestFault43_FailedImagesAreScoredAgain(t *testing.T) {
	for _, f := range []row.Format{row.JSONL, row.CSV, row.Parquet} {
		for _, ranks := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d ranks", f, ranks), func(t *testing.T) {
				images, mend := troubled(t, 60)
				out := new(mem.Store)
				o := options(t, images, out)
				o.Job.Format = f
				before := mustRun(t, o)
				mend()
				var read sync.Map
				watched := &storetest.Faulty{Store: images, BeforeOpen: func(_ context.Context, _ int, name string) error {
					read.Store(name, true)
					return nil
				}}
				var group sync.WaitGroup
				for rank := range ranks {
					o := retrying(t, watched, out, f)
					o.World = shard.World{Rank: rank, Size: ranks, LocalSize: 1}
					group.Go(func() {
						s, err := Run(context.Background(), o)
						if err != nil || s.Generation() != 1 {
							t.Errorf("rank %d: %v, generation %d", rank, err, s.Generation())
						}
					})
				}
				group.Wait()
				verified(t, out)
				if mergedText(t, out) != fresh(t, images, f) {
					t.Error("the merged rows are not those of a fresh run over the mended collection")
				}
				read.Range(func(name, _ any) bool {
					if strings.Contains(name.(string), "00000.jpg") {
						t.Errorf("%s was read again, but its row was ok", name)
					}
					return true
				})
				s, err := output.ReadSuccess(t.Context(), out)
				if err != nil {
					t.Fatal(err)
				}
				if s.Failed != 1 || s.Statuses["ok"] != 60 || s.Retry.Images != before.Failed || s.Retry.Now["ok"] != before.Failed-1 ||
					s.MakespanSeconds != before.MakespanSeconds || s.Drift == nil || *s.Drift != (output.Drift{}) {
					t.Errorf("_SUCCESS says %+v of the retry %+v and drift %+v", s, s.Retry, s.Drift)
				}
				if body := object(t, output.Generation(out, 1), "_batchscore/previous_SUCCESS"); !strings.Contains(body, before.Checksum) {
					t.Errorf("the previous _SUCCESS is not kept: %s", body)
				}
			})
		}
	}
}

func object(t testing.TB, st store.Store, name string) string {
	t.Helper()
	body, _, err := store.ReadAll(t.Context(), st, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestFault43_AnIncompleteJobIsCompletedFirst: one command completes the job and then
// retries.
func TestFault43_AnIncompleteJobIsCompletedFirst(t *testing.T) {
	images, mend := troubled(t, 60)
	out := new(mem.Store)
	o := options(t, images, out)
	o.Budget = 20
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrPaused) {
		t.Fatal(err)
	}
	mend()
	mustRun(t, retrying(t, images, out, row.JSONL))
	verified(t, out)
	if mergedText(t, out) != fresh(t, images, row.JSONL) {
		t.Error("the merged rows are not those of a fresh run over the mended collection")
	}
}

// TestFault43_RetriesInTurn retries some statuses, then all. Images that are still bad
// keep their status. A retry without images is not an error. Mended images are scored
// in the next retry.
func TestFault43_RetriesInTurn(t *testing.T) {
	images, mend := troubled(t, 60)
	out := new(mem.Store)
	before := mustRun(t, options(t, images, out))
	again := func(s ...string) output.Success {
		o := retrying(t, images, out, row.JSONL)
		o.Retry = s
		done := mustRun(t, o)
		verified(t, out)
		return done
	}
	if s := again("quarantined"); s.Generation() != 0 {
		t.Errorf("a retry of nothing made generation %d, want 0", s.Generation())
	}
	if s := again("empty"); s.Generation() != 1 || s.Statuses["empty"] != before.Statuses["empty"] || s.Retry.Images != before.Statuses["empty"] {
		t.Errorf("nothing was mended, and _SUCCESS is %+v, want retry 1 with as many empty ones", s)
	}
	mend()
	if s := again("empty"); s.Generation() != 2 || s.Statuses["empty"] != 0 || s.Statuses["truncated"] != before.Statuses["truncated"] {
		t.Errorf("the empty ones were mended, and _SUCCESS is %+v, want retry 2 without any", s)
	}
	images.Remove(pictureName(4)) // was truncated, and is gone now
	if s := again("failed"); s.Generation() != 3 || s.Statuses["not_found"] != 1 || s.Statuses["truncated"] != 0 || s.Failed != 2 {
		t.Errorf("_SUCCESS is %+v, want retry 3 with 1 not_found and 2 failed", s)
	}
	images.Put(pictureName(4), picture(t, 4))
	again("failed")
	if mergedText(t, out) != fresh(t, images, row.JSONL) {
		t.Error("the merged rows are not those of a fresh run over the mended collection")
	}
}

// TestFault43_AnUnfinishedRetryIsFinishedFirst, whatever statuses are asked for next. A
// run without a retry logs that one is unfinished, and leaves it.
func TestFault43_AnUnfinishedRetryIsFinishedFirst(t *testing.T) {
	images, mend := troubled(t, 60)
	out := new(mem.Store)
	mustRun(t, options(t, images, out))
	mend()
	o := retrying(t, images, out, row.JSONL)
	o.Retry, o.Budget, o.Job.Chunk = row.Selection{"truncated"}, 1, 4
	if _, err := Run(t.Context(), options(t, images, out)); err != nil {
		t.Fatal(err)
	}
	o.Job.Chunk = 10
	stop := make(chan struct{})
	var once sync.Once
	o.Stop = stop
	o.hook = func(point string, _ int) {
		if point == "after-claim" {
			once.Do(func() { close(stop) })
		}
	}
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrStopped) && !errors.Is(err, ErrPaused) {
		t.Fatalf("%v, want it stopped", err)
	}
	var log bytes.Buffer
	plain := options(t, images, out)
	plain.Log = plain.Log.Output(&log)
	if s := mustRun(t, plain); s.Generation() != 0 {
		t.Errorf("generation %d, want 0", s.Generation())
	}
	if !strings.Contains(log.String(), "--retry truncated") {
		t.Errorf("the log does not report the unfinished retry:\n%s", log.String())
	}
	verified(t, out)
	log.Reset()
	all := retrying(t, images, out, row.JSONL)
	all.Log = all.Log.Output(&log)
	if s := mustRun(t, all); s.Generation() != 2 || s.Failed != 1 || !strings.Contains(log.String(), "finished first") {
		t.Errorf("_SUCCESS is %+v, want retry 2 with 1 failed, and the log\n%s", s, log.String())
	}
	if mergedText(t, out) != fresh(t, images, row.JSONL) {
		t.Error("the merged rows are not those of a fresh run over the mended collection")
	}
}

// TestRetryBeyondMemory asks for more memory than the machine has, finds an image too large for
// it in a retry, and does as the message says.
func TestRetryBeyondMemory(t *testing.T) {
	images, out := collection(t, 20), new(mem.Store)
	put(t, images, "large.jpg", append(picture(t, 20), make([]byte, 20<<20)...))
	o := options(t, images, out)
	o.DecodeMemory = budget.Least
	mustRun(t, o)

	o.Retry, o.Decode.MaxMemory = row.Selection{"too_large"}, 1<<50
	_, err := Run(t.Context(), o)
	var much *budget.TooMuch
	if !errors.As(err, &much) || !strings.Contains(err.Error(), "such as 16MiB") {
		t.Fatalf("got %v, want the memory that the machine has", err)
	}
	if r, err := output.ReadRetries(t.Context(), out); err != nil || r.Begun != nil {
		t.Fatalf("the retry was begun: %+v, %v", r, err)
	}

	o.Decode.MaxMemory = 200 << 20
	var scoring atomic.Bool
	o.hook = func(string, int) { scoring.Store(true) }
	o.Images = &storetest.Faulty{Store: images, BeforeOpen: func(context.Context, int, string) error {
		if !scoring.Load() {
			return nil
		}
		return &budget.TooSmall{Limits: budget.LimitsOf(budget.Least, 1)}
	}}
	_, err = Run(t.Context(), o)
	folder := output.Generation(out, 1).String()
	if err == nil || !strings.Contains(err.Error(), "first remove "+folder+",") {
		t.Fatalf("got %v, want %s", err, folder)
	}
	var names []string
	if err := out.List(t.Context(), "_batchscore/retry/0001/", func(o store.Object) error {
		names = append(names, o.Name)
		return nil
	}); err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		out.Remove(name)
	}
	o.Images, o.Decode.MaxMemory = images, 150<<20
	if s := mustRun(t, o); s.Generation() != 1 || s.Statuses[row.StatusOK] != 21 {
		t.Errorf("got %+v, want all images scored in retry 1", s)
	}
	verified(t, out)
}

var errPower = errors.New("the machine lost its power")

// mortal returns a store that fails from a number of writes on. The last write takes
// effect if last is true.
func mortal(st store.Store, writes int, last bool) *storetest.Faulty {
	var n atomic.Int64
	before := func() error {
		if i := int(n.Add(1)); i > writes || i == writes && !last {
			return errPower
		}
		return nil
	}
	after := func(err error) error {
		if int(n.Load()) >= writes {
			return errPower
		}
		return err
	}
	return &storetest.Faulty{Store: st,
		BeforeCreate: func(context.Context, int, string, []byte) error { return before() },
		AfterCreate:  func(_ int, _ store.Object, err error) error { return after(err) },
		BeforeChange: func(context.Context, string) error { return before() },
		AfterChange:  func(_ string, err error) error { return after(err) },
	}
}

// TestFault43_ARetryThatDiesAnywhere lets a retry die at each of its writes in turn,
// before and after it takes effect. At any moment the parts have one row for each
// image, and verify, merge and show never report that something was altered. The same
// command then completes the retry.
func TestFault43_ARetryThatDiesAnywhere(t *testing.T) {
	for _, f := range []row.Format{row.JSONL, row.Parquet} {
		images, mend := troubled(t, 40)
		begun := new(mem.Store)
		o := options(t, images, begun)
		o.Job.Format = f
		mustRun(t, o)
		mend()
		want := fresh(t, images, f)
		for writes := 1; ; writes++ {
			ended := false
			for _, last := range []bool{false, true} {
				out, later := clone(t, begun)
				o := retrying(t, images, mortal(out, writes, last), f)
				_, err := Run(t.Context(), o)
				ended = err == nil
				if err != nil && !errors.Is(err, errPower) {
					t.Fatalf("%s, write %d: %v", f, writes, err)
				}
				unharmed(t, out, 41)
				later()
				if writes%2 == 0 { // a run that asks for no retry puts rows that are scored into the parts
					plain := options(t, images, out)
					plain.Job.Format = f
					mustRun(t, plain)
					verified(t, out)
				}
				mustRun(t, retrying(t, images, out, f))
				verified(t, out)
				if mergedText(t, out) != want {
					t.Fatalf("%s, write %d: the merged rows are not those of a fresh run", f, writes)
				}
			}
			if ended {
				if writes < 15 {
					t.Errorf("a retry made %d writes, want at least 15", writes)
				}
				break
			}
		}
	}
}

// clone returns a copy of a store. later moves its clock forward by two leases.
func clone(t testing.TB, st *mem.Store) (c *mem.Store, later func()) {
	t.Helper()
	var ahead atomic.Int64
	c = &mem.Store{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	if err := st.List(t.Context(), "", func(o store.Object) error {
		c.Put(o.Name, []byte(object(t, st, o.Name)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return c, func() { ahead.Add(int64(2 * time.Hour)) }
}

// unharmed fails the test unless readers see what they may see of an output at any
// moment of a retry.
func unharmed(t testing.TB, out store.Store, images int) {
	t.Helper()
	report, err := output.Verify(t.Context(), out)
	if err != nil || report.Err() != nil || report.Rows != images || report.Complete == report.Publishing {
		t.Fatalf("%v\n%s", err, report.String())
	}
	err = output.Merge(t.Context(), out, new(bytes.Buffer), output.MergeOptions{})
	if report.Publishing != errors.Is(err, output.ErrIncomplete) || err != nil && !report.Publishing {
		t.Fatalf("merge: %v\n%s", err, report.String())
	}
	n := 0
	err = output.Rows(t.Context(), out, func(row.Row) error { n++; return nil })
	if report.Publishing != errors.Is(err, output.ErrIncomplete) || err == nil && n != images {
		t.Fatalf("show: %d rows, %v\n%s", n, err, report.String())
	}
}

// TestFault43_InAFolder retries on disk, in processes that are killed at each named
// point.
func TestFault43_InAFolder(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	for i := range 60 {
		body := picture(t, i)
		if i%2 == 1 {
			body = body[:len(body)/2]
		}
		put(t, open(in), pictureName(i), body)
	}
	mustRun(t, options(t, open(in), open(out)))
	for i := 1; i < 60; i += 2 {
		if err := os.WriteFile(filepath.Join(in, pictureName(i)), picture(t, i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, point := range []string{"after-claim", "before-commit", "after-read", "after-commit"} {
		t.Setenv(victimRetry, "failed")
		kill(t, point, 1, in, out, filepath.Join(t.TempDir(), "trace"))
		unharmed(t, open(out), 60)
	}
	s := mustRun(t, retrying(t, open(in), open(out), row.JSONL))
	verified(t, open(out))
	if s.Failed != 0 || mergedText(t, open(out)) != fresh(t, open(in), row.JSONL) {
		t.Errorf("the merged rows are not those of a fresh run, or some failed: %+v", s)
	}
}

// TestFault43_TwoRetriesAtOnce has a retry for other statuses begun at the moment when
// this one begins. Both are done in the end.
func TestFault43_TwoRetriesAtOnce(t *testing.T) {
	images, mend := troubled(t, 60)
	out := new(mem.Store)
	mustRun(t, options(t, images, out))
	mend()
	other := options(t, images, out)
	other.Retry = row.Selection{"truncated", "corrupt"}
	var once sync.Once
	o := options(t, images, &storetest.Faulty{Store: out, BeforeCreate: func(_ context.Context, _ int, name string, _ []byte) error {
		if strings.HasSuffix(name, "retry/0001/_batchscore/job.json") {
			once.Do(func() { mustRun(t, other) })
		}
		return nil
	}})
	o.Retry = row.Selection{"empty"}
	s := mustRun(t, o)
	if s.Generation() != 2 || s.Statuses["empty"] > 0 || s.Failed != 1 {
		t.Errorf("retry %d, statuses %v, want 2 with none empty and 1 failed", s.Generation(), s.Statuses)
	}
	if mergedText(t, out) != fresh(t, images, row.JSONL) {
		t.Error("the rows are not those of a fresh run")
	}
}
