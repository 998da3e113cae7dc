package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/simulate"
)

// fleetFlags describe simulated devices, one a rank.
type fleetFlags struct {
	devices    []string
	model      string
	ranks      []int
	perNode    int
	stragglers []string
	slow       float64
	jitter     float64
	seed       uint64
}

// benchModels are what --model takes.
var benchModels = map[string]models.Architecture{
	"vgg16": models.VGG16, "inception": models.InceptionV3, "inception_v3": models.InceptionV3,
}

// mixed is the device that stands for a cluster of both kinds.
const mixed = "mix"

func (f *fleetFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&f.devices, "device", []string{"p100"}, "simulated device: p100, k80, rate=N, or several, which the nodes have in turn; mix is p100,k80")
	fs.StringVar(&f.model, "model", "vgg16", "network that the devices run: vgg16 or inception")
	fs.IntSliceVar(&f.ranks, "ranks", []int{1, 2, 4, 8, 16, 32}, "numbers of ranks, one GPU each")
	fs.IntVar(&f.perNode, "ranks-per-node", 4, "consecutive ranks that share a node")
	fs.StringArrayVar(&f.stragglers, "straggler", nil, "RANKS:FACTOR, such as 0-3:1.35: these ranks take as many times as long; may be given again")
	fs.Float64Var(&f.slow, "slow", 1, "slow all devices down by this factor, so that few cores suffice for many ranks")
	fs.Float64Var(&f.jitter, "jitter", 0.02, "relative standard deviation of the time of a batch")
	fs.Uint64Var(&f.seed, "seed", 1, "varies what is random")
}

// args are the flags again, for a rank of n.
func (f *fleetFlags) args(n int) []string {
	args := []string{
		"--device", strings.Join(f.devices, ","), "--model", f.model, "--ranks", strconv.Itoa(n),
		"--ranks-per-node", strconv.Itoa(f.perNode), "--slow", fmt.Sprint(f.slow), "--jitter", fmt.Sprint(f.jitter),
		"--seed", fmt.Sprint(f.seed),
	}
	for _, s := range f.stragglers {
		args = append(args, "--straggler", s)
	}
	return args
}

// straggling is the stragglers as a key of samples.
func (f *fleetFlags) straggling() string {
	if len(f.stragglers) == 0 {
		return "none"
	}
	return strings.Join(f.stragglers, ",")
}

// givenKeys are those of the flags named that were given, as keys of samples: runs
// that differ in them are not samples of the same.
func givenKeys(cmd *cobra.Command, names ...string) []result.Key {
	var keys []result.Key
	for _, name := range names {
		if flag := cmd.Flag(name); flag.Changed {
			keys = append(keys, result.K(name, flag.Value))
		}
	}
	return keys
}

// fleet is the devices of the largest number of ranks, by rank. Fewer ranks have
// the first of them.
type fleet struct {
	specs []simulate.Spec // slowed, stragglers more so
	// given are the same without stragglers: what the devices should do.
	given []simulate.Spec
	// names are of the devices without their details, such as "p100,k80".
	names string
	model models.Architecture
}

// fleet reads the flags, for a job in batches of that size. An error is one of
// usage.
func (f *fleetFlags) fleet(batch int) (*fleet, error) {
	arch, ok := benchModels[f.model]
	if !ok {
		return nil, usagef("--model %q is none of vgg16, inception", f.model)
	}
	if err := f.checkRanks(); err != nil {
		return nil, err
	}
	if f.perNode < 1 || !(f.slow > 0 && finite(f.slow)) || !(f.jitter >= 0 && f.jitter < 1) {
		return nil, usagef("--ranks-per-node and --slow are above zero, and --jitter is from 0 to below 1")
	}
	most := slices.Max(f.ranks)
	names := f.devices
	if len(names) == 1 && names[0] == mixed {
		names = []string{"p100", "k80"}
	}
	var kinds []simulate.Spec
	for _, name := range names {
		s, err := simulate.Parse(name)
		if err == nil {
			s, err = s.For(arch, "")
		}
		if err != nil {
			return nil, usagef("--device: %w", err)
		}
		if batch < 1 {
			return nil, usagef("--batch %d: a batch holds at least one image", batch)
		}
		if !s.Fits(batch) {
			return nil, usagef("--batch %d: a %s is out of memory with that many images of %s", batch, name, arch)
		}
		s.Slow, s.Jitter, s.Seed = f.slow, f.jitter, f.seed
		kinds = append(kinds, s)
	}
	if len(kinds) == 0 {
		return nil, usagef("--device names none")
	}
	out := &fleet{names: strings.Join(names, "+"), model: arch}
	for r := range most {
		out.given = append(out.given, kinds[r/f.perNode%len(kinds)])
	}
	out.specs = append(out.specs, out.given...)
	for _, text := range f.stragglers {
		lo, hi, factor, err := parseStraggler(text)
		if err != nil {
			return nil, usagef("--straggler %s: %w", text, err)
		}
		if hi >= most {
			return nil, usagef("--straggler %s: the last rank of --ranks %d is %d", text, most, most-1)
		}
		for r := lo; r <= hi; r++ {
			out.specs[r].Slow *= factor
		}
	}
	return out, nil
}

func (f *fleetFlags) checkRanks() error {
	if len(f.ranks) == 0 {
		return usagef("--ranks is a list of numbers")
	}
	if n := slices.Min(f.ranks); n < 1 {
		return usagef("--ranks %d: at least one rank works", n)
	}
	return nil
}

// parseStraggler reads "3:1.5" or "0-3:1.35".
func parseStraggler(text string) (lo, hi int, factor float64, err error) {
	who, times, ok := strings.Cut(text, ":")
	first, last, many := strings.Cut(who, "-")
	if !many {
		last = first
	}
	lo, err1 := strconv.Atoi(first)
	hi, err2 := strconv.Atoi(last)
	factor, err3 := strconv.ParseFloat(times, 64)
	if !ok || err1 != nil || err2 != nil || err3 != nil || lo < 0 || hi < lo || !(factor > 0 && finite(factor)) {
		return 0, 0, 0, fmt.Errorf("it is RANK:FACTOR or FIRST-LAST:FACTOR, such as 0-3:1.35")
	}
	return lo, hi, factor, nil
}

// mixture says in words what is in the fleet beside the devices' names.
func (f *fleetFlags) mixture(fl *fleet) []string {
	var notes []string
	for _, s := range fl.given {
		if s.Estimated() {
			notes = append(notes, "the rate of "+s.Device+" on "+string(fl.model)+" is an estimate: none was published")
			break
		}
	}
	if f.slow != 1 {
		notes = append(notes, fmt.Sprintf("all devices are slowed %g times; times in the table are as they were, minutes/100k-images are without it", f.slow))
	}
	if len(f.stragglers) > 0 {
		notes = append(notes, "straggling ranks: "+strings.Join(f.stragglers, ", "))
	}
	return notes
}
