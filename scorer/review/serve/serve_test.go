package serve

import (
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/thumbnail"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

func TestPageFollowsAJob(t *testing.T) {
	j := &job{t: t, out: count(new(mem.Store)), images: count(new(mem.Store))}
	s := startJob(j)
	p := s.await("nothing is there", func(p seen) bool { return p.Stage == stageWaiting })
	if p.Trouble != "" || !strings.Contains(p.Waiting, "is not an output folder") {
		t.Errorf("before the job: %+v", p)
	}
	if r := s.get("/rows"); r.code != http.StatusNotFound {
		t.Errorf("rows before the job: %d", r.code)
	}
	j.begin(20)
	p = s.await("scoring", func(p seen) bool { return p.Images == 20 })
	if p.Trouble != "" || p.Rows != 0 {
		t.Errorf("before the first part: %+v", p)
	}
	if body := s.get("/progress").body; strings.Contains(body, ":null") { // a page would end at it
		t.Errorf("without failures: %s", body)
	}
	j.commit(1)
	p = s.await("a part", func(p seen) bool { return p.Rows == 8 })
	if p.ImagesDone != 8 || p.Failed != 1 || len(p.Failures) != 1 || p.Failures[0].Row != 10 || p.Failures[0].Error != "it is <b>HTML</b>" {
		t.Errorf("after part 1: %+v", p)
	}
	if d := decode[details](s, "/row?row=0"); d.Status != "" || d.Path != hostile {
		t.Errorf("an image without a row: %+v", d)
	}
	j.commit(0)
	j.finish(2)
	p = s.await("complete", func(p seen) bool { return p.Stage == string(output.Complete) && p.Rows == 20 })
	if p.Failed != 3 || len(p.Failures) != 3 || p.AllLabel != 3 || p.Simulated {
		t.Errorf("at the end: %+v", p)
	}
	d := decode[details](s, "/row?row=9")
	if d.Label != "label 0" || d.Score == nil || *d.Score != 0.45 || d.Margin == nil || len(d.Classes) != 2 || d.Address != "/data/images/images/00009.jpg" {
		t.Errorf("row 9: %+v", d)
	}
	// The output is removed, and another job begins in its place.
	var gone store.Store = missing{new(mem.Store)}
	j.out.now.Store(&gone)
	p = s.await("the output is gone", func(p seen) bool { return p.Trouble != "" })
	if !strings.Contains(p.Trouble, "removed or moved") || p.Rows != 20 {
		t.Errorf("without the output: %+v", p)
	}
	var out, images store.Store = new(mem.Store), new(mem.Store)
	j.out.now.Store(&out)
	j.images.now.Store(&images)
	j.begin(12)
	j.commit(0)
	s.await("the next job", func(p seen) bool { return p.Trouble == "" && p.Images == 12 && p.Rows == 8 })
}

// TestStartIsThatOfReports: the record of a job is there only some time after its first process began.
func TestStartIsThatOfReports(t *testing.T) {
	j := begin(t, 20)
	s := startJob(j)
	before := s.await("scoring", func(p seen) bool { return p.Started != nil })
	began := time.Now().Add(-time.Hour)
	w := claim.Worker{ID: "w", Host: "gpu", World: 1, Started: began}
	if err := output.WriteSummary(t.Context(), j.out, &j.record, output.WorkerSummary{
		Worker: w, Device: "cpu", Started: began, Seconds: 3600, Statuses: map[string]int{}, End: "done",
	}); err != nil {
		t.Fatal(err)
	}
	j.finish(0)
	p := s.await("complete", func(p seen) bool { return p.Stage == string(output.Complete) })
	f, _, err := review.Collect(t.Context(), j.out, review.Options{})
	if err != nil || p.Started == nil || !p.Started.Equal(f.Job.Started) || p.Makespan != f.Job.MakespanSeconds || !p.Started.Before(*before.Started) {
		t.Errorf("started %v and took %v s, want %v and %v s as reports say; before its end: %v; %v",
			p.Started, p.Makespan, f.Job.Started, f.Job.MakespanSeconds, before.Started, err)
	}
}

// missing is a place that does not exist.
type missing struct{ store.Store }

func (m missing) List(context.Context, string, func(store.Object) error) error {
	return fmt.Errorf("out: %w", store.ErrNotExist)
}

func (m missing) Open(_ context.Context, name, _ string) (io.ReadCloser, store.Object, error) {
	return nil, store.Object{}, fmt.Errorf("%s: %w", name, store.ErrNotExist)
}

// held holds what reads the second part and those after it.
type held struct {
	store.Store
	goOn chan struct{}
}

func (h held) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	if strings.HasPrefix(name, "part-") && !strings.HasPrefix(name, "part-00000") {
		select {
		case <-h.goOn:
		case <-ctx.Done():
			return nil, store.Object{}, ctx.Err()
		}
	}
	return h.Store.Open(ctx, name, etag)
}

// TestFirstLookIsShown: a large output takes long to read. Until then, all that was read is shown.
func TestFirstLookIsShown(t *testing.T) {
	j := begin(t, 20)
	j.finish(0)
	h := held{*j.out.now.Load(), make(chan struct{})}
	var st store.Store = h
	j.out.now.Store(&st)
	s := startJob(j)
	if p := decode[seen](s, "/progress"); p.Stage != stageReading || p.Trouble != "" {
		t.Errorf("before the first part is read: %+v", p)
	}
	p := s.await("a part", func(p seen) bool { return p.Rows == perChunk })
	if p.Stage != stageReading || p.ImagesDone != perChunk || p.Images != 20 || p.Job == "" || p.Every > soon.Seconds() || len(p.Statuses) != 2 {
		t.Errorf("after the first part: %+v", p)
	}
	if a := decode[answer](s, "/rows"); a.Matching != perChunk {
		t.Errorf("%d rows match, want the %d that are read", a.Matching, perChunk)
	}
	close(h.goOn)
	s.await("the end", func(p seen) bool { return p.Stage == string(output.Complete) && p.Rows == 20 && p.ImagesDone == 20 })
}

func TestQuestions(t *testing.T) {
	j := begin(t, 28)
	j.finish(0)
	s := startJob(j)
	s.await("complete", func(p seen) bool { return p.Rows == 28 })
	for _, c := range []struct {
		ask      string
		want     string
		matching int
		next     int
	}{
		{ask: "limit=3", want: "0 1 2", matching: 28, next: 3},
		{ask: "limit=3&after=26", want: "26 27", matching: 28},
		{ask: "status=failed", want: "3 10 17 24", matching: 4},
		{ask: "status=not_image&limit=2", want: "3 10", matching: 4, next: 17},
		{ask: "status=not_image&limit=2&after=17", want: "17 24", matching: 4},
		{ask: "status=ok&label=label+1&limit=2", want: "1 4", matching: 8, next: 7},
		{ask: "label=label+1&from=0.5", want: "16 19 22 25", matching: 4},
		{ask: "from=0.25&to=0.3", want: "7 8", matching: 2},
		{ask: "from=0.25&to=0.5", want: "7 8 9 11 12 13", matching: 6}, // row 14 has 0.5
		{ask: "from=0.9&to=1", want: "26 27", matching: 2},
		{ask: "label=none", want: ""},
		{ask: "label=LABEL&limit=2&after=5", want: "5 6", matching: 24, next: 7},
		{ask: "label=EL+1&limit=2", want: "1 4", matching: 8, next: 7},
		{ask: "status=truncated", want: ""},
		{ask: "contains=0001&limit=3", want: "1 10 11", matching: -1, next: 12},
		{ask: "contains=SCRIPT", want: "0", matching: -1},
		{ask: "order=least&limit=3", want: "0 1 2", matching: 24, next: 3},
		{ask: "order=least&limit=3&after=3", want: "4 5 6", matching: 24, next: 6},
		{ask: "order=most&limit=2&label=label+0", want: "27 21", matching: 8, next: 2},
	} {
		a := decode[answer](s, "/rows?"+c.ask)
		if pathsOf(a) != c.want || a.Matching != c.matching || a.Next != c.next || a.Of != 28 {
			t.Errorf("%s: rows %s, %d match, next %d; want %s, %d, %d", c.ask, pathsOf(a), a.Matching, a.Next, c.want, c.matching, c.next)
		}
	}
	if a := decode[answer](s, "/rows?label=label"); a.Labels != 3 {
		t.Errorf("%d labels contain the text, want 3", a.Labels)
	}
	if a := decode[answer](s, "/rows?label=label+1"); a.Labels != 0 {
		t.Errorf("a label is taken for a part of %d", a.Labels)
	}
	for _, wrong := range []string{
		"limit=0", "limit=201", "limit=-1", "after=x", "order=random", "from=nan", "from=x", "unknown=1", "status=ok&status=failed", "order=most&contains=x", "%zz=1",
	} {
		if r := s.get("/rows?" + wrong); r.code != http.StatusBadRequest {
			t.Errorf("%s: %d %s, want 400", wrong, r.code, r.body)
		}
	}
}

// TestSamplesAreThoseOfReports orders rows by the hash of their names.
func TestSamplesAreThoseOfReports(t *testing.T) {
	j := begin(t, 28)
	j.finish(0)
	s := startJob(j)
	s.await("complete", func(p seen) bool { return p.Rows == 28 })
	const seed = 1 // the default of report --seed
	findings, _, err := review.Collect(t.Context(), j.out, review.Options{Seed: seed, PerGallery: 28})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, g := range findings.Galleries {
		if g.ID == "random" {
			for _, p := range g.Pictures {
				want = append(want, p.Path)
			}
		}
	}
	sample := func(ask string) []string {
		var got []string
		for _, r := range decode[answer](s, "/rows?order=sample"+ask).Rows {
			got = append(got, r.Path)
		}
		return got
	}
	if got := sample(""); len(want) != 28 || !slices.Equal(got, want) || !slices.Contains(got, hostile) {
		t.Errorf("a sample of all rows:\n%q, and that of a report:\n%q", got, want)
	}
	if got := sample("&limit=5&after=20"); !slices.Equal(got, want[20:25]) {
		t.Errorf("rows 20 to 24 of the sample: %q, want %q", got, want[20:25])
	}
	// Equal beginnings of hashes change nothing.
	if err := s.watch.with(func(v *shown) error {
		v.rows.mu.Lock()
		defer v.rows.mu.Unlock()
		for _, p := range v.rows.parts {
			clear(p.hashes)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := sample("&limit=30"); !slices.Equal(got, want) {
		t.Errorf("a sample by names alone: %q, want %q", got, want)
	}
}

func TestPicturesAreMadeAndNeverFiles(t *testing.T) {
	j := begin(t, 20)
	j.finish(0)
	s := startJob(j)
	s.await("complete", func(p seen) bool { return p.Rows == 20 })
	for size, width := range map[string]int{"small": thumbnail.SideSmall, "large": 320} {
		r := s.get("/image?row=1&size=" + size)
		got, err := jpeg.DecodeConfig(strings.NewReader(r.body))
		if r.code != http.StatusOK || err != nil || got.Width != width || r.header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("%s: %d, %d pixels wide, %v %v", size, r.code, got.Width, r.header, err)
		}
		file, _, err := j.images.Open(t.Context(), "images/00001.jpg", "")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(file)
		file.Close()
		if string(body) == r.body {
			t.Errorf("%s: it is the file itself", size)
		}
	}
	// A file of HTML that is named as a picture.
	if r := s.get("/image?row=3&size=large"); r.code != http.StatusNotFound || strings.Contains(r.body, "script") ||
		!strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("HTML as a picture: %d %q %v", r.code, r.body, r.header)
	}
	before := j.images.calls.Load()
	var wait sync.WaitGroup
	for range 30 {
		wait.Go(func() {
			for _, n := range []int{1, 2, 4} {
				if r := s.get(fmt.Sprint("/image?size=small&row=", n)); r.code != http.StatusOK {
					t.Errorf("row %d: %d %s", n, r.code, r.body)
				}
			}
		})
	}
	wait.Wait()
	if n := j.images.calls.Load() - before; n > 3 {
		t.Errorf("90 requests for 3 pictures, one of which was kept, read images %d times", n)
	}
	// An image that is another one now is not shown, also if it is as long as it was.
	twin := photo(t, 2)
	twin[len(twin)-3] ^= 1
	if _, err := store.Replace(t.Context(), *j.images.now.Load(), "images/00002.jpg", twin, mustTag(t, j.images, "images/00002.jpg")); err != nil {
		t.Fatal(err)
	}
	if r := s.get("/image?size=large&row=2"); r.code != http.StatusNotFound || !strings.Contains(r.body, thumbnail.ErrChanged.Error()) {
		t.Errorf("an image that was replaced by one of the same size: %d", r.code)
	}
	copies := start(t, Options{Out: j.out, Images: func(*output.Job) (Images, error) { return Images{Store: j.images, Copies: true}, nil }})
	copies.await("complete", func(p seen) bool { return p.Rows == 20 })
	if r := copies.get("/image?size=large&row=2"); r.code != http.StatusOK {
		t.Errorf("a copy of an image, with another version: %d %s", r.code, r.body)
	}
	if _, err := store.Replace(t.Context(), *j.images.now.Load(), "images/00005.jpg", photo(t, 99), mustTag(t, j.images, "images/00005.jpg")); err != nil {
		t.Fatal(err)
	}
	if r := s.get("/image?size=small&row=5"); r.code != http.StatusNotFound {
		t.Errorf("an image that was replaced: %d", r.code)
	}
}

func mustTag(t *testing.T, st store.Store, name string) string {
	t.Helper()
	r, o, err := st.Open(t.Context(), name, "")
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return o.ETag
}

func TestPlacesWithoutAccess(t *testing.T) {
	j := begin(t, 20)
	j.finish(0)
	s := start(t, Options{Out: j.out, Images: func(*output.Job) (Images, error) {
		return Images{}, errors.New("the key \x1b[2Jsecret does not fit")
	}, Clean: func(s string) string { return strings.ReplaceAll(s, "secret", "***") }})
	p := s.await("complete", func(p seen) bool { return p.Rows == 20 })
	if p.NoImages != `No images are shown: the key \u001b[2J*** does not fit` {
		t.Errorf("why there are no images: %q", p.NoImages)
	}
	if r := s.get("/image?size=small&row=1"); r.code != http.StatusNotFound || strings.Contains(r.body, "secret") {
		t.Errorf("an image: %d %s", r.code, r.body)
	}
}

// TestImagesThatCannotBeReached are not a fault of the server.
func TestImagesThatCannotBeReached(t *testing.T) {
	j := begin(t, 20)
	j.finish(0)
	s := startJob(j)
	s.await("complete", func(p seen) bool { return p.Rows == 20 })
	var gone store.Store = missing{new(mem.Store)}
	j.images.now.Store(&gone)
	if r := s.get("/image?size=small&row=1"); r.code != http.StatusNotFound || !strings.Contains(r.body, "cannot be read from here") {
		t.Errorf("without their place: %d %s", r.code, r.body)
	}
}

func TestWeightOfRows(t *testing.T) {
	text := strings.Repeat("x", 1000)
	one := []row.Row{{Path: text, Error: text, Answer: &row.Classification{Label: text, TopK: []row.Class{{Label: text}, {Label: text}}}}}
	if n := weight(one); n < 5000 || n > 5500 {
		t.Errorf("five texts of 1,000 bytes weigh %d", n)
	}
	if n := weight(append(one, one...)); n < 10_000 || n > 11_000 {
		t.Errorf("ten of them weigh %d", n)
	}
	if n := weight([]row.Row{{Answer: map[string][]float64{text: make([]float64, 1000)}}}); n < 9000 || n > 9500 {
		t.Errorf("a text and 1,000 numbers weigh %d", n)
	}
	if n := weight(nil); n != 0 {
		t.Errorf("nothing weighs %d", n)
	}
}

// TestReadersShareLooks lets many readers ask at once: the output is looked at once in an interval.
// When nobody asks, it is not looked at.
func TestReadersShareLooks(t *testing.T) {
	j := begin(t, 64)
	j.commit(0)
	s := start(t, Options{Out: j.out, Every: time.Hour, Images: func(*output.Job) (Images, error) { return Images{Store: j.images}, nil }})
	s.await("a part", func(p seen) bool { return p.Rows == 8 })
	before := j.out.calls.Load()
	r := s.get("/progress")
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			for range 10 {
				again := s.request(http.MethodGet, "/progress")
				again.Header.Set("If-None-Match", r.header.Get("ETag"))
				if got := s.do(s.client, again); got.code != http.StatusNotModified || got.body != "" {
					t.Errorf("the same answer again: %d %s", got.code, got.body)
				}
				if got := s.get("/rows?status=failed"); got.code != http.StatusOK {
					t.Errorf("rows: %d %s", got.code, got.body)
				}
			}
		})
	}
	wait.Wait()
	if n := j.out.calls.Load() - before; n != 0 {
		t.Errorf("500 questions within one interval called the storage %d times", n)
	}
	// Each look reads only new parts.
	s.watch.mu.Lock()
	s.watch.wait = 0
	s.watch.mu.Unlock()
	j.commit(1)
	s.await("another part", func(p seen) bool { return p.Rows == 16 })
}

func TestNoQuestionNoLook(t *testing.T) {
	j := begin(t, 20)
	s := start(t, Options{Out: j.out, Every: time.Millisecond})
	s.await("scoring", func(p seen) bool { return p.Images == 20 })
	time.Sleep(50 * time.Millisecond) // the look under way ends
	before := j.out.calls.Load()
	time.Sleep(100 * time.Millisecond)
	if n := j.out.calls.Load() - before; n != 0 {
		t.Errorf("nobody asked, and the storage was called %d times", n)
	}
}

func TestTooMuchAtOnce(t *testing.T) {
	g := newGate(1, 1)
	begun, end := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() { first <- g.do(t.Context(), func() error { close(begun); <-end; return nil }) }()
	<-begun
	second := make(chan error, 1)
	go func() { second <- g.do(t.Context(), func() error { return nil }) }()
	for g.waiting.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	if err := g.do(t.Context(), func() error { return nil }); !errors.Is(err, errBusy) {
		t.Errorf("a third: %v, want errBusy", err)
	}
	close(end)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache[int, int](100)
	if v, err := c.get(t.Context(), 0, func() (int, int64, error) { return 7, 101, nil }); v != 7 || err != nil || c.used != 0 || len(c.slots) != 0 {
		t.Errorf("a value beyond the bound: %d %v, and %d bytes are kept", v, err, c.used)
	}
	if _, err := c.get(t.Context(), 0, func() (int, int64, error) { panic("no") }); err == nil || !strings.Contains(err.Error(), "mistake in batchscore: no") {
		t.Errorf("a panic: %v", err)
	}
	for i := range 50 {
		v, err := c.get(t.Context(), i, func() (int, int64, error) { return i * i, 10, nil })
		if v != i*i || err != nil {
			t.Fatal(v, err)
		}
	}
	if c.used > 100 || len(c.slots) != 10 || c.recent.Len() != 10 {
		t.Errorf("it keeps %d bytes, %d values", c.used, len(c.slots))
	}
	made := false
	if v, _ := c.get(t.Context(), 49, func() (int, int64, error) { made = true; return 0, 0, nil }); made || v != 49*49 {
		t.Errorf("the last one is made again: %d", v)
	}
	if _, err := c.get(t.Context(), 1, func() (int, int64, error) { return 0, 0, errBusy }); !errors.Is(err, errBusy) || c.slots[1] != nil {
		t.Errorf("an error is kept: %v", err)
	}
}

// TestListsAreNeverNull: the page's script counts lists, also those of a job without a failure, of
// one without a row, and of none.
func TestListsAreNeverNull(t *testing.T) {
	none := start(t, Options{Out: new(mem.Store), Every: time.Hour})
	empty := begin(t, 8)
	one := begin(t, 1)
	one.finish(0)
	for name, s := range map[string]*served{"no output": none, "no row": startJob(empty), "no failure": startJob(one)} {
		if name == "no failure" {
			s.await("its row", func(p seen) bool { return p.Rows == 1 })
		}
		if body := s.get("/progress").body; strings.Contains(body, ":null") {
			t.Errorf("%s: %s", name, body)
		}
	}
}
