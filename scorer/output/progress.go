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
	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Stage is what a job is doing.
type Stage string

// The stages of a job.
const (
	Listing  Stage = "listing"  // the job exists, its manifest is being made
	Scoring  Stage = "scoring"  // parts are missing
	Stopped  Stage = "stopped"  // it is not complete, and no rank is working
	Checking Stage = "checking" // every part exists, _SUCCESS does not
	Complete Stage = "complete"
	Retrying Stage = "retrying" // complete, and some images are being scored again
	// Broken is not a stage that Look returns: it does not compare digests.
	Broken Stage = "damaged" // complete once, and no longer what was written
)

// Progress is how far a job is, according to its output folder.
type Progress struct {
	Output string `json:"output"`
	Job    string `json:"job"`
	Stage  Stage  `json:"stage"`
	// Simulated reports whether no model computes the rows.
	Simulated bool `json:"simulated"`
	// Images and Chunks are those of the manifest, 0 while it is being made;
	// ImagesDone and ChunksDone are those whose part exists.
	Images     int `json:"images"`
	ImagesDone int `json:"images_done"`
	Chunks     int `json:"chunks"`
	ChunksDone int `json:"chunks_done"`
	// Statuses counts the rows of the existing parts.
	Statuses map[string]int `json:"statuses"`
	// Started is when the job was created and Last when the last part was, both by the
	// store's clock. Last is zero before the first part.
	Started time.Time `json:"started"`
	// Began is when the first process of a complete job started, from which MakespanSeconds counts;
	// zero for other jobs.
	Began time.Time `json:"-"`
	Last  time.Time `json:"last"`
	// Rate is the images per second of the last parts or, once the job is complete, of
	// the makespan: the time from its start to its end. A job that has stopped has none,
	// since its parts may have been copied or moved. LeftSeconds is how long the
	// missing images take at that rate; 0 if it is not known, for example because no
	// rank is working.
	Rate            float64 `json:"images_per_second"`
	LeftSeconds     float64 `json:"left_seconds"`
	MakespanSeconds float64 `json:"makespan_seconds"`
	// WorkedSeconds and WorkedRate are those of a complete job without the pauses
	// between runs; 0 before, and of jobs of older releases.
	WorkedSeconds float64 `json:"worked_seconds,omitempty"`
	WorkedRate    float64 `json:"worked_images_per_second,omitempty"`
	// History is the rate over the time so far; nil where Rate is 0, and before there are
	// some parts.
	History *History `json:"history,omitempty"`
	// GPUs are the models of the job's GPUs, as far as they are recorded, and GPUKinds
	// those of a complete job as Success.GPUKinds has them.
	GPUs     []string `json:"gpus,omitempty"`
	GPUKinds []string `json:"gpu_kinds,omitempty"`
	// GPU is what the GPUs of the processes that have ended reported, as Success.GPU has
	// it; nil before the first has ended.
	GPU *GPUTotal `json:"gpu,omitempty"`
	// Hours and Cost are those of a complete job as Success has them, and else those so far:
	// of ranks that are at work up to their last claim.
	Hours *cost.Hours `json:"hours,omitempty"`
	Cost  *cost.Cost  `json:"cost,omitempty"`
	// Storage sums the calls of stores on a network by the processes that have ended;
	// nil if there were none.
	Storage *Storage `json:"storage,omitempty"`
	// After is the place of the output that an increment continues; empty for other jobs. Images
	// and Statuses are then those of its own rows, and Increment, once it is complete, says what
	// it keeps.
	After     string     `json:"after,omitempty"`
	Increment *Increment `json:"increment,omitempty"`
	// Judged counts the rows that --max-errors is about, as Success.Judged does: of an
	// increment, rows that are copied or scored again are not among them.
	Judged map[string]int `json:"-"`
	// Retry is the progress of the retry if the stage is Retrying. Ranks and Rate are
	// then those of the retry.
	Retry *Progress `json:"retry,omitempty"`
	// Ranks are all ranks of the world that started last, and all others that left a
	// claim or a summary, in order.
	Ranks []RankProgress `json:"ranks"`
}

// Failed returns how many images have a row and failed.
func (p *Progress) Failed() int { return row.Failed(p.Statuses) }

// Alive returns how many ranks are working.
func (p *Progress) Alive() int {
	n := 0
	for _, r := range p.Ranks {
		if r.Alive {
			n++
		}
	}
	return n
}

// RankProgress is what all processes of one rank did.
type RankProgress struct {
	Rank int    `json:"rank"`
	Host string `json:"host"` // of its last process; empty before its first claim
	// Chunks and Images are those that it was the last to claim and that have a part.
	// Holding is the number of chunks that it has claimed and not committed.
	Chunks  int `json:"chunks"`
	Images  int `json:"images"`
	Holding int `json:"holding"`
	// Sign is when it last created or renewed a claim, or ended, by the store's clock.
	// Alive reports whether the rank holds a chunk that it claimed or renewed within the
	// last two minutes or, if it is on this machine, whose process runs.
	Sign  time.Time `json:"sign"`
	Alive bool      `json:"alive"`
	// End is how its last process ended: done, stopped or failed. It is empty while
	// the process runs, and if it could not say so: it was killed, or the disk was full.
	End string `json:"end"`
	// Gone reports whether its last process ran on this machine and ended without End.
	Gone bool `json:"gone,omitempty"`

	process claim.Worker // its last
	here    bool         // that process is on this machine
	running bool         // and runs
}

// silent is how long a rank on another machine is shown as alive after it last renewed
// a claim.
const silent = 2 * time.Minute

// recentParts is how many parts the rate is computed from.
const recentParts = 64

// Observer reports the progress of a job. It needs neither a worker nor a launcher, and
// writes nothing. Parts and claims never change, so it reads each of them once, however
// often Look is called. It is for one goroutine.
type Observer struct {
	st  store.Store
	me  claim.Worker
	now func() time.Time

	job     *Job
	started time.Time
	chunks  *shard.Chunks

	read     *shard.Set // chunks whose part was counted
	statuses map[string]int
	counts   *shard.Set          // the images that --max-errors is about; nil if all are
	judged   map[string]int      // their statuses, if counts is not nil
	owners   map[int]claim.Owner // of chunks that have a part
	ends     map[string]WorkerSummary
	retry    *Observer // of retry number retrying, nil if there is none
	retrying int

	onPart     func(SeenPart) error // see OnPart; nil if nobody asked
	generation int                  // see Generation
}

// Observe returns an observer of the job that writes to st.
func Observe(st store.Store) *Observer {
	return &Observer{
		st: st, me: claim.ThisProcess(shard.World{Size: 1}), now: time.Now,
		statuses: map[string]int{}, judged: map[string]int{}, owners: map[int]claim.Owner{}, ends: map[string]WorkerSummary{},
	}
}

// SeenPart is a part that an Observer has read. Its rows must not be kept, nor their texts.
type SeenPart struct {
	Chunk   int
	First   int // index of its first row in the manifest
	Created time.Time
	Rows    []row.Row
}

// OnPart makes Look call fn once for each part, when it reads it to count its rows. So whoever
// needs the rows as well costs the storage no further call. Parts come in no order. An error of fn
// ends Look, which returns it.
func (o *Observer) OnPart(fn func(SeenPart) error) { o.onPart = fn }

// Job returns the record of the job, nil before Look has read it.
func (o *Observer) Job() *Job { return o.job }

// Generation returns the last retry whose rows are in the parts, according to the last Look. Once
// it grows, parts are others than those that the Observer has read.
func (o *Observer) Generation() int { return o.generation }

// Look returns the present progress of the job. The error is store.ErrNotExist if the
// place has no job record, and ErrMismatch if a record or part is damaged.
func (o *Observer) Look(ctx context.Context) (Progress, error) {
	if o.job == nil {
		job, object, err := readJob(ctx, o.st)
		if err != nil {
			return Progress{}, notOutput(ctx, o.st, err)
		}
		o.job, o.started = &job, object.Modified
	}
	p := Progress{
		Output: o.st.String(), Job: o.job.ID, Stage: Listing, Simulated: o.job.Simulated(),
		Statuses: o.statuses, Started: o.started, Ranks: []RankProgress{},
	}
	if o.job.Increments() {
		p.After = o.job.After.Previous
	}
	if o.chunks == nil {
		// It is read whole, because its number of entries is at its end.
		m, err := ReadManifest(ctx, o.st)
		if errors.Is(err, store.ErrNotExist) {
			if ended, err := exists(ctx, o.st, SuccessName); ended || err != nil {
				return p, cmp.Or(err, goneRecord(o.st, manifestName))
			}
			if o.now().Sub(o.started) >= silent {
				p.Stage = Stopped // listing comes before the record of the job
			}
			return p, nil
		}
		if err != nil {
			return p, err
		}
		c := o.job.Chunks(m.Len())
		counts, err := o.job.counting(m)
		m.Close()
		if err != nil {
			return p, err
		}
		o.chunks, o.read, o.counts = &c, shard.NewSet(c.Count()), counts
	}
	p.Images, p.Chunks, p.Stage = o.chunks.Entries, o.chunks.Count(), Scoring

	// Read _SUCCESS before listing the parts: if it exists, all parts do.
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
	} else if complete {
		if err := success.CheckParts(ctx, o.st); err != nil {
			return p, err
		}
	}
	if p.Judged = o.statuses; o.counts != nil {
		p.Judged = o.judged
	}
	p.Last, p.Rate = o.rate(parts)
	p.History = o.history(parts, p.Last, nil)
	if complete {
		o.generation = success.Generation()
		p.History = o.history(parts, p.Last, &success)
		p.Stage, p.Rate, p.MakespanSeconds = Complete, success.ImagesPerSecond, success.MakespanSeconds
		p.Began, p.Increment = success.Started, success.Increment
		p.WorkedSeconds, p.WorkedRate = success.WorkedSeconds, success.WorkedImagesPerSecond
	}
	if p.Ranks, err = o.ranks(ctx, parts, complete); err != nil {
		return p, err
	}
	if !complete && o.stopped(&p) {
		p.Stage, p.Rate, p.History = Stopped, 0, nil
	}
	if complete {
		// The Observer does not see parts that were replaced since it read them.
		p.Statuses = success.Statuses
		_, p.Judged = success.Judged()
		if err := o.lookAtRetry(ctx, &p, &success); err != nil {
			return p, err
		}
	}
	ended := slices.Collect(maps.Values(o.ends))
	p.Storage, p.GPUs, p.GPUKinds, p.GPU = sumStorage(ended), gpuModels(o.job, ended), gpuKinds(ended), gpuTotal(ended)
	if p.Hours, p.Cost = o.spent(ended, p.ImagesDone); complete {
		p.Hours, p.Cost = success.Hours, success.Cost
	}
	if complete {
		p.GPUKinds = joined(p.GPUKinds, success.GPUKinds) // which may include retries
	}
	if p.Rate > 0 && p.Stage == Scoring && p.Alive() > 0 {
		p.LeftSeconds = math.Round(float64(p.Images-p.ImagesDone) / p.Rate)
	}
	return p, nil
}

// counting returns the images of the manifest of an increment that are new or have changed; nil
// for other jobs.
func (j *Job) counting(m *shard.Manifest) (*shard.Set, error) {
	if !j.Increments() {
		return nil, nil
	}
	set := shard.NewSet(m.Len())
	var buf []shard.Entry
	const some = 4096
	for first := 0; first < m.Len(); first += some {
		var err error
		if buf, err = m.Entries(buf[:0], first, min(first+some, m.Len())); err != nil {
			return nil, err
		}
		for i := range buf {
			if buf[i].Counts() {
				set.Add(first + i)
			}
		}
	}
	return set, nil
}

// spent returns the hours that were worked so far, and what they cost. The price of ranks that
// are at work is that of the last one that ended.
func (o *Observer) spent(ended []WorkerSummary, images int) (*cost.Hours, *cost.Cost) {
	if o.job.Older() {
		return nil, nil
	}
	var price *cost.Price
	var last time.Time
	for i := range ended {
		if w := &ended[i]; w.Price != nil && w.Started.After(last) {
			price, last = w.Price, w.Started
		}
	}
	signs := map[string]claim.Sign{}
	for _, owner := range o.owners {
		s, known := signs[owner.Worker.ID]
		if !known {
			s = claim.Sign{Worker: owner.Worker, First: owner.Modified, Last: owner.Modified}
		}
		if owner.Modified.Before(s.First) {
			s.First = owner.Modified
		}
		if owner.Modified.After(s.Last) {
			s.Last = owner.Modified
		}
		signs[owner.Worker.ID] = s
	}
	delete(signs, "") // of claims that cannot be understood
	return cost.Sum(work(ended, slices.Collect(maps.Values(signs)), price), images)
}

// stopped reports whether no rank is working on an unfinished job: no process runs on
// this machine, and none on another has given a sign for a while. A rank that has not
// been seen yet may be starting, for as long: it claims a chunk once its model is loaded.
func (o *Observer) stopped(p *Progress) bool {
	if p.Alive() > 0 {
		return false
	}
	last, starting := o.started, len(p.Ranks) == 0
	for _, r := range p.Ranks {
		switch {
		case r.Sign.IsZero():
			starting = true
			continue
		case r.End != "" && r.End != "done": // who is done with its chunks comes to the end of the job
		case r.here && r.running, !r.here && o.now().Sub(r.Sign) < silent:
			return false
		}
		if r.Sign.After(last) {
			last = r.Sign
		}
	}
	return !starting || o.now().Sub(last) >= silent
}

// parts returns the existing parts and when they were created, and counts the rows of
// new ones.
func (o *Observer) parts(ctx context.Context) (map[int]time.Time, error) {
	parts, names := map[int]time.Time{}, o.job.PartNames(*o.chunks)
	err := PartTimes(ctx, o.st, o.job, *o.chunks, func(chunk int, created time.Time) { parts[chunk] = created })
	if err != nil {
		return nil, err
	}
	var unread []int
	for chunk := range parts {
		if !o.read.Has(chunk) {
			unread = append(unread, chunk)
		}
	}
	slices.Sort(unread)
	err = inOrder(ctx, len(unread), func(ctx context.Context, i int) ([]row.Row, error) {
		name := names.Name(unread[i])
		first, last := o.chunks.Range(unread[i])
		body, _, err := readWhole(ctx, o.st, name, o.job.partMost(last-first))
		var rows []row.Row
		if err == nil {
			rows, err = o.job.decode(body, last-first)
		} else if !errors.Is(err, ErrMismatch) {
			return nil, err
		}
		if err == nil && len(rows) != last-first {
			err = fmt.Errorf("%w: %d rows for %d images", ErrMismatch, len(rows), last-first)
		}
		if err != nil {
			return nil, damagedPart(name, o.st, err)
		}
		return rows, nil
	}, func(i int, rows []row.Row) error {
		first, _ := o.chunks.Range(unread[i])
		for j, r := range rows {
			o.statuses[r.Status]++
			if o.counts != nil && o.counts.Has(first+j) {
				o.judged[r.Status]++
			}
		}
		o.read.Add(unread[i])
		if o.onPart != nil {
			return o.onPart(SeenPart{Chunk: unread[i], First: first, Created: parts[unread[i]], Rows: rows})
		}
		return nil
	})
	return parts, err
}

// ranks returns what each rank did, according to its claims and summaries.
func (o *Observer) ranks(ctx context.Context, parts map[int]time.Time, complete bool) ([]RankProgress, error) {
	owners, err := o.claimed(ctx, parts, complete)
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
		if r.process.ID == "" || w.Started.After(r.process.Started) {
			r.process, r.Host, r.here = *w, w.Host, w.SameMachine(&o.me)
		}
		if at.After(r.Sign) {
			r.Sign = at
		}
		if w.Started.After(latest) {
			world, latest = w.World, w.Started
		}
		return r
	}
	for _, owner := range owners {
		if owner.Worker.ID == "" {
			continue // the claim cannot be read
		}
		r := heard(&owner.Worker, owner.Modified)
		if _, done := parts[owner.Chunk]; done {
			first, last := o.chunks.Range(owner.Chunk)
			r.Chunks++
			r.Images += last - first
			continue
		}
		if o.holds(&owner) {
			r.Alive = true
			if owner.Chunk >= 0 {
				r.Holding++
			}
		}
	}
	for _, s := range o.ends {
		heard(&s.Worker, s.Started.Add(duration(s.Seconds)))
	}
	for rank := range world {
		if ranks[rank] == nil {
			ranks[rank] = &RankProgress{Rank: rank}
		}
	}
	all := make([]RankProgress, 0, len(ranks))
	for _, r := range ranks {
		r.End = o.ends[r.process.ID].End
		r.running = r.here && r.process.Running()
		r.Gone = r.here && !r.running && r.End == ""
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b RankProgress) int { return cmp.Compare(a.Rank, b.Rank) })
	return all, nil
}

// holds reports whether the owner of a right may be at work on it now.
func (o *Observer) holds(owner *claim.Owner) bool {
	end := o.ends[owner.Worker.ID].End
	switch {
	case owner.Released || end != "" && (owner.Chunk >= 0 || end != "done"):
		return false
	case owner.Worker.SameMachine(&o.me):
		return owner.Worker.Running()
	}
	return o.now().Sub(owner.Modified) < silent
}

// claimed returns the last claim on every chunk that has one and, if nobody works on one
// of them and the job is not complete, on the other rights.
func (o *Observer) claimed(ctx context.Context, parts map[int]time.Time, complete bool) ([]claim.Owner, error) {
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
	owners = append(all, owners...)
	// A complete retry is put into the parts of the output after its own end.
	if complete && o.job.Retry == nil || slices.ContainsFunc(owners, func(owner claim.Owner) bool {
		_, done := parts[owner.Chunk]
		return !done && o.holds(&owner)
	}) {
		return owners, nil
	}
	// Whoever checks the parts at the end of the job, or races for one, is at work, too.
	others, err := claim.OtherOwners(ctx, o.st, o.job.ClaimNames(o.chunks.Count()))
	return append(owners, others...), err
}

// summaries reads the summaries of processes that have ended.
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

// lookAtRetry adds to p the progress of an unfinished retry, if there is one.
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
	p.Stage, p.Retry, p.Ranks, p.History = Retrying, &retry, retry.Ranks, retry.History
	p.Rate, p.LeftSeconds, p.MakespanSeconds, p.WorkedSeconds, p.WorkedRate = retry.Rate, retry.LeftSeconds, 0, 0, 0
	return nil
}
