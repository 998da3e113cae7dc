package ranks

import (
	"slices"

	"github.com/batchscore/batchscore/shard/straggle"
)

// Options are what a log does not say.
type Options struct {
	// Asked is how many images the job was to label; 0 if that is not known.
	Asked int
	// World is how many ranks there were; 0 means as many as the highest rank says.
	World int
	// OneGPU is how many seconds one GPU takes for them; 0 if not known.
	OneGPU float64
	// PerNode is how many consecutive ranks are on a node; 0 if not known.
	PerNode int
	// Price is that of a GPU for an hour, in any currency; 0 if not known.
	Price float64
	// Rates are the expected rates of the ranks' devices, by rank, to compare ranks
	// on different devices; nil if all devices are equal.
	Rates []float64
	// Job is what the log says of the whole job.
	Job Job
}

// Judged is a rank and the findings about it.
type Judged struct {
	Rank
	Node int `json:"node"` // -1 if not known
	// Straggles is true if this rank takes far longer per image than the others: see
	// package straggle.
	Straggles bool `json:"straggles"`
}

// Report is the analysis of a job.
type Report struct {
	Ranks []Judged `json:"ranks"`
	// World is how many ranks there were, Missing those that are not in the log.
	World   int   `json:"world"`
	Missing []int `json:"missing,omitempty"`
	// Job is what the log says of the whole job. Processed is the sum over all ranks,
	// Labelled the number that the job gives or, if it gives none, the same sum. Lost is
	// how many images are missing from Asked, Surplus how many there are beyond it.
	Job       Job `json:"job"`
	Asked     int `json:"asked,omitempty"`
	Processed int `json:"processed"`
	Labelled  int `json:"labelled"`
	Lost      int `json:"lost"`
	Surplus   int `json:"surplus,omitempty"`
	// Twice is how many images were processed a second time, in a race for a chunk or
	// after a restart. Earlier is how many were labelled before this log begins, Unlogged
	// how many have a row, but no rank logged them: because it was killed, or because the
	// log lacks it.
	Twice    int `json:"twice,omitempty"`
	Earlier  int `json:"earlier,omitempty"`
	Unlogged int `json:"unlogged,omitempty"`
	// Makespan is that of the job in seconds, as the job reports it: until its last part.
	// If the log lacks that, it is LastRank, or 0 if that is not known.
	Makespan float64 `json:"makespan_seconds"`
	// LastRank is the time of the slowest rank: ranks start together. It is 0 if the time
	// of a start is not in the log. A rank may end after the job, in a race that it lost.
	LastRank float64 `json:"last_rank_seconds,omitempty"`
	// Balanced is the makespan of the images whose time is known, each counted once, if
	// they were divided perfectly among ranks with the same rates as these; 0 if the log
	// does not show it.
	Balanced float64 `json:"balanced_seconds"`
	// Balance is Balanced divided by Makespan, at most 1.
	Balance float64 `json:"balance"`
	// SpeedUp compares with one GPU. Efficiency is SpeedUp divided by the number of
	// ranks. Both are 0 if the time of one GPU is not known.
	SpeedUp    float64 `json:"speed_up,omitempty"`
	Efficiency float64 `json:"efficiency,omitempty"`
	// Stragglers are ranks, StragglerNodes the nodes that they are on.
	Stragglers     []int `json:"stragglers"`
	StragglerNodes []int `json:"straggler_nodes,omitempty"`
	// StragglesAbove is the bound, in seconds per image (on the fastest device if
	// devices differ).
	StragglesAbove float64 `json:"straggles_above_seconds_per_image"`
	// Unfinished are ranks whose end is not in the log.
	Unfinished []int `json:"unfinished,omitempty"`
	// IdleGPUSeconds is the time that ranks were paid for after their end, while
	// the last rank worked. IdleCost is its price.
	IdleGPUSeconds float64 `json:"idle_gpu_seconds"`
	Cost           float64 `json:"cost,omitempty"` // of all ranks for the makespan
	IdleCost       float64 `json:"idle_cost,omitempty"`
	// LostGPUSeconds is the time that all ranks were paid for beyond that of one GPU.
	LostGPUSeconds float64 `json:"lost_gpu_seconds,omitempty"`
	LostCost       float64 `json:"lost_cost,omitempty"`

	all    []Rank
	timed  int  // ranks whose rate is known
	paused bool // a rank was started more than once
	apart  float64
}

// Analyse returns the report on a job's ranks.
func Analyse(all []Rank, o Options) Report {
	r := Report{Asked: o.Asked, World: o.World, Stragglers: []int{}, Job: o.Job, all: all}
	var perImage []float64             // of ranks whose time is known
	rate, timed, whole := 0.0, 0, true // whole: the time of each start that ended is known
	fastest := 1.0
	if len(o.Rates) > 0 {
		fastest = slices.Max(o.Rates)
	}
	// slowness is the seconds per image, as if on the fastest device, if the rank had
	// processed more images in the same time.
	slowness := func(k Rank, more int) float64 {
		s := k.Seconds / float64(k.Images-k.Untimed+more)
		if k.Rank < len(o.Rates) {
			s *= o.Rates[k.Rank] / fastest
		}
		return s
	}
	told := map[int]bool{}
	for _, k := range all {
		told[k.Rank] = true
		r.World = max(r.World, k.Rank+1)
		r.Processed += k.Images
		r.LastRank = max(r.LastRank, k.Seconds)
		if !k.Ended {
			r.Unfinished = append(r.Unfinished, k.Rank)
		} else if k.Untimed > 0 {
			whole = false
		}
		r.paused = r.paused || k.Starts > 1
		if k.speed() > 0 {
			perImage = append(perImage, slowness(k, 0))
			rate += k.speed()
			timed += k.Images - k.Untimed
		}
	}
	for rank := range r.World {
		if !told[rank] {
			r.Missing = append(r.Missing, rank)
		}
	}
	r.count()
	if !whole || len(o.Job.Several) > 0 {
		r.LastRank = 0
	}
	r.Makespan = r.LastRank
	if o.Job.Seconds > 0 {
		r.Makespan = o.Job.Seconds
	}
	paid := max(r.LastRank, r.Makespan)
	if r.LastRank == 0 || r.Earlier > 0 {
		paid = 0 // not known
	}
	r.timed = len(perImage)
	r.StragglesAbove = straggle.Above(perImage)
	if len(perImage) == 2 {
		r.apart = slices.Max(perImage) / slices.Min(perImage)
	}
	grain := chunkOf(all)
	for _, k := range all {
		j := Judged{Rank: k, Node: -1}
		if o.PerNode > 0 {
			j.Node = k.Rank / o.PerNode
		}
		j.Straggles = k.speed() > 0 && slowness(k, grain) > r.StragglesAbove
		if j.Straggles {
			r.Stragglers = append(r.Stragglers, k.Rank)
			if j.Node >= 0 && !slices.Contains(r.StragglerNodes, j.Node) {
				r.StragglerNodes = append(r.StragglerNodes, j.Node)
			}
		}
		if k.Ended && r.LastRank > 0 {
			r.IdleGPUSeconds += r.LastRank - k.Seconds
		}
		r.Ranks = append(r.Ranks, j)
	}
	if once := timed - r.Twice; rate > 0 && r.LastRank > 0 && once > 0 && r.Earlier == 0 && r.Unlogged == 0 {
		// Rates that would take longer than the job did are of ranks that worked on after it.
		if b := float64(once) / rate; b <= 1.01*r.Makespan {
			r.Balanced = min(b, r.Makespan)
			r.Balance = r.Balanced / r.Makespan
		}
	}
	paid *= float64(r.World)
	r.Cost, r.IdleCost = paid/3600*o.Price, r.IdleGPUSeconds/3600*o.Price
	if o.OneGPU > 0 && r.Makespan > 0 && len(o.Job.Several) == 0 {
		r.SpeedUp = o.OneGPU / r.Makespan
		r.Efficiency = r.SpeedUp / float64(r.World)
		if paid > 0 {
			r.LostGPUSeconds = max(0, paid-o.OneGPU)
			r.LostCost = r.LostGPUSeconds / 3600 * o.Price
		}
	}
	return r
}

// count compares the images that ranks processed with those of the job.
func (r *Report) count() {
	r.Labelled = r.Processed
	if n := r.Job.Images; n > 0 {
		r.Labelled, r.Twice = n, max(0, r.Processed-n)
		killed := slices.ContainsFunc(r.all, func(k Rank) bool { return k.Untimed > 0 || !k.Ended })
		if more := max(0, n-r.Processed); r.Job.Begun || killed || len(r.Missing) > 0 {
			r.Unlogged = more
		} else {
			r.Earlier = more
		}
	}
	if r.Asked == 0 {
		return
	}
	r.Lost, r.Surplus = max(0, r.Asked-r.Labelled), max(0, r.Labelled-r.Asked)
	if r.Job.Images == 0 && r.Job.Races > 0 {
		r.Labelled, r.Twice, r.Surplus = r.Labelled-r.Surplus, r.Surplus, 0
	}
}
