package timeline

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

var origin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func second(s float64) time.Time { return origin.Add(time.Duration(s * float64(time.Second))) }

// job returns the facts of a job without claims.
func job(t testing.TB, chunks, size int) *facts {
	t.Helper()
	var b shard.Builder
	for i := range chunks * size {
		if err := b.Add(shard.Entry{Path: fmt.Sprintf("%07d.jpg", i), Size: 1, ETag: "e"}); err != nil {
			t.Fatal(err)
		}
	}
	m, _, err := b.Build(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return &facts{job: new(output.Job), begun: origin, manifest: m, chunks: shard.Chunks{Entries: chunks * size, Size: size}, parts: map[int]time.Time{}}
}

func worker(id string, rank, world int) claim.Worker {
	return claim.Worker{ID: id, Host: "host " + id, Rank: rank, World: world}
}

// claimed adds the claims of a chunk.
func (f *facts) claimed(chunk int, race *claim.Link, links ...claim.Link) {
	f.histories = append(f.histories, claim.History{Chunk: chunk, Links: links, Race: race})
	f.known++
}

func link(w claim.Worker, at float64) claim.Link { return claim.Link{Worker: w, At: second(at)} }

// TestTimeline is a job of four ranks: one is slow and raced, one is killed and started
// again, and one is asked to end.
func TestTimeline(t *testing.T) {
	f := job(t, 16, 10)
	quick, killed, again := worker("q", 0, 4), worker("k", 1, 4), worker("k2", 1, 4)
	left, slow, idle := worker("l", 2, 4), worker("s", 3, 4), worker("i", 0, 4)
	commit := func(chunk int, at float64) { f.parts[chunk] = second(at) }
	for i := range 4 {
		f.claimed(i, nil, link(quick, float64(i)))
		commit(i, float64(i+1))
	}
	f.claimed(4, nil, link(killed, 0))
	commit(4, 1)
	f.claimed(5, nil, link(killed, 1), link(quick, 6)) // the killed rank left it
	commit(5, 7)
	f.claimed(6, nil, link(again, 5))
	commit(6, 6)
	f.claimed(7, nil, link(again, 6), link(idle, 17)) // for nothing, after its commit
	commit(7, 7)
	f.claimed(8, nil, link(left, 0))
	commit(8, 1)
	leaving := link(left, 2)
	leaving.Leaving = true
	released := leaving
	released.At, released.Released = second(2.5), true
	f.claimed(9, nil, link(left, 1), leaving, released, link(quick, 7))
	commit(9, 8)
	for i := 10; i < 12; i++ {
		f.claimed(i, nil, link(again, float64(i-3))) // stolen
		commit(i, float64(i-2))
	}
	f.claimed(12, nil, link(slow, 0), link(slow, 4))
	commit(12, 5)
	f.claimed(13, nil, link(slow, 5))
	commit(13, 10)
	race := link(quick, 11)
	f.claimed(14, &race, link(slow, 10))
	commit(14, 12)
	f.claimed(15, nil, claim.Link{At: second(1)}) // cannot be understood
	commit(15, 12)
	f.end = &claim.Link{Worker: quick, At: second(12)}
	report := func(w claim.Worker, from, to float64, end string, images, chunks, stolen, lost int) {
		f.workers = append(f.workers, output.WorkerSummary{Worker: w, Device: "cpu", Started: second(from), Seconds: to - from, End: end,
			Images: images, Scored: images + 10*lost, Chunks: chunks, Stolen: stolen, Lost: lost,
			Stages: &output.Stages{Seconds: to - from, Decoders: 2, Lanes: 1, BusySeconds: map[string]float64{
				"fetch": 0.5 * (to - from), "decode": 2 * 0.95 * (to - from), "infer": 0.25 * (to - from), "commit": 0.1 * (to - from)}}})
	}
	report(quick, 0, 12, "done", 110, 7, 2, 0)
	report(again, 5, 9, "done", 40, 4, 2, 0)
	report(left, 0, 3, "stopped", 10, 1, 0, 2)
	report(slow, 0, 12, "done", 20, 2, 0, 1)
	f.success = &output.Success{Started: origin, Ended: second(12)}

	tl, err := f.timeline()
	if err != nil {
		t.Fatal(err)
	}
	var ranks []string
	for _, r := range tl.Ranks {
		text := fmt.Sprintf("%d: %d images in %d chunks, %d stolen, %d doubled, %d lost", r.Rank, r.Images, r.Chunks, r.Stolen, r.Doubled, r.Lost)
		for _, p := range r.Processes {
			text += "; " + p.End
			if p.Preempted {
				text += " preempted"
			}
		}
		for _, i := range r.Busy {
			text += fmt.Sprintf(" %g-%g", i.From.Sub(origin).Seconds(), i.To.Sub(origin).Seconds())
		}
		ranks = append(ranks, text)
	}
	want := []string{
		"0: 110 images in 7 chunks, 2 stolen, 1 doubled, 0 lost; done 0-4 6-8 11-12",
		"1: 50 images in 5 chunks, 2 stolen, 0 doubled, 0 lost; killed; done 0-1 5-9",
		"2: 10 images in 1 chunks, 0 stolen, 0 doubled, 2 lost; stopped preempted 0-2.5",
		"3: 20 images in 2 chunks, 0 stolen, 0 doubled, 1 lost; done 0-12",
	}
	// The other process of rank 0 claimed for nothing.
	ranks[0] = strings.Replace(ranks[0], "; killed", "", 1)
	if !reflect.DeepEqual(ranks, want) {
		t.Errorf("ranks:\n%s\nwant\n%s", strings.Join(ranks, "\n"), strings.Join(want, "\n"))
	}
	var events []string
	for _, e := range tl.Events {
		if e.Rank == 0 && e.Kind == KindDied {
			continue
		}
		events = append(events, fmt.Sprintf("%g %s %d %d %d", e.At.Sub(origin).Seconds(), e.Kind, e.Rank, e.Chunk, e.From))
	}
	wantEvents := []string{
		"1 died 1 -1 -1", "2 preempted 2 -1 -1", "2.5 released 2 9 -1", "6 stolen 0 5 1", "6 taken over 0 5 1", "7 stolen 0 9 2",
		"7 stolen 1 10 2", "8 stolen 1 11 2", "11 doubled 0 14 3", "12 finished 0 -1 -1",
	}
	if !slices.Equal(events, wantEvents) {
		t.Errorf("events:\n%s\nwant\n%s", strings.Join(events, "\n"), strings.Join(wantEvents, "\n"))
	}
	if !slices.Equal(tl.Straggling, []int{3}) || !tl.Ranks[3].Straggles {
		t.Errorf("straggling: %v of %+v, above %v", tl.Straggling, tl.Ranks, tl.StragglesAbove)
	}
	s := tl.Slowest
	if len(s) != 15 || s[0].Chunk != 12 || s[0].Seconds != 5 || s[0].First != "0000120.jpg" || s[0].Rank != 3 ||
		s[1].Chunk != 13 || s[2].Chunk != 14 || !s[2].Doubled {
		t.Errorf("slowest: %+v", s)
	}
	images := 0
	for i, r := range tl.Rates {
		images += r.Images
		if i > 0 && !r.From.Equal(tl.Rates[i-1].To) {
			t.Errorf("rates: %+v does not follow", r)
		}
	}
	if images != 160 || len(tl.Rates) != 4 || tl.Rates[0].PerSecond != float64(tl.Rates[0].Images)/3 {
		t.Errorf("rates: %+v", tl.Rates)
	}
	if b := tl.Bound; b.Stage != "decode" || b.Workers != 4 || b.Of != 6 || b.Busy["infer"] != 0.25 ||
		b.Text != "Decoding bound the job: all decoders were busy 95% of the time. The device waited for images 75% of the time." {
		t.Errorf("bound: %+v", b)
	}
	if tl.Chunks != 16 || tl.Committed != 16 || tl.World != 4 || !tl.Complete || len(tl.Notes) != 0 {
		t.Errorf("%+v", tl)
	}
}

// TestBound tests the sentence for each stage.
func TestBound(t *testing.T) {
	for _, c := range []struct {
		name string
		busy map[string]float64 // of 10 s, of 4 decoders and 2 lanes
		want string
	}{
		{name: "infer", busy: map[string]float64{"infer": 19, "decode": 10},
			want: "The device bound the job: it was busy 95% of the time; the decoders were busy 25% of it."},
		{name: "commit", busy: map[string]float64{"commit": 9, "infer": 4}, want: "Writing parts bound the job: it took 90% of the time, one part after the other."},
		{name: "fetch", busy: map[string]float64{"fetch": 75, "infer": 4, "decode": 4},
			want: "Reading images bound the job: 7.5 were being read at a time, and the decoders were busy 10% of the time. " +
				"The device waited for images 80% of the time."},
		{name: "", busy: map[string]float64{"infer": 4, "decode": 4},
			want: "Nothing bound the job for most of the time: its start, its end and pauses count for much. " +
				"The device was busy 20% of the time, and the decoders 10%."},
	} {
		b := bound([]output.WorkerSummary{{Scored: 100, Stages: &output.Stages{Seconds: 10, Decoders: 4, Lanes: 2, BusySeconds: c.busy}}, {}}, 2, false)
		if b.Stage != c.name || b.Text != c.want || b.Workers != 1 {
			t.Errorf("bound by %q: %+v, want %q", c.name, b, c.want)
		}
	}
	if b := bound([]output.WorkerSummary{{}}, 1, false); b != nil {
		t.Errorf("nobody reported: %+v", b)
	}
}

// TestRunning tests a job that still runs, and one whose claims say that a process is dead.
func TestRunning(t *testing.T) {
	f := job(t, 8, 10)
	a, b := worker("a", 0, 2), worker("b", 1, 2)
	f.claimed(0, nil, link(a, 1))
	f.parts[0] = second(3)
	f.claimed(4, nil, link(b, 1))
	f.claimed(1, nil, link(a, 3))
	tl, err := f.timeline()
	if err != nil {
		t.Fatal(err)
	}
	if p := tl.Ranks[1].Processes[0]; p.End != EndUnknown || tl.Complete || !tl.Ended.Equal(second(3)) || tl.Ranks[0].Images != 10 || tl.Committed != 1 {
		t.Errorf("%+v", tl)
	}
	if n := tl.Notes; len(n) != 1 || !strings.HasPrefix(n[0], "What bound the job is not known") {
		t.Errorf("notes: %q", n)
	}
	f.histories[2].Links = append(f.histories[2].Links, link(a, 9)) // that on chunk 4
	if tl, err = f.timeline(); err != nil || tl.Ranks[1].Processes[0].End != EndKilled {
		t.Errorf("a process whose chunk was taken over: %+v, %v", tl.Ranks[1], err)
	}
	// Only silent for a while.
	f.histories = append(f.histories, claim.History{Chunk: 5, Links: []claim.Link{link(b, 10)}})
	if tl, err = f.timeline(); err != nil || tl.Ranks[1].Processes[0].End != EndUnknown {
		t.Errorf("a process that gave a sign again: %+v, %v", tl.Ranks[1], err)
	}
}

// TestReplaced tests outputs whose files are newer than their end.
func TestReplaced(t *testing.T) {
	f := job(t, 4, 10)
	w := worker("a", 0, 1)
	for i := range 4 {
		f.claimed(i, nil, link(w, float64(i)))
		f.parts[i] = second(float64(i + 1))
	}
	f.parts[2] = second(99)
	f.success = &output.Success{Started: origin, Ended: second(4), Retry: &output.RetryOutcome{Generation: 1}}
	tl, err := f.timeline()
	if err != nil {
		t.Fatal(err)
	}
	if len(tl.Slowest) != 3 || tl.Rates[0].Images != 30 || tl.Ranks[0].Chunks != 4 || !strings.HasPrefix(tl.Notes[0], "Retries replaced 1 of 4 parts.") {
		t.Errorf("a retry: %+v", tl)
	}
	claims, known := f.histories, f.known
	f.histories, f.known = nil, 0
	if tl, err = f.timeline(); err != nil || !strings.Contains(strings.Join(tl.Notes, "\n"), "The claims of the job are gone") {
		t.Errorf("without claims: %+v, %v", tl, err)
	}
	f.histories, f.known = claims, known
	f.success.Retry = nil
	for i := range 4 {
		f.parts[i] = second(99)
		f.histories[i].Links[0].At = second(99)
	}
	if tl, err = f.timeline(); err != nil {
		t.Fatal(err)
	}
	if len(tl.Slowest) != 0 || len(tl.Rates) != 0 || len(tl.Ranks) > 0 && len(tl.Ranks[0].Busy) > 0 || !strings.Contains(tl.Notes[0], "copied") {
		t.Errorf("a copy: %+v", tl)
	}
}

// TestMany tests that a timeline of many chunks and ranks stays small, and says what it leaves
// out.
func TestMany(t *testing.T) {
	const chunks, world = 3000, 50
	f := job(t, chunks, 1)
	for i := range chunks {
		w := worker(fmt.Sprint("w", i%world), i%world, world)
		at := float64(i/world)*10 + float64(i%7)
		f.claimed(i, nil, link(w, at))
		f.parts[i] = second(at + 1)
	}
	f.known += chunks // as if half of them had been read
	tl, err := f.timeline()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range tl.Ranks {
		if len(r.Busy) > MostIntervals {
			t.Errorf("rank %d: %d intervals", r.Rank, len(r.Busy))
		}
	}
	if len(tl.Ranks) != world || len(tl.Events) > MostEvents || tl.EventCounts[KindStolen] < 2*MostEvents ||
		len(tl.Rates) != MostSlots || len(tl.Slowest) != MostSlowest {
		t.Errorf("%d ranks, %d events of %v, %d rates, %d slowest", len(tl.Ranks), len(tl.Events), tl.EventCounts, len(tl.Rates), len(tl.Slowest))
	}
	if notes := strings.Join(tl.Notes, "\n"); !strings.Contains(notes, "The claims on 3000 of 6000 chunks were read") ||
		!strings.Contains(notes, "events are listed") {
		t.Errorf("notes: %s", notes)
	}
	body, err := json.Marshal(tl)
	if err != nil || len(body) > 1<<20 || strings.Contains(string(body), "null") {
		t.Errorf("%d bytes of JSON, %v: %.300s", len(body), err, body)
	}
}

func TestMerge(t *testing.T) {
	at := func(spans ...float64) (all []Interval) {
		for i := 0; i < len(spans); i += 2 {
			all = append(all, Interval{second(spans[i]), second(spans[i+1])})
		}
		return all
	}
	if got := merge(at(5, 6, 0, 2, 1, 3, 3, 4), 0, 9); !reflect.DeepEqual(got, at(0, 4, 5, 6)) {
		t.Errorf("%v", got)
	}
	if got := merge(at(0, 1, 2, 3, 9, 10), time.Second, 9); !reflect.DeepEqual(got, at(0, 3, 9, 10)) {
		t.Errorf("%v", got)
	}
	var many []float64
	for i := range 500 {
		gap := float64(i) * 10
		if i%10 > 0 { // close to the one before
			gap = float64(i/10)*100 + float64(i%10)*2
		}
		many = append(many, gap, gap+1)
	}
	if got := merge(at(many...), 0, 100); len(got) > 100 || !got[0].From.Equal(origin) {
		t.Errorf("%d intervals", len(got))
	}
}

func TestSample(t *testing.T) {
	all := make([]int, 100)
	for i := range all {
		all[i] = i
	}
	got := sample(all, 20, func(i int) bool { return i < 90 })
	if len(got) != 20 || !slices.Equal(got[:10], all[90:]) || got[10] != 0 || got[19] != 81 {
		t.Errorf("%v", got)
	}
	if got := sample(all, 100, nil); len(got) != 100 {
		t.Errorf("%d of all", len(got))
	}
	if got := sample(all, 5, func(i int) bool { return i < 90 }); len(got) != 5 {
		t.Errorf("%v", got)
	}
}

// TestRead_Former reads outputs that a former release wrote.
func TestRead_Former(t *testing.T) {
	archives, err := filepath.Glob("../../../deploy/compat/testdata/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatal("there are no archives of former releases", err)
	}
	for _, archive := range archives {
		root := t.TempDir()
		if text, err := exec.Command("tar", "-xzf", archive, "-C", root).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		read := func(name string) *Timeline {
			t.Helper()
			st, err := dir.New(filepath.Join(root, name), dir.Options{})
			if err != nil {
				t.Fatal(err)
			}
			r := NewReader(st, Options{})
			defer r.Close()
			tl, err := r.Read(t.Context())
			if err != nil {
				t.Fatalf("%s of %s: %v", name, archive, err)
			}
			if again, err := r.Read(t.Context()); err != nil || !reflect.DeepEqual(again, tl) {
				t.Errorf("%s of %s: read again, it differs (%v):\n%+v\n%+v", name, archive, err, again, tl)
			}
			if tl.Images != 27 || tl.Chunks != 9 || len(tl.Ranks) == 0 || len(tl.Ranks[0].Busy) == 0 {
				t.Errorf("%s of %s: %+v", name, archive, tl)
			}
			return tl
		}
		if tl := read("launched"); len(tl.Ranks) != 2 || !tl.Complete || tl.Ranks[0].Images+tl.Ranks[1].Images != 27 ||
			tl.EventCounts[KindDoubled] == 0 || tl.Bound != nil {
			t.Errorf("launched: %+v", tl)
		}
		if tl := read("unfinished"); tl.Complete || tl.Committed != 2 || tl.World != 3 || !tl.Simulated {
			t.Errorf("unfinished: %+v", tl)
		}
		if tl := read("retried"); len(tl.Retries) != 1 || tl.Retries[0].Images != 3 || !tl.Retries[0].Complete || tl.Retries[0].Workers != 1 {
			t.Errorf("retried: %+v", tl)
		}
	}
	if _, err := Read(t.Context(), new(mem.Store), Options{}); err == nil || !strings.Contains(err.Error(), store.ErrNotExist.Error()) {
		t.Errorf("no output: %v", err)
	}
}
