package serve

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/row"
)

// Limits of an index.
const (
	// mostLabels is how many labels are told apart. All others are one.
	mostLabels = 1<<16 - 1
	otherLabel = mostLabels
	// keptFailures is how many of the newest failures are kept with their reason.
	keptFailures = 200
	// mostReason is how many bytes of a reason are kept.
	mostReason = 300
	// bins are those of the histogram of scores.
	bins = 20
)

// index has of each row what filters and orders ask about: 11 bytes. The rows of one part are never changed.
type index struct {
	mu       sync.RWMutex
	parts    []*indexed // by chunk; nil for those that are not read
	size     int        // rows of each part but the last; 0 while only part 0 is known
	rows     int
	read     int // parts
	labels   words
	statuses words
	scores   [bins]int // of rows with a score from 0 to 1
	failures []failure // the newest last
	failed   int
	version  int // grows with each part
}

// indexed are the rows of one part.
type indexed struct {
	first   int
	created time.Time
	labels  []uint16
	scores  []float32 // NaN for none
	hashes  []uint32  // the beginning of the hash by which samples are chosen
	states  []uint8
	holds   [4]uint64 // the set of statuses
}

// words are the distinct texts of a column, and how many rows have each.
type words struct {
	number map[string]int
	text   []string
	count  []int
	most   int
	others int // rows with texts beyond most
}

// add counts a text and returns its number, or most if there are too many.
func (w *words) add(s string) int {
	n, ok := w.number[s]
	if !ok {
		if len(w.text) == w.most {
			w.others++
			return w.most
		}
		if w.number == nil {
			w.number = map[string]int{}
		}
		s = strings.Clone(s)
		n = len(w.text)
		w.number[s] = n
		w.text, w.count = append(w.text, s), append(w.count, 0)
	}
	w.count[n]++
	return n
}

// of returns the text of a number.
func (w *words) of(n int) string {
	if n >= len(w.text) {
		return ""
	}
	return w.text[n]
}

// counted is a text and how many rows have it.
type counted struct {
	Name   string `json:"name"`
	Images int    `json:"images"`
}

// top returns the texts of most rows, at most n.
func (w *words) top(n int) []counted {
	all := make([]counted, len(w.text))
	for i := range w.text {
		all[i] = counted{w.text[i], w.count[i]}
	}
	slices.SortFunc(all, func(a, b counted) int { return cmp.Or(b.Images-a.Images, strings.Compare(a.Name, b.Name)) })
	return all[:min(n, len(all))]
}

// failure is an image that failed.
type failure struct {
	Row    int       `json:"row"`
	Path   string    `json:"path"`
	Status string    `json:"status"`
	Error  string    `json:"error"`
	At     time.Time `json:"at,omitzero"` // when its part was created; zero if that is in another output
}

func newIndex() *index {
	return &index{labels: words{most: mostLabels}, statuses: words{most: 255}}
}

// add adds a part.
func (x *index) add(p output.SeenPart) { x.addAt(p, func(int) time.Time { return p.Created }) }

// addAt adds rows, each with the time of its creation.
func (x *index) addAt(p output.SeenPart, at func(int) time.Time) {
	n := len(p.Rows)
	one := &indexed{first: p.First, created: p.Created,
		labels: make([]uint16, n), scores: make([]float32, n), hashes: make([]uint32, n), states: make([]uint8, n)}
	for i := range p.Rows {
		one.hashes[i] = hashOf(nameOf(&p.Rows[i]))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range p.Rows {
		r := &p.Rows[i]
		state := x.statuses.add(r.Status)
		one.states[i] = uint8(state)
		one.holds[state/64] |= 1 << (state % 64)
		one.scores[i], one.labels[i] = float32(math.NaN()), otherLabel
		if r.Status != row.StatusOK {
			x.failed++
			x.fail(failure{Row: p.First + i, Path: strings.Clone(r.Path), Status: x.statuses.of(state), Error: clipped(r.Error), At: at(i)})
			continue
		}
		a, ok := r.Answer.(*row.Classification)
		if !ok {
			continue
		}
		one.labels[i], one.scores[i] = uint16(x.labels.add(a.Label)), a.Score
		if a.Score >= 0 && a.Score <= 1 {
			x.scores[evaluate.BinOf(a.Score, bins)]++
		}
	}
	for len(x.parts) <= p.Chunk {
		x.parts = append(x.parts, nil)
	}
	x.parts[p.Chunk] = one
	if p.Chunk > 0 {
		x.size = p.First / p.Chunk
	}
	x.rows += n
	x.read++
	x.version++
}

// fail keeps a failure. Parts come in no order, so it goes where its time belongs.
func (x *index) fail(f failure) {
	at, _ := slices.BinarySearchFunc(x.failures, f, func(a, b failure) int {
		return cmp.Or(a.At.Compare(b.At), a.Row-b.Row)
	})
	if at == 0 && len(x.failures) == keptFailures {
		return
	}
	x.failures = slices.Insert(x.failures, at, f)
	if n := len(x.failures) - keptFailures; n > 0 {
		x.failures = slices.Delete(x.failures, 0, n)
	}
}

// clipped returns a copy of the beginning of a reason.
func clipped(s string) string {
	if len(s) > mostReason {
		s = strings.ToValidUTF8(s[:mostReason], "") + "..."
	}
	return strings.Clone(s)
}

// rate is the mean rate of one slot of time.
type rate struct {
	At   time.Time `json:"at"` // its end
	Rate float64   `json:"images_per_second"`
}

// slots is how many slots rates returns at most.
const slots = 60

// rates returns the images per second between the creation of the job and the last part, in slots
// of equal length.
func (x *index) rates(started time.Time) []rate {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var last time.Time
	for _, p := range x.parts {
		if p != nil && p.created.After(last) {
			last = p.created
		}
	}
	span := last.Sub(started)
	if x.read < 2 || span < time.Second {
		return nil
	}
	n := max(2, min(slots, x.read/2))
	each := span / time.Duration(n)
	images := make([]int, n)
	for _, p := range x.parts {
		if p == nil {
			continue
		}
		images[min(max(int(p.created.Sub(started)/each), 0), n-1)] += len(p.labels)
	}
	all := make([]rate, n)
	for i := range all {
		all[i] = rate{At: started.Add(time.Duration(i+1) * each), Rate: math.Round(float64(images[i])/each.Seconds()*10) / 10}
	}
	return all
}
