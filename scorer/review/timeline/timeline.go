package timeline

import "time"

// A Timeline is who did what when.
type Timeline struct {
	// Started is when the job's record was created, Ended when its last part was, or the last
	// worker of a job that is not complete was heard of.
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Complete bool      `json:"complete"`
	// Simulated reports whether no model computed the rows.
	Simulated bool `json:"simulated,omitempty"`

	Images    int `json:"images"`
	Chunks    int `json:"chunks"`
	Committed int `json:"committed_chunks"`
	// After is the place of the output that an increment continues; "" for other jobs. Copied is
	// how many images of a complete increment have in its own parts the rows of earlier outputs.
	After  string `json:"after,omitempty"`
	Copied int    `json:"copied_images,omitempty"`

	// World is how many ranks the job was started with the last time; 0 if nobody claimed a chunk.
	World int `json:"world"`

	Ranks []Rank `json:"ranks"`
	// Rates are the images per second over at most MostSlots slots of equal length, from the
	// times of parts.
	Rates []Rate `json:"rates"`
	// Slowest are the chunks that took longest from their claim to their commit, for each image,
	// the slowest first.
	Slowest []Chunk `json:"slowest"`
	// Events are takeovers, races, deaths and preemptions in the order of time, at most
	// MostEvents of them; EventCounts counts all by kind.
	Events      []Event        `json:"events"`
	EventCounts map[string]int `json:"event_counts"`
	// Straggling are the ranks that took more than StragglesAbove seconds an image, by the rule of
	// package straggle: among ranks on the same device if there are three or more on each of several, and
	// StragglesAbove is 0 then; else among all.
	Straggling     []int   `json:"straggling"`
	StragglesAbove float64 `json:"straggles_above_seconds_per_image,omitempty"`
	// Bound is what bound the throughput; nil if no worker reported it.
	Bound *Bound `json:"bound,omitempty"`
	// Retries are the retries of the output, oldest first.
	Retries []Retry `json:"retries,omitempty"`
	// Notes say what is not known, or was sampled, in sentences.
	Notes []string `json:"notes"`
}

// Bounds of what a Timeline holds, so that it fits a page.
const (
	MostSlots     = 120
	MostIntervals = 200 // of a rank
	MostSlowest   = 20
	MostEvents    = 400
)

// A Rank is what the processes of one rank did.
type Rank struct {
	Rank      int       `json:"rank"`
	Host      string    `json:"host"`             // of its last process
	Device    string    `json:"device,omitempty"` // "" if none of its processes reported
	Processes []Process `json:"processes"`
	// Images and Chunks are those that it committed, Stolen those of Chunks from the share of
	// another rank, Lost those that it scored and another rank committed first: as its
	// processes reported, and from claims for those that did not. Doubled is how often it began
	// a chunk while another one held it.
	Images  int `json:"images"`
	Chunks  int `json:"chunks"`
	Stolen  int `json:"stolen"`
	Doubled int `json:"doubled"`
	Lost    int `json:"lost"`
	// SecondsPerImage is the time of its processes divided by the images that they scored; 0
	// if that is not known.
	SecondsPerImage float64 `json:"seconds_per_image,omitempty"`
	Straggles       bool    `json:"straggles,omitempty"`
	// Busy are the times in which it held a chunk that was then committed, merged.
	// Another rank may have committed a chunk that both held.
	Busy []Interval `json:"busy"`
}

// How a process ended, besides what output.WorkerSummary.End says: "done", "stopped",
// "failed", "too many failures".
const (
	// EndKilled is of a process without a summary, of a job that is complete, or whose rank was
	// started again or whose chunk was taken over since its last sign.
	EndKilled = "killed"
	// EndUnknown is of a process without a summary in any other job: it may run.
	EndUnknown = ""
)

// A Process is one start of a rank.
type Process struct {
	ID      string    `json:"id"`
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
	// Ended is when it reported, or its last sign if it was killed.
	Ended time.Time `json:"ended"`
	End   string    `json:"end"`
	// Preempted reports whether it was asked to end while it held a chunk.
	Preempted bool `json:"preempted,omitempty"`
	Images    int  `json:"images"`
	Chunks    int  `json:"chunks"`
}

// An Interval is a time.
type Interval struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// A Rate is how many images had their rows committed in a slot of time.
type Rate struct {
	Interval
	Images    int     `json:"images"`
	PerSecond float64 `json:"images_per_second"`
}

// A Chunk is one that took long.
type Chunk struct {
	Chunk   int     `json:"chunk"`
	Rank    int     `json:"rank"` // that claimed it last
	Images  int     `json:"images"`
	First   string  `json:"first"` // its first image
	Seconds float64 `json:"seconds"`
	// Doubled reports whether another rank began it, too, and Taken how often it was taken over.
	Doubled bool `json:"doubled,omitempty"`
	Taken   int  `json:"taken_over,omitempty"`
}

// Kinds of Events.
const (
	KindStolen    = "stolen"     // a rank claimed a chunk of the share of another
	KindDoubled   = "doubled"    // a rank began a chunk that another one held
	KindTakenOver = "taken over" // a rank claimed a chunk whose holder was silent
	KindReleased  = "released"   // a rank gave a chunk up
	KindPreempted = "preempted"  // a process was asked to end while it held a chunk
	KindFinished  = "finished"   // a rank claimed the end of the job: to check the parts and write _SUCCESS
	KindDelivered = "delivered"  // a rank claimed the file of the rows
	KindDied      = "died"       // a process ended without a summary
)

// An Event is something out of the ordinary.
type Event struct {
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"`
	Rank  int       `json:"rank"`
	Chunk int       `json:"chunk"` // -1 if it is about none
	From  int       `json:"from"`  // the rank whose chunk it was; -1 if it is not known
}

// A Bound is what kept the job from being faster, from what workers reported.
type Bound struct {
	// Stage is the stage that bound the job: "fetch", "decode", "infer" or "commit"; "" if
	// none was busy for most of the time.
	Stage string `json:"stage"`
	// Busy is the share of the time, 0 to 1, in which the goroutines of each stage were busy,
	// by stage: over all workers that reported, weighed by their time.
	Busy map[string]float64 `json:"busy"`
	// Text says it in a sentence.
	Text string `json:"text"`
	// Workers is how many workers reported this, Of how many there were.
	Workers int `json:"workers"`
	Of      int `json:"of"`
}

// A Retry is a generation of the output: images that were scored again.
type Retry struct {
	Generation int       `json:"generation"`
	Statuses   []string  `json:"statuses"` // of the rows that were scored again
	Images     int       `json:"images"`
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended"`
	Complete   bool      `json:"complete"`
	Workers    int       `json:"workers"`
}
