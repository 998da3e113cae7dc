package output

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Stage is how far a job has come.
type Stage string

// The stages of a job.
const (
	Listing  Stage = "listing"  // there is a job, its manifest is being made
	Scoring  Stage = "scoring"  // parts are missing
	Checking Stage = "checking" // every part stands, _SUCCESS does not
	Complete Stage = "complete"
	Retrying Stage = "retrying" // complete, and some images are scored again
)

// Progress is how far a job is, by what its output place holds.
type Progress struct {
	Output string `json:"output"`
	Job    string `json:"job"`
	Stage  Stage  `json:"stage"`
	// Simulated reports whether no model computes the rows.
	Simulated bool `json:"simulated"`
	// Images and Chunks are those of the manifest, 0 while it is being made;
	// ImagesDone and ChunksDone are those whose part stands.
	Images     int `json:"images"`
	ImagesDone int `json:"images_done"`
	Chunks     int `json:"chunks"`
	ChunksDone int `json:"chunks_done"`
	// Statuses counts the rows of the parts that stand.
	Statuses map[string]int `json:"statuses"`
	// Started is when the job was first started and Last when the last part
	// came, both by the store's clock. Last is zero before the first part.
	Started time.Time `json:"started"`
	Last    time.Time `json:"last"`
	// Rate is images per second over the last parts; once the job is complete,
	// over the makespan, the time from its start to its end. Left is how long
	// what is missing takes at that rate; 0 when that cannot be said, as when no
	// rank is at work.
	Rate            float64 `json:"images_per_second"`
	LeftSeconds     float64 `json:"left_seconds"`
	MakespanSeconds float64 `json:"makespan_seconds"`
	// Storage is what the processes that ended went through with stores on a
	// network; nil if there were none.
	Storage *Storage `json:"storage,omitempty"`
	// Retry is how far the retry is, where the stage is Retrying: Ranks and the
	// rate are then its own.
	Retry *Progress `json:"retry,omitempty"`
	// Ranks are those of the world that started last, and all others that left
	// something; in order.
	Ranks []RankProgress `json:"ranks"`
}

// Failed is how many images have a row and no label.
func (p *Progress) Failed() int { return row.Failed(p.Statuses) }

// Alive is how many ranks are at work.
func (p *Progress) Alive() int {
	n := 0
	for _, r := range p.Ranks {
		if r.Alive {
			n++
		}
	}
	return n
}

// RankProgress is what a rank did, over all processes that had its number.
type RankProgress struct {
	Rank int    `json:"rank"`
	Host string `json:"host"` // of its last process; empty before its first claim
	// Chunks and Images are those it was the last to claim and whose part
	// stands, Holding the chunks that it has claimed and not committed.
	Chunks  int `json:"chunks"`
	Images  int `json:"images"`
	Holding int `json:"holding"`
	// Sign is the last sign of life, by the store's clock. Alive says that the
	// rank holds a chunk and gave a sign within the last two minutes or, if it
	// is on this machine, that its process runs.
	Sign  time.Time `json:"sign"`
	Alive bool      `json:"alive"`
	// End is what its last process said at its end: done, stopped or failed.
	// It is empty while it runs, and for one that was killed.
	End string `json:"end"`

	worker  string    // ID of its last process
	started time.Time // when that process was first heard of
}

// silent is for how long a rank on another machine may give no sign of life
// before it is no longer shown as alive.
const silent = 2 * time.Minute

// recentParts is how many parts the rate is taken over.
const recentParts = 64

// Observer tells how far a job is. It needs no worker and no launcher, and
// writes nothing. Parts and claims never change once they stand, so it reads
// each of them once over all its looks. It is for one goroutine.
type Observer struct {
	st  store.Store
	me  claim.Worker
	now func() time.Time

	job     *Job
	started time.Time
	chunks  *shard.Chunks

	read     *shard.Set // chunks whose part was counted
	statuses map[string]int
	owners   map[int]claim.Owner // of chunks whose part stands
	ends     map[string]WorkerSummary
	retry    *Observer // of the retry of that number, nil if none is under way
	retrying int
}

// Observe returns an observer of the job that writes to st.
func Observe(st store.Store) *Observer {
	return &Observer{
		st: st, me: claim.ThisProcess(shard.World{Size: 1}), now: time.Now,
		statuses: map[string]int{}, owners: map[int]claim.Owner{}, ends: map[string]WorkerSummary{},
	}
}

// Look returns how far the job is now. A place without a job record is
// store.ErrNotExist, one with a damaged record or part is ErrMismatch.
func (o *Observer) Look(ctx context.Context) (Progress, error) {
	if o.job == nil {
		body, object, err := store.ReadAll(ctx, o.st, jobName)
		if err != nil {
			return Progress{}, notOutput(o.st, err)
		}
		job, err := parseJob(o.st, body)
		if err != nil {
			return Progress{}, err
		}
		o.job, o.started = &job, object.Modified
	}
	p := Progress{
		Output: o.st.String(), Job: o.job.ID, Stage: Listing, Simulated: o.job.Simulated(),
		Statuses: o.statuses, Started: o.started, Ranks: []RankProgress{},
	}
	if o.chunks == nil {
		// Its length is at its end, and its digest is worth checking anyway.
		m, err := ReadManifest(ctx, o.st)
		if errors.Is(err, store.ErrNotExist) {
			return p, nil
		}
		if err != nil {
			return p, err
		}
		c := o.job.Chunks(m.Len())
		o.chunks, o.read = &c, shard.NewSet(c.Count())
		m.Close()
	}
	p.Images, p.Chunks, p.Stage = o.chunks.Entries, o.chunks.Count(), Scoring

	// _SUCCESS first: whoever finds it finds all parts below.
	success, err := ReadSuccess(ctx, o.st)
	complete := err == nil
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return p, err
	}
	parts, err := o.parts(ctx)
	if err != nil {
		return p, err
	}
	for chunk := range parts {
		first, last := o.chunks.Range(chunk)
		p.ChunksDone++
		p.ImagesDone += last - first
	}
	if p.ChunksDone == p.Chunks {
		p.Stage = Checking
	}
	p.Last, p.Rate = o.rate(parts)
	if complete {
		p.Stage, p.Rate, p.MakespanSeconds = Complete, success.ImagesPerSecond, success.MakespanSeconds
	}
	if p.Ranks, err = o.ranks(ctx, parts); err != nil {
		return p, err
	}
	if complete {
		// Parts that were replaced since the last look would be counted as they were.
		p.Statuses = success.Statuses
		if err := o.lookAtRetry(ctx, &p, &success); err != nil {
			return p, err
		}
	}
	p.Storage = sumStorage(slices.Collect(maps.Values(o.ends)))
	if p.Rate > 0 && p.Stage == Scoring && p.Alive() > 0 {
		p.LeftSeconds = math.Round(float64(p.Images-p.ImagesDone) / p.Rate)
	}
	return p, nil
}

// parts lists the parts that stand, with when they came, and counts the rows of
// those that were not there before.
func (o *Observer) parts(ctx context.Context) (map[int]time.Time, error) {
	parts := map[int]time.Time{}
	err := o.st.List(ctx, partPrefix, func(object store.Object) error {
		if chunk, ok := partChunk(object.Name, o.job.Format); ok && chunk < o.chunks.Count() {
			parts[chunk] = object.Modified
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the parts: %w", err)
	}
	var unread []int
	for chunk := range parts {
		if !o.read.Has(chunk) {
			unread = append(unread, chunk)
		}
	}
	err = inOrder(ctx, len(unread), func(ctx context.Context, i int) ([]row.Row, error) {
		name := PartName(unread[i], o.job.Format)
		body, _, err := store.ReadAll(ctx, o.st, name)
		if err != nil {
			return nil, err
		}
		rows, err := o.job.decode(body)
		if err != nil {
			return nil, damagedPart(name, o.st, err)
		}
		return rows, nil
	}, func(i int, rows []row.Row) error {
		for _, r := range rows {
			o.statuses[r.Status]++
		}
		o.read.Add(unread[i])
		return nil
	})
	return parts, err
}

// rate is the time of the last part, and images per second over the last parts.
func (o *Observer) rate(parts map[int]time.Time) (last time.Time, rate float64) {
	type part struct {
		at     time.Time
		images int
	}
	var all []part
	for chunk, at := range parts {
		first, end := o.chunks.Range(chunk)
		all = append(all, part{at, end - first})
	}
	if len(all) == 0 {
		return time.Time{}, 0
	}
	slices.SortFunc(all, func(a, b part) int { return a.at.Compare(b.at) })
	last = all[len(all)-1].at
	// The first of them only says when the others began.
	from := o.started
	if len(all) > recentParts {
		all = all[len(all)-recentParts-1:]
		from, all = all[0].at, all[1:]
	}
	images := 0
	for _, p := range all {
		images += p.images
	}
	if took := last.Sub(from).Seconds(); took > 0 {
		rate = float64(images) / took
	}
	return last, rate
}

// ranks says what each rank did, from the claims and from what the processes
// said at their end.
func (o *Observer) ranks(ctx context.Context, parts map[int]time.Time) ([]RankProgress, error) {
	owners, err := o.claimed(ctx, parts)
	if err != nil {
		return nil, err
	}
	if err := o.summaries(ctx); err != nil {
		return nil, err
	}
	ranks := map[int]*RankProgress{}
	world, latest := 0, time.Time{}
	heard := func(w *claim.Worker, at time.Time) *RankProgress {
		r := ranks[w.Rank]
		if r == nil {
			r = &RankProgress{Rank: w.Rank}
			ranks[w.Rank] = r
		}
		if r.worker == "" || w.Started.After(r.started) {
			r.worker, r.started, r.Host = w.ID, w.Started, w.Host
		}
		if at.After(r.Sign) {
			r.Sign = at
		}
		if w.Started.After(latest) {
			world, latest = w.World, w.Started
		}
		return r
	}
	now := o.now()
	for _, owner := range owners {
		if owner.Worker.ID == "" {
			continue // a claim that cannot be understood
		}
		r := heard(&owner.Worker, owner.Modified)
		if _, done := parts[owner.Chunk]; done {
			first, last := o.chunks.Range(owner.Chunk)
			r.Chunks++
			r.Images += last - first
			continue
		}
		_, ended := o.ends[owner.Worker.ID]
		if owner.Released || ended {
			continue
		}
		alive := now.Sub(owner.Modified) < silent
		if owner.Worker.SameMachine(&o.me) {
			alive = owner.Worker.Running()
		}
		if alive {
			r.Holding++
			r.Alive = true
		}
	}
	for _, s := range o.ends {
		heard(&s.Worker, s.Started.Add(time.Duration(s.Seconds*float64(time.Second))))
	}
	for rank := range world {
		if ranks[rank] == nil {
			ranks[rank] = &RankProgress{Rank: rank}
		}
	}
	all := make([]RankProgress, 0, len(ranks))
	for _, r := range ranks {
		r.End = o.ends[r.worker].End
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b RankProgress) int { return cmp.Compare(a.Rank, b.Rank) })
	return all, nil
}

// claimed returns the last claim on every chunk that has one.
func (o *Observer) claimed(ctx context.Context, parts map[int]time.Time) ([]claim.Owner, error) {
	all := slices.Collect(maps.Values(o.owners))
	owners, err := claim.Owners(ctx, o.st, o.job.ClaimNames(o.chunks.Count()), func(chunk int) bool {
		_, known := o.owners[chunk]
		return known || chunk >= o.chunks.Count()
	})
	if err != nil {
		return nil, err
	}
	for _, owner := range owners {
		if _, done := parts[owner.Chunk]; done {
			o.owners[owner.Chunk] = owner
		}
	}
	return append(all, owners...), nil
}

// summaries reads what processes said at their end since the last look.
func (o *Observer) summaries(ctx context.Context) error {
	all, err := ReadSummaries(ctx, o.st)
	if err != nil {
		return err
	}
	for _, s := range all {
		o.ends[s.Worker.ID] = s
	}
	return nil
}

// lookAtRetry tells of the retry that is under way on a complete output, if one is.
func (o *Observer) lookAtRetry(ctx context.Context, p *Progress, s *Success) error {
	r, err := ReadRetries(ctx, o.st)
	if err != nil {
		return err
	}
	n := r.Complete
	if r.Begun != nil {
		n++
	} else if n <= s.Generation() {
		o.retry = nil
		return nil
	}
	if o.retry == nil || o.retrying != n {
		o.retry, o.retrying = Observe(Generation(o.st, n)), n
		o.retry.me, o.retry.now = o.me, o.now
	}
	retry, err := o.retry.Look(ctx)
	if err != nil {
		return err
	}
	p.Stage, p.Retry, p.Ranks = Retrying, &retry, retry.Ranks
	p.Rate, p.LeftSeconds, p.MakespanSeconds = retry.Rate, retry.LeftSeconds, 0
	return nil
}
