package output

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

func TestCommit(t *testing.T) {
	for _, f := range formats {
		r := begin(t, new(mem.Store), testJob(f), numbered(20))
		for chunk := range r.c.Count() {
			first := r.commit(t, chunk)
			body := objects(t, r.st)[PartNames{format: f}.Name(chunk)]
			if first.Outcome != Created || first.Digest != digest([]byte(body)) || first.Bytes != len(body) {
				t.Errorf("%s: Commit() = %+v for %d bytes, want Created", f, first, len(body))
			}
			if again := r.commit(t, chunk); again.Outcome != Same || again.Digest != first.Digest {
				t.Errorf("%s: Commit() again = %+v, want Same", f, again)
			}
		}
		r.finish(t)
		checkRows(t, r.st, numbered(20))
	}
}

func TestCommitRefusesRowsOfOtherImages(t *testing.T) {
	r := begin(t, new(mem.Store), testJob(row.JSONL), numbered(20))
	good := func() []row.Row { return rowsOf(r.m, r.c, 1) }
	for name, rows := range map[string][]row.Row{
		"one less": good()[1:],
		"one more": append(good(), good()[0]),
		"doubled":  append(good()[:7], good()[6]),
		"of chunk": rowsOf(r.m, r.c, 0),
		"no path":  append(good()[:7], row.Row{Size: 115}),
		"other size": func() []row.Row {
			rows := good()
			rows[3].Size++
			return rows
		}(),
	} {
		if _, err := Commit(t.Context(), r.st, &r.j, r.m, 1, rows); err == nil {
			t.Errorf("%s: Commit() succeeded", name)
		}
	}
	if _, ok := objects(t, r.st)["part-00001.jsonl"]; ok {
		t.Error("Commit() left a part")
	}
}

// TestFault02_TheAnswerToACreateIsLost: a create succeeds and the store's answer is lost. The same bytes mean
// success, others belong to another job.
func TestFault02_TheAnswerToACreateIsLost(t *testing.T) {
	for _, f := range formats {
		r := begin(t, new(mem.Store), testJob(f), numbered(20))
		inner := r.st
		lossy := &storetest.Faulty{Store: inner, AfterCreate: func(_ int, _ store.Object, err error) error {
			return errors.Join(errLost, err)
		}}
		r.st = lossy
		for chunk := range r.c.Count() {
			if res := r.commit(t, chunk); res.Outcome != Created {
				t.Errorf("%s: Commit() = %+v", f, res)
			}
		}
		r.st = inner
		if res := r.commit(t, 0); res.Outcome != Same {
			t.Errorf("%s: Commit() again = %+v, want Same", f, res)
		}
		r.finish(t)
		checkRows(t, inner, numbered(20))

		r = begin(t, new(mem.Store), testJob(f), numbered(20))
		inner = r.st
		rows := rowsOf(r.m, r.c, 0)
		rows[0].Answer.(*row.Classification).Label = "from another job"
		other, err := r.j.Schema().Encode(rows)
		if err != nil {
			t.Fatal(err)
		}
		lossy = &storetest.Faulty{Store: inner, BeforeCreate: func(ctx context.Context, _ int, name string, _ []byte) error {
			_, err := inner.Create(ctx, name, other)
			return errors.Join(errLost, err)
		}}
		if _, err := Commit(t.Context(), lossy, &r.j, r.m, 0, rowsOf(r.m, r.c, 0)); !errors.Is(err, ErrOtherJob) {
			t.Errorf("%s: Commit() over other bytes after a lost answer = %v, want ErrOtherJob", f, err)
		}
	}
}

// TestFault10_ACreateThatFailsLeavesNothing: after a create that failed and left nothing, Commit may be called again.
func TestFault10_ACreateThatFailsLeavesNothing(t *testing.T) {
	r := begin(t, new(mem.Store), testJob(row.JSONL), numbered(20))
	full := fmt.Errorf("create part (4711 bytes): %w", store.ErrUnavailable)
	f := &storetest.Faulty{Store: r.st, BeforeCreate: func(_ context.Context, n int, _ string, _ []byte) error {
		if n == 0 {
			return full
		}
		return nil
	}}
	rows := rowsOf(r.m, r.c, 0)
	if _, err := Commit(t.Context(), f, &r.j, r.m, 0, rows); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "part-00000.jsonl") {
		t.Errorf("Commit() = %v, want the error of the store", err)
	}
	if done, err := Done(t.Context(), f, &r.j, r.c); err != nil || done.Count() != 0 {
		t.Errorf("Done() = %d parts, %v, want none", done.Count(), err)
	}
	if res, err := Commit(t.Context(), f, &r.j, r.m, 0, rows); err != nil || res.Outcome != Created {
		t.Errorf("Commit() once there is space = %+v, %v, want Created", res, err)
	}
}

// TestFault09_TwoLiveRanksOnOneChunk: several live ranks commit one chunk with results that differ in the last
// bit. The first to create the part wins, the others discard theirs.
func TestFault09_TwoLiveRanksOnOneChunk(t *testing.T) {
	for _, f := range formats {
		r := begin(t, new(mem.Store), testJob(f), numbered(20))
		const ranks = 8
		var results [ranks]CommitResult
		var group sync.WaitGroup
		start := make(chan struct{})
		for rank := range ranks {
			group.Go(func() {
				rows := rowsOf(r.m, r.c, 1)
				rows[2].Answer.(*row.Classification).Score = float32(rank)
				<-start
				var err error
				if results[rank], err = Commit(t.Context(), r.st, &r.j, r.m, 1, rows); err != nil {
					t.Errorf("%s: Commit() of rank %d = %v", f, rank, err)
				}
			})
		}
		close(start)
		group.Wait()
		winners := 0
		for rank, res := range results {
			switch res.Outcome {
			case Created:
				winners++
				p, err := readPart(t.Context(), r.st, &r.j, r.m, 1)
				if err != nil || p.rows[2].Answer.(*row.Classification).Score != float32(rank) {
					t.Errorf("%s: rank %d won, but the part has the score %v, %v", f, rank, p.rows[2].Answer.(*row.Classification).Score, err)
				}
			case Lost:
			default:
				t.Errorf("%s: Commit() of rank %d = %+v, want Lost", f, rank, res)
			}
			if res.Digest != results[0].Digest {
				t.Errorf("%s: ranks got different digests of the part", f)
			}
		}
		if winners != 1 {
			t.Errorf("%s: %d ranks created the part, want 1", f, winners)
		}
		r.commit(t, 0)
		r.commit(t, 2)
		r.finish(t)
		checkRows(t, r.st, numbered(20))
	}
}

func TestFault09_APartOfSomethingElse(t *testing.T) {
	for name, body := range map[string]string{
		"other images": `{"path":"x","path_base64":"","size":1,"status":"ok","label":"","class_id":0,"score":0.0,` +
			`"label_2":"","score_2":null,"margin":null,"topk":[],"error":""}` + "\n",
		"no rows":    "",
		"not a part": "hello\n",
	} {
		st := new(mem.Store)
		r := begin(t, st, testJob(row.JSONL), numbered(20))
		st.Put("part-00000.jsonl", []byte(body))
		_, err := Commit(t.Context(), st, &r.j, r.m, 0, rowsOf(r.m, r.c, 0))
		if !errors.Is(err, ErrOtherJob) || !strings.Contains(err.Error(), "part-00000.jsonl") {
			t.Errorf("%s: Commit() = %v, want ErrOtherJob", name, err)
		}
		if objects(t, st)["part-00000.jsonl"] != body {
			t.Errorf("%s: Commit() replaced the part", name)
		}
	}
}

func TestCommitWithACancelledContextReturnsItsError(t *testing.T) {
	r := begin(t, new(mem.Store), testJob(row.JSONL), numbered(20))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Commit(ctx, r.st, &r.j, r.m, 0, rowsOf(r.m, r.c, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit() = %v, want the error of the store", err)
	}
}

func TestDoneKnowsItsOwnPartsOnly(t *testing.T) {
	st := new(mem.Store)
	r := begin(t, st, testJob(row.JSONL), numbered(20))
	for _, name := range []string{"part-00001.jsonl", "part-1.jsonl", "part-00002.csv", "part-00003.jsonl", "part-00000.jsonl.bak", "part-x.jsonl"} {
		st.Put(name, nil)
	}
	done, err := Done(t.Context(), st, &r.j, r.c)
	if err != nil || done.Len() != 3 || done.Count() != 1 || !done.Has(1) || done.All() {
		t.Errorf("Done() = %+v, %v", done, err)
	}
}
