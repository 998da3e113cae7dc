package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/simulate"
)

// fleetFlags describe simulated devices, one per rank.
type fleetFlags struct {
	devices    []string
	model      string
	precision  string
	ranks      []int
	perNode    int
	stragglers []string
	slow       float64
	jitter     float64
	seed       uint64
}

// benchModels are the values of --model.
var benchModels = map[string]models.Architecture{
	"vgg16": models.VGG16, "inception": models.InceptionV3, "inception_v3": models.InceptionV3, "resnet50": simulate.ResNet50,
}

// benchPrecisions are the values of --precision, and what contracts call them.
var benchPrecisions = map[string]string{"fp32": "", "fp16": "fp16", "int8": "int8"}

// mixed is the value of --device for a cluster of two kinds, together the other
// spelling.
const (
	mixed    = "mix"
	together = "+"
)

func (f *fleetFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&f.devices, "device", []string{"p100"}, "simulate these `DEVICES`, one after another: "+strings.Join(simulate.Devices(), ", ")+
		" or rate=N; p100+k80, or mix, is one cluster whose nodes have them in turn")
	fs.StringVar(&f.model, "model", "vgg16", "the devices run this `MODEL`: vgg16, inception or resnet50")
	fs.StringVar(&f.precision, "precision", "fp32", "the model is in `PRECISION`: fp32, fp16 or int8")
	chooseSome(cmd, "device", append(simulate.Devices(), mixed))
	chooseOne(cmd, "model", slices.Sorted(maps.Keys(benchModels)))
	chooseOne(cmd, "precision", slices.Sorted(maps.Keys(benchPrecisions)))
	fs.IntSliceVar(&f.ranks, "ranks", []int{1, 2, 4, 8, 16, 32}, "use these numbers of ranks (`N,...`), one GPU each")
	fs.IntVar(&f.perNode, "ranks-per-node", 4, "put `N` consecutive ranks on a node")
	fs.StringArrayVar(&f.stragglers, "straggler", nil, "make ranks slower: `RANKS:FACTOR`, such as 0-3:1.35, take that many times as long; may be repeated")
	fs.Float64Var(&f.slow, "slow", 1, "slow all devices down by `FACTOR`, so that few cores suffice for many ranks")
	fs.Float64Var(&f.jitter, "jitter", 0.02, "vary the time of a batch with this relative standard `DEVIATION`")
	fs.Uint64Var(&f.seed, "seed", 1, "draw random numbers from this `SEED`")
}

// args returns the flags again, for one of n ranks of a fleet.
func (f *fleetFlags) args(fl *fleet, n int) []string {
	args := []string{
		"--device", fl.names, "--model", f.model, "--precision", f.precision, "--ranks", strconv.Itoa(n),
		"--ranks-per-node", strconv.Itoa(f.perNode), "--slow", fmt.Sprint(f.slow), "--jitter", fmt.Sprint(f.jitter),
		"--seed", fmt.Sprint(f.seed),
	}
	for _, s := range f.stragglers {
		args = append(args, "--straggler", s)
	}
	return args
}

// straggling returns the stragglers as a key of samples.
func (f *fleetFlags) straggling() string {
	if len(f.stragglers) == 0 {
		return "none"
	}
	return strings.Join(f.stragglers, ",")
}

// givenKeys returns those of the named flags that were given, as keys of samples:
// runs that differ in them are not samples of the same measurement.
func givenKeys(cmd *cobra.Command, names ...string) []result.Key {
	var keys []result.Key
	for _, name := range names {
		if flag := cmd.Flag(name); flag.Changed {
			keys = append(keys, result.K(name, flag.Value))
		}
	}
	return keys
}

// fleet holds the devices of the largest number of ranks, by rank. Fewer ranks have
// the first ones.
type fleet struct {
	specs []simulate.Spec // slowed down, stragglers more so
	// given are the same without stragglers: how fast the devices should be.
	given []simulate.Spec
	// names are the devices without details, such as "p100+k80".
	names string
	kinds []simulate.Spec
}

// fleets returns the fleets that the flags describe, one for each device, for batches of
// this size. Errors are usage errors.
func (f *fleetFlags) fleets(batch int) ([]*fleet, error) {
	if len(f.devices) == 0 {
		return nil, usagef("--device is empty: name at least one device")
	}
	var all []*fleet
	for _, names := range f.devices {
		names = strings.ToLower(names)
		if names == mixed {
			names = "p100" + together + "k80"
		}
		if slices.ContainsFunc(all, func(fl *fleet) bool { return fl.names == names }) {
			return nil, usagef("--device: %s is there twice", names)
		}
		fl, err := f.fleet(names, batch)
		if err != nil {
			return nil, err
		}
		all = append(all, fl)
	}
	return all, nil
}

// fleet returns the fleet of one device, or of several joined by a plus.
func (f *fleetFlags) fleet(device string, batch int) (*fleet, error) {
	arch, ok := benchModels[f.model]
	if !ok {
		return nil, oneOf("model", f.model, slices.Sorted(maps.Keys(benchModels)))
	}
	precision, ok := benchPrecisions[f.precision]
	if !ok {
		return nil, oneOf("precision", f.precision, slices.Sorted(maps.Keys(benchPrecisions)))
	}
	if err := f.checkRanks(); err != nil {
		return nil, err
	}
	if f.perNode < 1 || !(f.slow > 0 && finite(f.slow)) || !(f.jitter >= 0 && f.jitter < 1) {
		return nil, usagef("--ranks-per-node and --slow must be above zero, and --jitter at least 0 and below 1")
	}
	most := slices.Max(f.ranks)
	names := strings.Split(device, together)
	var kinds []simulate.Spec
	for _, name := range names {
		s, err := simulate.Parse(name)
		if err == nil {
			s, err = s.For(arch, precision)
		}
		if err != nil {
			return nil, usagef("--device: %w", err)
		}
		if batch < 1 {
			return nil, invalid("batch", batch, "a number of images above zero")
		}
		if !s.Fits(batch) {
			return nil, usagef("--batch %d: a %s runs out of memory with that many images of %s", batch, name, arch)
		}
		s.Slow, s.Jitter, s.Seed = f.slow, f.jitter, f.seed
		kinds = append(kinds, s)
	}
	out := &fleet{names: device, kinds: kinds}
	for r := range most {
		out.given = append(out.given, kinds[r/f.perNode%len(kinds)])
	}
	out.specs = append(out.specs, out.given...)
	for _, text := range f.stragglers {
		lo, hi, factor, err := parseStraggler(text)
		if err != nil {
			return nil, usagef("invalid value %q for --straggler: %w", text, err)
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

// checkRanks returns what is wrong with --ranks.
func (f *fleetFlags) checkRanks() error {
	if len(f.ranks) == 0 {
		return usagef("--ranks is empty: name at least one number of ranks")
	}
	if n := slices.Min(f.ranks); n < 1 {
		return invalid("ranks", n, "numbers above zero")
	}
	return nil
}

// parseStraggler parses "3:1.5" or "0-3:1.35".
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
		return 0, 0, 0, errors.New("want RANK:FACTOR or FIRST-LAST:FACTOR, such as 0-3:1.35")
	}
	return lo, hi, factor, nil
}

// lacks warns of numbers of ranks on which a mixed cluster has not all of its devices.
func (f *fleetFlags) lacks(fl *fleet) string {
	least := f.perNode*(len(fl.kinds)-1) + 1
	var few []string
	for _, n := range f.ranks {
		if n < least {
			few = append(few, strconv.Itoa(n))
		}
	}
	if len(few) == 0 {
		return ""
	}
	return fmt.Sprintf("warning: on %s ranks %s has not all of its devices, because %d ranks share a node and a node has one kind: take %d ranks or more,"+
		" or a smaller --ranks-per-node", strings.Join(few, ", "), fl.names, f.perNode, least)
}

// mixture returns notes on what else there is to know about the fleets.
func (f *fleetFlags) mixture(fleets []*fleet, batch int) []string {
	var notes []string
	for _, fl := range fleets {
		if lacks := f.lacks(fl); lacks != "" {
			notes = append(notes, lacks)
		}
	}
	for _, fl := range fleets {
		for _, s := range fl.kinds {
			if text := s.Source(); text != "" && !slices.Contains(notes, text) {
				notes = append(notes, text)
				if at := s.AtBatch(batch); at != "" {
					notes = append(notes, at)
				}
			}
		}
	}
	if len(fleets) > 1 {
		notes = append(notes, fmt.Sprintf("each device is a cluster of its own; --device %s is one cluster of both",
			strings.ReplaceAll(fleets[0].names+together+fleets[1].names, ",", together)))
	}
	if f.slow != 1 {
		notes = append(notes, fmt.Sprintf("all devices are slowed down %g times; makespan-s includes that;"+
			" images/s, its price and minutes/100k-images are those of devices that are not slowed down", f.slow))
	}
	if len(f.stragglers) > 0 {
		notes = append(notes, "straggling ranks: "+strings.Join(f.stragglers, ", "))
	}
	return notes
}
