package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/shard/straggle"
)

// slack is how much later than the end of a job the store may say that its last part was
// created.
const slack = 2 * time.Second

// builder makes a Timeline of facts.
type builder struct {
	*facts
	t         Timeline
	processes map[string]*process
	commits   map[int]time.Time // of chunks whose time of commit is known
	tenures   []tenure
	events    []Event
}

// process is a Process and what is known of it.
type process struct {
	worker      claim.Worker
	first, last time.Time // signs
	summary     *output.WorkerSummary
	leaving     time.Time // when it first said so; zero if it did not
	lost        time.Time // when a chunk of it was taken over last
	chunks      int       // that it committed, by claims alone
	images      int
	stolen      int
	doubled     int
}

// tenure is the time in which a process held a chunk.
type tenure struct {
	chunk    int
	process  *process
	from, to time.Time
	racing   bool
}

func (f *facts) timeline() (*Timeline, error) {
	b := &builder{facts: f, processes: map[string]*process{}, commits: map[int]time.Time{}}
	b.t = Timeline{
		Started: f.begun.UTC(), Ended: f.begun.UTC(), Complete: f.success != nil, Simulated: f.job.Simulated(),
		Images: f.chunks.Entries, Committed: len(f.parts),
		Ranks: []Rank{}, Rates: []Rate{}, Slowest: []Chunk{}, Events: []Event{}, EventCounts: map[string]int{}, Straggling: []int{}, Notes: []string{},
		Retries: f.retries,
	}
	if f.job.After != nil {
		b.t.After = f.job.After.Previous
	}
	if f.manifest == nil {
		b.note("The images are still being listed.")
		return &b.t, nil
	}
	b.t.Chunks = f.chunks.Count()
	if s := f.success; s != nil {
		b.t.Started, b.t.Ended = s.Started, s.Ended
		if s.Increment != nil {
			b.t.Copied = s.Increment.Copied
		}
	}
	b.meet()
	b.knowCommits()
	if b.known == 0 && len(b.parts) > 0 {
		b.note("The claims of the job are gone: when its ranks were busy, and which chunks took longest, is not known.")
	}
	slices.SortFunc(b.histories, func(x, y claim.History) int { return x.Chunk - y.Chunk })
	for i := range b.histories {
		b.follow(&b.histories[i])
	}
	b.span()
	b.rates()
	b.ranks()
	if err := b.slowest(); err != nil {
		return nil, err
	}
	b.allEvents()
	if b.t.Bound = bound(b.workers, len(b.processes), f.job.Simulated()); b.t.Bound == nil {
		b.note("What bound the job is not known: no worker has reported how busy its stages were.")
	}
	return &b.t, nil
}

func (b *builder) note(format string, args ...any) {
	b.t.Notes = append(b.t.Notes, fmt.Sprintf(format, args...))
}

// meet learns the processes.
func (b *builder) meet() {
	for i := range b.workers {
		w := &b.workers[i]
		p := b.heard(&w.Worker, w.Started)
		p.summary = w
		p.sign(end(w))
	}
	for i := range b.histories {
		h := &b.histories[i]
		for j := range h.Links {
			b.link(&h.Links[j])
		}
		if h.Race != nil {
			b.link(h.Race)
		}
	}
	delete(b.processes, "") // of claims that cannot be understood
	if b.known > len(b.histories) {
		b.note("The claims on %d of %d chunks were read: those that were renewed, taken over or raced for, and evenly spread ones. "+
			"What a process without a summary did is counted in these.", len(b.histories), b.known)
	}
}

func (b *builder) link(l *claim.Link) {
	p := b.heard(&l.Worker, l.At)
	if l.Leaving && (p.leaving.IsZero() || l.At.Before(p.leaving)) {
		p.leaving = l.At
	}
}

// heard returns the process of a worker that gave a sign.
func (b *builder) heard(w *claim.Worker, at time.Time) *process {
	p := b.processes[w.ID]
	if p == nil {
		p = &process{worker: *w}
		b.processes[w.ID] = p
	}
	p.sign(at)
	return p
}

func (p *process) sign(at time.Time) {
	if p.first.IsZero() || at.Before(p.first) {
		p.first = at
	}
	if at.After(p.last) {
		p.last = at
	}
}

// end returns when a worker reported.
func end(w *output.WorkerSummary) time.Time { return w.Started.Add(seconds(w.Seconds)) }

func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0), 9e9) * float64(time.Second))
}

// knowCommits finds out when chunks were committed: when their parts were created, unless these
// were replaced or copied since.
func (b *builder) knowCommits() {
	last := time.Time{}
	if b.success != nil {
		last = b.success.Ended.Add(slack)
	}
	for chunk, at := range b.parts {
		if last.IsZero() || !at.After(last) {
			b.commits[chunk] = at
		}
	}
	unknown := len(b.parts) - len(b.commits)
	if unknown == 0 {
		return
	}
	claimed := 0 // in time
	for i := range b.histories {
		if !b.histories[i].Links[0].At.After(last) {
			claimed++
		}
	}
	switch {
	case claimed == 0 && len(b.histories) > 0, b.success.Retry == nil:
		b.note("The files of the output are newer than its end: it was copied, or repaired. What their times would say of %d chunks is left out.", unknown)
		if claimed == 0 {
			b.histories = nil
		}
	default:
		b.note("Retries replaced %d of %d parts. When they were first written is not known: these chunks are not in the rates and not among the slowest.",
			unknown, len(b.parts))
	}
}

// follow finds who held a chunk when.
func (b *builder) follow(h *claim.History) {
	var held []tenure
	at, known := b.commits[h.Chunk]
	for i := range h.Links {
		l := &h.Links[i]
		// Who had not seen yet that the chunk has its part claimed it for nothing.
		late := known && l.At.After(at) || b.success != nil && l.At.After(b.success.Ended)
		p := b.processes[l.Worker.ID]
		if p == nil || late && len(held) > 0 {
			continue
		}
		open := len(held) > 0 && held[len(held)-1].process == p && held[len(held)-1].to.IsZero()
		if !open && !l.Released {
			if n := len(held); n > 0 && held[n-1].to.IsZero() {
				held[n-1].to = minTime(l.At, held[n-1].process.last)
				held[n-1].process.lost = maxTime(held[n-1].process.lost, l.At)
				b.event(KindTakenOver, l.At, p, h.Chunk, held[n-1].process.worker.Rank)
			}
			held = append(held, tenure{chunk: h.Chunk, process: p, from: l.At})
			if from := b.shareOf(h.Chunk, &p.worker); from >= 0 && from != p.worker.Rank {
				b.event(KindStolen, l.At, p, h.Chunk, from)
				if _, committed := b.parts[h.Chunk]; committed {
					p.stolen++
				}
			}
		}
		if l.Released && open {
			held[len(held)-1].to = l.At
			b.event(KindReleased, l.At, p, h.Chunk, -1)
		}
	}
	_, committed := b.parts[h.Chunk]
	if n := len(held); n > 0 && held[n-1].to.IsZero() {
		one := &held[n-1]
		switch {
		case known:
			one.to = maxTime(at, one.from)
		case committed:
			one.to = one.from
		default:
			one.to = one.process.last
		}
		if committed && n == 1 && h.Race == nil {
			one.process.chunks++
			one.process.images += b.images(h.Chunk)
		}
	}
	if h.Race != nil {
		if p := b.processes[h.Race.Worker.ID]; p != nil {
			p.doubled++
			from := -1
			if n := len(held); n > 0 {
				from = held[n-1].process.worker.Rank
			}
			b.event(KindDoubled, h.Race.At, p, h.Chunk, from)
			to := p.last
			if known {
				to = maxTime(at, h.Race.At)
			}
			held = append(held, tenure{chunk: h.Chunk, process: p, from: h.Race.At, to: to, racing: true})
		}
	}
	b.tenures = append(b.tenures, held...)
}

// shareOf returns the rank whose share a chunk is in, seen from a worker; -1 if it is alone.
func (b *builder) shareOf(chunk int, w *claim.Worker) int {
	if w.World < 2 || w.Rank >= w.World {
		return -1
	}
	return sort.Search(w.World-1, func(rank int) bool {
		_, hi := b.chunks.Share(rank, w.World)
		return chunk < hi
	})
}

func (b *builder) images(chunk int) int {
	first, last := b.chunks.Range(chunk)
	return last - first
}

func (b *builder) event(kind string, at time.Time, p *process, chunk, from int) {
	b.events = append(b.events, Event{At: at.UTC(), Kind: kind, Rank: p.worker.Rank, Chunk: chunk, From: from})
}

// span finds when a job ended that is not complete.
func (b *builder) span() {
	if b.success != nil {
		return
	}
	for _, p := range b.processes {
		b.t.Started, b.t.Ended = minTime(b.t.Started, p.first.UTC()), maxTime(b.t.Ended, p.last.UTC())
	}
	for _, at := range b.commits {
		b.t.Ended = maxTime(b.t.Ended, at.UTC())
	}
}

// rates fills in the images per second.
func (b *builder) rates() {
	took := b.t.Ended.Sub(b.t.Started)
	if took <= 0 || len(b.commits) == 0 {
		return
	}
	const partsInSlot = 4
	n := min(MostSlots, max(1, len(b.commits)/partsInSlot))
	rates := make([]Rate, n)
	at := func(i int) time.Time { return b.t.Started.Add(time.Duration(float64(took) * float64(i) / float64(n))) }
	for i := range rates {
		rates[i].Interval = Interval{at(i), at(i + 1)}
	}
	for chunk, committed := range b.commits {
		i := int(float64(committed.Sub(b.t.Started)) / float64(took) * float64(n))
		rates[min(max(i, 0), n-1)].Images += b.images(chunk)
	}
	for i := range rates {
		r := &rates[i]
		r.PerSecond = float64(r.Images) / r.To.Sub(r.From).Seconds()
	}
	b.t.Rates = rates
}

// slowest finds the chunks that took longest.
func (b *builder) slowest() error {
	last := map[int]*tenure{} // which was the last to claim a chunk
	held, raced := map[int]int{}, map[int]bool{}
	for i := range b.tenures {
		h := &b.tenures[i]
		if h.racing {
			raced[h.chunk] = true
			continue
		}
		held[h.chunk]++
		last[h.chunk] = h
	}
	all := []Chunk{}
	for chunk, h := range last {
		at, known := b.commits[chunk]
		if !known {
			continue
		}
		all = append(all, Chunk{Chunk: chunk, Rank: h.process.worker.Rank, Images: b.images(chunk),
			Seconds: max(at.Sub(h.from).Seconds(), 0), Doubled: raced[chunk], Taken: held[chunk] - 1})
	}
	slices.SortFunc(all, func(x, y Chunk) int {
		return cmp.Or(cmp.Compare(y.Seconds/float64(y.Images), x.Seconds/float64(x.Images)), x.Chunk-y.Chunk)
	})
	b.t.Slowest = slices.Clone(all[:min(len(all), MostSlowest)])
	for i := range b.t.Slowest {
		first, _ := b.chunks.Range(b.t.Slowest[i].Chunk)
		e, err := b.manifest.Entries(nil, first, first+1)
		if err != nil {
			return err
		}
		b.t.Slowest[i].First = strings.Clone(e[0].Path)
	}
	return nil
}

// allEvents puts the events in order, and keeps as many as there may be: those of which there
// are few come first.
func (b *builder) allEvents() {
	for _, one := range []struct {
		kind string
		link *claim.Link
	}{{KindFinished, b.end}, {KindDelivered, b.delivery}} {
		if one.link != nil && one.link.Worker.ID != "" {
			b.event(one.kind, one.link.At, &process{worker: one.link.Worker}, -1, -1)
		}
	}
	byKind := map[string][]Event{}
	for _, e := range b.events {
		byKind[e.Kind] = append(byKind[e.Kind], e)
		b.t.EventCounts[e.Kind]++
	}
	inOrder := func(x, y Event) int {
		return cmp.Or(x.At.Compare(y.At), strings.Compare(x.Kind, y.Kind), x.Rank-y.Rank, x.Chunk-y.Chunk)
	}
	kinds := slices.Sorted(maps.Keys(byKind))
	slices.SortStableFunc(kinds, func(x, y string) int { return len(byKind[x]) - len(byKind[y]) })
	for i, kind := range kinds {
		slices.SortFunc(byKind[kind], inOrder)
		b.t.Events = append(b.t.Events, spread(byKind[kind], (MostEvents-len(b.t.Events))/(len(kinds)-i))...)
	}
	slices.SortFunc(b.t.Events, inOrder)
	if n := len(b.events); n > len(b.t.Events) {
		b.note("%d of %d events are listed; event_counts has all.", len(b.t.Events), n)
	}
}

// ranks fills in what each rank did.
func (b *builder) ranks() {
	byRank := map[int][]*process{}
	for _, p := range b.processes {
		byRank[p.worker.Rank] = append(byRank[p.worker.Rank], p)
	}
	busy := map[int][]Interval{}
	for _, h := range b.tenures {
		busy[h.process.worker.Rank] = append(busy[h.process.worker.Rank], Interval{h.from.UTC(), h.to.UTC()})
	}
	gap := b.gap()
	most := min(MostIntervals, max(fewIntervals, allIntervals/max(len(byRank), 1)))
	var latest time.Time
	for _, rank := range slices.Sorted(maps.Keys(byRank)) {
		all := byRank[rank]
		slices.SortFunc(all, func(x, y *process) int {
			return cmp.Or(x.first.Compare(y.first), strings.Compare(x.worker.ID, y.worker.ID))
		})
		r := Rank{Rank: rank}
		for i, p := range all {
			r.Processes = append(r.Processes, b.process(p, i == len(all)-1))
			r.Host, r.Doubled = p.worker.Host, r.Doubled+p.doubled
			if w := p.summary; w != nil {
				r.Device, r.Images, r.Chunks, r.Stolen, r.Lost = w.Device, r.Images+w.Images, r.Chunks+w.Chunks, r.Stolen+w.Stolen, r.Lost+w.Lost
			} else {
				r.Images, r.Chunks, r.Stolen = r.Images+p.images, r.Chunks+p.chunks, r.Stolen+p.stolen
			}
			if p.first.After(latest) && p.worker.World > 0 {
				latest, b.t.World = p.first, p.worker.World
			}
		}
		r.Busy = merge(busy[rank], gap, most)
		b.t.Ranks = append(b.t.Ranks, r)
	}
	b.stragglers(byRank)
}

// process returns a Process. last reports whether it is the last of its rank.
func (b *builder) process(p *process, last bool) Process {
	one := Process{ID: p.worker.ID, Host: p.worker.Host, Started: p.first.UTC(), Ended: p.last.UTC(), Images: p.images, Chunks: p.chunks,
		Preempted: !p.leaving.IsZero()}
	if one.Preempted {
		b.event(KindPreempted, p.leaving, p, -1, -1)
	}
	switch w := p.summary; {
	case w != nil:
		one.Started, one.Ended, one.End, one.Images, one.Chunks = w.Started.UTC(), end(w).UTC(), w.End, w.Images, w.Chunks
	case b.success != nil, p.lost.After(p.last), !last:
		one.End = EndKilled
		b.event(KindDied, p.last, p, -1, -1)
	default:
		one.End = EndUnknown
	}
	return one
}

// gap returns how long nothing need be known of a rank for it to count as busy all the same: if
// some claims only were read, as long as it takes to commit the chunks between two of them.
func (b *builder) gap() time.Duration {
	if b.known <= len(b.histories) || len(b.histories) == 0 || len(b.processes) == 0 {
		return 0
	}
	every := float64(b.t.Ended.Sub(b.t.Started)) * float64(len(b.processes)) / float64(len(b.histories))
	return time.Duration(3 * every)
}

// enough is how many ranks there must be to compare them with one another.
const enough = 3

// stragglers finds the ranks that took far longer for an image than others. As ranks take chunks
// from one another, a rank is granted one more chunk than it did.
func (b *builder) stragglers(byRank map[int][]*process) {
	granted := map[int]float64{} // by index in Ranks
	byDevice := map[string][]int{}
	for i := range b.t.Ranks {
		r := &b.t.Ranks[i]
		took, images := pace(byRank[r.Rank])
		if images == 0 || took <= 0 {
			continue
		}
		r.SecondsPerImage, granted[i] = took/float64(images), took/float64(images+b.chunks.Size)
		byDevice[r.Device] = append(byDevice[r.Device], i)
	}
	groups := slices.Collect(maps.Values(byDevice))
	if slices.ContainsFunc(groups, func(g []int) bool { return len(g) < enough }) && len(groups) > 1 {
		groups = [][]int{slices.Concat(groups...)}
		b.note("The ranks are on different devices, and are compared with one another all the same.")
	}
	for _, group := range groups {
		var all []float64
		for _, i := range group {
			all = append(all, b.t.Ranks[i].SecondsPerImage)
		}
		above := straggle.Above(all)
		if len(group) < enough {
			continue // nobody can tell which of two is as it should be
		}
		if len(groups) == 1 {
			b.t.StragglesAbove = above
		}
		for _, i := range group {
			b.t.Ranks[i].Straggles = granted[i] > above
		}
	}
	for _, r := range b.t.Ranks {
		if r.Straggles {
			b.t.Straggling = append(b.t.Straggling, r.Rank)
		}
	}
}

// pace returns for how long processes of a rank scored images, and how many, of those that
// reported it.
func pace(all []*process) (took float64, images int) {
	for _, p := range all {
		w := p.summary
		if w == nil {
			continue
		}
		one := w.Seconds
		if w.Stages != nil {
			one = w.Stages.Seconds
		}
		took, images = took+one, images+max(w.Scored, w.Images)
	}
	return took, images
}

// allIntervals are the most intervals of all ranks together, unless there are so many ranks that
// each has fewIntervals.
const (
	allIntervals = 20_000
	fewIntervals = 10
)

// merge returns intervals that overlap, or lie no further apart than gap, as one. If there are
// more than most, it joins those that lie closest.
func merge(all []Interval, gap time.Duration, most int) []Interval {
	slices.SortFunc(all, func(x, y Interval) int { return cmp.Or(x.From.Compare(y.From), x.To.Compare(y.To)) })
	join := func(all []Interval, gap time.Duration) []Interval {
		merged := []Interval{}
		for _, i := range all {
			if n := len(merged); n > 0 && i.From.Sub(merged[n-1].To) <= gap {
				merged[n-1].To = maxTime(merged[n-1].To, i.To)
			} else {
				merged = append(merged, i)
			}
		}
		return merged
	}
	merged := join(all, gap)
	if n := len(merged); n > most {
		var gaps []time.Duration
		for i := 1; i < n; i++ {
			gaps = append(gaps, merged[i].From.Sub(merged[i-1].To))
		}
		slices.Sort(gaps)
		merged = join(merged, gaps[n-1-most])
	}
	return merged
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
