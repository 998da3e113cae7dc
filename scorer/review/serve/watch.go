package serve

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

const (
	// slower is how many times Options.Every passes between looks at a complete output.
	slower = 5
	// soon is how often readers may ask during the first look, which may take long.
	soon = 500 * time.Millisecond
	// overdue is how long a look may take before readers are told.
	overdue = 20 * time.Second
	// shownRanks and shownLabels are how many of them readers are told of.
	shownRanks  = 100
	shownLabels = 50
	// pace is the time in which one row is read at the fastest, on average, so that the first look at a
	// large output leaves the processors to the job.
	pace = 2 * time.Microsecond
)

// Stages before those of output.Progress.
const (
	stageWaiting = "waiting" // no job has begun
	stageReading = "reading" // the first look is under way
)

// shown is an output as far as it was read.
type shown struct {
	job      *output.Job
	images   *shard.Manifest
	rows     *index
	own      *index         // of the output itself, which is the same unless there is whole
	whole    *output.Lookup // of the whole collection of an increment, if that is shown; it has images
	pictures Images
	noImages string // why there are none
	// version tells one shown apart from the next, for what is kept of its rows.
	version int

	users   int  // guarded by watcher.use
	retired bool // the last user closes images
}

// reading is how an output is read. Only one look at a time uses it.
type reading struct {
	observer   *output.Observer
	rows       *index
	images     *shard.Manifest // nil before there is one
	generation int
	looked     bool // once at least, without an error
	whole      gathering
}

// watcher looks at an output when somebody asks, and shares what it sees.
type watcher struct {
	opt *Options
	ctx context.Context //nolint:containedctx // ends with the server, and looks outlive the request that began them

	mu       sync.Mutex
	looking  bool
	began    time.Time // the last look
	ended    time.Time
	rendered time.Time
	wait     time.Duration // until the next look
	looks    chan struct{} // closed by the end of the last look; nil before the first
	progress output.Progress
	known    bool   // there is progress
	trouble  string // of the last look
	waiting  string // why there is no job yet
	body     []byte
	etag     string
	// gathering is that of now, for those who render; nil before there is one.
	gathering *gathering

	// now is how the output is read, and published the manifest that was shown last; of the
	// goroutine that looks.
	now       *reading
	published *shard.Manifest

	use     sync.Mutex // guards what follows; never held while anything is read
	shown   *shown
	version int
}

func newWatcher(ctx context.Context, opt *Options) *watcher {
	return &watcher{opt: opt, ctx: ctx, wait: opt.Every}
}

// wake begins to look again if that is due. Nobody waits for the look.
func (w *watcher) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.looking && time.Since(w.ended) >= w.wait && w.ctx.Err() == nil {
		w.looking, w.began, w.looks = true, time.Now(), make(chan struct{})
		go w.look(w.looks)
	}
}

// state returns what is known, as JSON with its ETag.
func (w *watcher) state() ([]byte, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.body == nil || w.looking && time.Since(w.rendered) >= w.every() {
		w.render()
	}
	return w.body, w.etag
}

// every is how often there may be something new. w.mu is held.
func (w *watcher) every() time.Duration {
	if w.first() {
		return min(soon, w.opt.Every)
	}
	if w.looking && w.progress.Increment != nil && w.gathering != nil && !w.gathering.done {
		return w.opt.Every
	}
	return w.wait
}

// first reports whether the first look at a job is under way. w.mu is held.
func (w *watcher) first() bool { return w.looking && !w.known && w.trouble == "" && w.waiting == "" }

// look looks once, and closes done then.
func (w *watcher) look(done chan struct{}) {
	defer close(done)
	p, err := w.read(w.ctx)
	w.note(&p, err)
	if err == nil && w.due(&p) {
		w.gather(w.ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looking, w.ended = false, time.Now()
	w.render()
}

// note keeps what was seen.
func (w *watcher) note(p *output.Progress, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble, w.waiting, w.wait, w.gathering = "", "", w.opt.Every, nil
	if w.now != nil {
		w.gathering = &w.now.whole
	}
	switch {
	case err == nil:
		p.Statuses = maps.Clone(p.Statuses) // the next look changes them
		w.progress, w.known = *p, true
		if p.Stage == output.Complete {
			w.wait *= slower
		}
	case errors.Is(err, store.ErrNotExist) && !w.known:
		w.waiting = err.Error()
	case errors.Is(err, store.ErrNotExist):
		w.trouble = "The output was removed or moved: " + err.Error()
	default:
		w.trouble = err.Error()
	}
	w.render()
}

// read reads what is new in the output.
func (w *watcher) read(ctx context.Context) (output.Progress, error) {
	if w.now == nil {
		w.now = &reading{observer: output.Observe(w.opt.Out), rows: newIndex()}
		w.now.observer.OnPart(w.add)
	}
	r := w.now
	if r.images == nil {
		if err := w.open(ctx); err != nil {
			return output.Progress{}, err
		}
	}
	p, err := r.observer.Look(ctx)
	switch {
	case errors.Is(err, store.ErrNotExist) && r.looked:
		w.restart() // what comes next is another job
		return p, err
	case err != nil:
		return p, err
	case p.ChunksDone < r.rows.count():
		w.restart()
		return w.read(ctx) // another job began in its place
	}
	again := r.looked
	r.looked = true
	if g := r.observer.Generation(); g != r.generation {
		// Rows were replaced by those of a retry.
		if r.generation = g; again {
			w.restart()
			return w.read(ctx)
		}
		if err := w.open(ctx); err != nil {
			return p, err
		}
	}
	w.publish()
	return p, nil
}

// open opens the manifest, if there is one.
func (w *watcher) open(ctx context.Context) error {
	m, err := output.Images(ctx, w.opt.Out)
	switch {
	case errors.Is(err, output.ErrIncomplete):
		return nil // Look says more
	case err != nil:
		return err
	}
	w.drop()
	w.now.images = m
	return nil
}

// drop closes the manifest that is read from, unless it was shown, and is closed by retire.
func (w *watcher) drop() {
	if m := w.now.images; m != nil && m != w.published {
		m.Close()
	}
	w.now.images = nil
}

// restart begins to read from the beginning. What is shown stays until there is more to show.
func (w *watcher) restart() {
	w.drop()
	w.now = nil
}

// add adds a part that Look has read.
func (w *watcher) add(p output.SeenPart) error {
	r := w.now
	r.rows.add(p)
	w.publish()
	if r.looked {
		return nil
	}
	select {
	case <-w.ctx.Done():
		return w.ctx.Err()
	case <-time.After(pace * time.Duration(len(p.Rows))):
		return nil
	}
}

// publish shows what is read.
func (w *watcher) publish() {
	r := w.now
	if r.images == nil {
		return
	}
	if w.published == r.images {
		return
	}
	w.published = r.images
	w.show(&shown{job: r.observer.Job(), images: r.images, rows: r.rows, own: r.rows})
}

// show shows something else than before.
func (w *watcher) show(v *shown) {
	var err error
	if v.pictures, err = w.opt.Images(v.job); err != nil {
		v.noImages = "No images are shown: " + printable.Line(w.opt.clean(err.Error()))
	}
	w.use.Lock()
	defer w.use.Unlock()
	w.retire()
	w.version++
	v.version, w.shown = w.version, v
}

// retire closes what is shown, once nobody uses it. w.use is held.
func (w *watcher) retire() {
	if w.shown == nil {
		return
	}
	w.shown.retired = true
	if w.shown.users == 0 {
		w.shown.close()
	}
	w.shown = nil
}

// close frees what is shown no more.
func (v *shown) close() {
	if v.whole != nil {
		v.whole.Close()
		return
	}
	v.images.Close()
}

// errNothing means that no row can be shown.
var errNothing = errors.New("there are no rows yet")

// with calls fn with what is shown. It returns errNothing while nothing is.
func (w *watcher) with(fn func(*shown) error) error {
	w.use.Lock()
	v := w.shown
	if v == nil {
		w.use.Unlock()
		return errNothing
	}
	v.users++
	w.use.Unlock()
	defer func() {
		w.use.Lock()
		defer w.use.Unlock()
		if v.users--; v.retired && v.users == 0 {
			v.close()
		}
	}()
	return fn(v)
}

// close frees what the watcher holds, once nobody looks any more. The context has ended.
func (w *watcher) close() {
	w.mu.Lock()
	looking := w.looks
	w.mu.Unlock()
	if looking != nil {
		<-looking
	}
	if w.now != nil {
		w.drop()
	}
	w.use.Lock()
	defer w.use.Unlock()
	w.retire()
}

// count returns how many parts were read.
func (x *index) count() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.read
}

// seen is what readers are told of the job.
type seen struct {
	Output     string  `json:"output"`
	Job        string  `json:"job,omitempty"`
	Stage      string  `json:"stage"` // that of output.Progress, or waiting or reading before there is any
	Simulated  bool    `json:"simulated,omitempty"`
	After      string  `json:"after,omitempty"`
	Task       string  `json:"task,omitempty"`
	Images     int     `json:"images"`
	ImagesDone int     `json:"images_done"`
	Chunks     int     `json:"chunks"`
	ChunksDone int     `json:"chunks_done"`
	Rate       float64 `json:"images_per_second"`
	Left       float64 `json:"left_seconds"`
	Makespan   float64 `json:"makespan_seconds"`

	Started *time.Time `json:"started,omitempty"`
	Last    *time.Time `json:"last,omitempty"`
	Retry   *retried   `json:"retry,omitempty"`

	Statuses []counted `json:"statuses"`
	Failed   int       `json:"failed"`
	Rates    []rate    `json:"rates"`

	// Ranks are the first of AllRanks, those with trouble before others.
	Ranks    []seenRank `json:"ranks"`
	AllRanks int        `json:"all_ranks"`
	Alive    int        `json:"alive"`

	// The rest is of the rows that were read so far.
	Rows     int       `json:"rows"`
	Labels   []counted `json:"labels"`
	AllLabel int       `json:"all_labels"`
	Scores   []int     `json:"scores"`
	Failures []failure `json:"failures"` // the newest first
	Version  int       `json:"version"`
	// Edition changes when the numbers of rows mean other rows than before.
	Edition int `json:"edition"`
	// Collection is that of a complete increment; nil for other outputs.
	Collection *collected `json:"collection,omitempty"`

	Trouble  string  `json:"trouble,omitempty"`
	Waiting  string  `json:"waiting,omitempty"` // why there is no job yet
	NoImages string  `json:"no_images,omitempty"`
	Every    float64 `json:"every_seconds"`
}

// retried is how far a retry is.
type retried struct {
	Images     int `json:"images"`
	ImagesDone int `json:"images_done"`
}

// seenRank is what readers are told of a rank.
type seenRank struct {
	Rank    int        `json:"rank"`
	Host    string     `json:"host,omitempty"`
	State   string     `json:"state"`
	Images  int        `json:"images"`
	Chunks  int        `json:"chunks"`
	Holding int        `json:"holding"`
	Sign    *time.Time `json:"sign,omitempty"`
}

// render makes the answer from what is known. w.mu is held.
func (w *watcher) render() {
	w.rendered = time.Now()
	p := &w.progress
	s := seen{
		Output: printable.Line(w.opt.Out.String()), Job: p.Job, Stage: string(p.Stage), Simulated: p.Simulated, After: printable.Line(w.opt.clean(p.After)),
		Images: p.Images, ImagesDone: p.ImagesDone, Chunks: p.Chunks, ChunksDone: p.ChunksDone,
		Rate: p.Rate, Left: p.LeftSeconds, Makespan: p.MakespanSeconds, Failed: p.Failed(),
		Statuses: []counted{}, Rates: []rate{}, Ranks: []seenRank{}, Labels: []counted{}, Failures: []failure{}, Scores: []int{},
		Every: w.every().Seconds(), Waiting: printable.Line(w.opt.clean(w.waiting)),
	}
	switch {
	case w.known:
	case w.waiting != "":
		s.Stage = stageWaiting
	case w.trouble == "":
		s.Stage = stageReading
	}
	s.Started, s.Last = timeOf(cmp.Or(p.Began, p.Started)), timeOf(p.Last)
	if p.Retry != nil {
		s.Retry = &retried{p.Retry.Images, p.Retry.ImagesDone}
	}
	for name, n := range p.Statuses {
		s.Statuses = append(s.Statuses, counted{name, n})
	}
	s.ranks(p)
	_ = w.with(func(v *shown) error { // without rows there is nothing to add
		s.rows(v, p)
		return nil
	})
	s.Trouble = printable.Line(w.opt.clean(w.trouble))
	w.collection(&s)
	slices.SortFunc(s.Statuses, func(a, b counted) int { return cmp.Or(b.Images-a.Images, cmp.Compare(a.Name, b.Name)) })
	if w.looking && time.Since(w.began) > overdue && s.Trouble == "" && w.known {
		s.Trouble = fmt.Sprintf("The storage has not answered since %s.", w.began.UTC().Format("15:04:05 UTC"))
	}
	body, err := json.Marshal(s.whole())
	if err != nil { // a number that JSON does not have
		body, _ = json.Marshal((&seen{Output: s.Output, Trouble: printable.Line(err.Error())}).whole())
	}
	sum := sha256.Sum256(body)
	w.body, w.etag = body, `"`+hex.EncodeToString(sum[:12])+`"`
}

// whole returns s with empty lists for those that there are none of: nil is null in JSON, which
// the page's script cannot count.
func (s *seen) whole() *seen {
	s.Statuses, s.Rates, s.Ranks = listed(s.Statuses), listed(s.Rates), listed(s.Ranks)
	s.Labels, s.Scores, s.Failures = listed(s.Labels), listed(s.Scores), listed(s.Failures)
	return s
}

func listed[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// rows adds what the index knows.
func (s *seen) rows(v *shown, p *output.Progress) {
	s.Task = v.job.Schema().Task.Name()
	s.Simulated, s.NoImages = v.job.Simulated(), v.noImages
	s.Edition = v.version
	if v.whole == nil {
		s.Images = max(s.Images, v.images.Len())
	}
	if started := cmp.Or(p.Began, p.Started); !started.IsZero() {
		if r := v.own.rates(started); r != nil {
			s.Rates = r
		}
	}
	x := v.rows
	x.mu.RLock()
	defer x.mu.RUnlock()
	s.Rows, s.Version, s.Labels, s.AllLabel, s.Scores = x.rows, x.version, x.labels.top(shownLabels), len(x.labels.text), slices.Clone(x.scores[:])
	s.Failures = slices.Clone(x.failures[max(0, len(x.failures)-50):])
	slices.Reverse(s.Failures)
	if s.Stage == stageReading {
		s.Job, s.ImagesDone = v.job.ID, x.rows // so many at least
	}
	if len(s.Statuses) == 0 { // the first look is not over
		s.Statuses, s.Failed = x.statuses.top(len(x.statuses.text)), x.failed
	}
	for i := range s.Failures {
		s.Failures[i].Error = printable.Line(s.Failures[i].Error)
	}
}

// ranks adds the ranks that readers are told of.
func (s *seen) ranks(p *output.Progress) {
	s.AllRanks, s.Alive = len(p.Ranks), p.Alive()
	all := slices.Clone(p.Ranks)
	slices.SortStableFunc(all, func(a, b output.RankProgress) int { return cmp.Compare(urgency(&a), urgency(&b)) })
	for _, r := range all[:min(len(all), shownRanks)] {
		s.Ranks = append(s.Ranks, seenRank{
			Rank: r.Rank, Host: printable.Line(r.Host), State: stateOf(&r), Images: r.Images, Chunks: r.Chunks, Holding: r.Holding, Sign: timeOf(r.Sign),
		})
	}
	slices.SortFunc(s.Ranks, func(a, b seenRank) int { return cmp.Compare(a.Rank, b.Rank) })
}

// stateOf says in a word what a rank does.
func stateOf(r *output.RankProgress) string {
	switch {
	case r.Alive:
		return "working"
	case r.Gone:
		return "killed"
	case r.End != "":
		return r.End // done, stopped or failed
	case r.Sign.IsZero():
		return "not seen yet"
	}
	return "silent"
}

// urgency puts ranks that somebody should look at first.
func urgency(r *output.RankProgress) int {
	return slices.Index([]string{"failed", "killed", "silent", "stopped", "working", "not seen yet", "done"}, stateOf(r))
}

// timeOf returns nil for the zero time.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
