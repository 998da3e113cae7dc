package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
)

const (
	// enoughChunks is how many chunks a rank needs so that the last one is a small part
	// of its work.
	enoughChunks = 10
	// enoughSeconds is how long a run takes in which the start of the ranks is a small
	// part.
	enoughSeconds = compare.EnoughSeconds
)

// warnings are the reasons why figures of bench scale say little about devices.
type warnings struct {
	coarse []string // numbers of ranks with their chunks
	short  []int    // numbers of ranks
	cores  []int
	onCPU  bool
}

// add notes what is wrong with a run on n ranks.
func (w *warnings) add(n int, o scale.Outcome) {
	once := func(list *[]int) {
		if !slices.Contains(*list, n) {
			*list = append(*list, n)
		}
	}
	if text := fmt.Sprintf("%d chunks on %s", o.Chunks, numberOf(n, "rank")); n > 1 && o.Chunks < enoughChunks*n && !slices.Contains(w.coarse, text) {
		w.coarse = append(w.coarse, text)
	}
	if o.Makespan < enoughSeconds {
		once(&w.short)
	}
	w.onCPU = w.onCPU || slices.ContainsFunc(o.Devices, ort.OnCPU)
}

// judge notes which numbers of ranks the cores limit, by the rule for what limits.
func (w *warnings) judge(samples []result.Sample) {
	for _, r := range result.Rows(samples) {
		n, err := strconv.Atoi(r.Key("ranks"))
		if err == nil && n > 1 && compare.Limits(r) == compare.Shared && !slices.Contains(w.cores, n) {
			w.cores = append(w.cores, n)
		}
	}
}

// notes returns the warnings as lines below a table.
func (w *warnings) notes() []string {
	var notes []string
	if len(w.coarse) > 0 {
		notes = append(notes, fmt.Sprintf("warning: too few chunks to divide evenly: %s. A rank that ends up with one chunk more than another decides"+
			" the time. Take %d chunks or more for each rank: more images (--per-rank, --images), or a smaller --chunk", strings.Join(w.coarse, ", "), enoughChunks))
	}
	if len(w.short) > 0 {
		notes = append(notes, fmt.Sprintf("warning: runs on %s took less than %d s, and starting the ranks is part of that: take more images (--per-rank, --images)",
			ranksOf(w.short), enoughSeconds))
	}
	cores := device.CPUs(1).Usable
	switch {
	case w.onCPU:
		notes = append(notes, fmt.Sprintf("the ranks compute on the %s of this machine and share them: more ranks are not faster here", numberOf(cores, "core")))
	case len(w.cores) > 0:
		notes = append(notes, fmt.Sprintf("warning: on %s the %s of this machine were busy all the time: they limit, and not the devices."+
			" Take fewer ranks, or slower devices (--slow)", ranksOf(w.cores), numberOf(cores, "core")))
	}
	return notes
}

func ranksOf(numbers []int) string {
	var parts []string
	for _, n := range slices.Sorted(slices.Values(numbers)) {
		parts = append(parts, fmt.Sprint(n))
	}
	if len(parts) == 1 && parts[0] == "1" {
		return "1 rank"
	}
	return strings.Join(parts, ", ") + " ranks"
}

// longRun is how long a measurement takes that is announced.
const longRun = 30 * time.Second

// announce says how long the measurement takes at least, if that is long.
func (f *benchScaleFlags) announce(stderr io.Writer, fleets []*fleet) {
	var seconds float64
	for _, fl := range fleets {
		for _, n := range f.ranks {
			rate := 0.0
			for _, s := range fl.specs[:n] {
				rate += s.At(f.batch)
			}
			seconds += float64(f.images(n)) / rate * float64(f.rounds)
		}
	}
	if took := time.Duration(seconds * float64(time.Second)); took > longRun {
		printf(stderr, "batchscore: the measurement takes %s or longer; less with fewer --rounds, a smaller --per-rank or less --slow\n",
			took.Round(time.Second))
	}
}
