package output

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// otherOptions is the error of a command whose options are not those of the job that
// exists.
type otherOptions struct {
	text string
	kind error // ErrOtherJob, or ErrMismatch if only the model differs
}

func (e *otherOptions) Error() string { return e.text }

func (e *otherOptions) Unwrap() error { return e.kind }

// difference is one thing that a job and a command do not have in common.
type difference struct {
	what       string // the flag, or what it is about
	have, want string // of the job, and of the command
	give       string // the flag to add to the command; empty for none
	leave      string // the flag to leave out; empty for none
	do         string // what to do instead; empty for nothing
}

// comparison collects what differs between the job that exists and a command.
type comparison struct{ options, model []difference }

// compare returns nil if a worker that wants one job can take part in the one that
// exists, or else an error that names each flag that differs, and what to do.
func compare(st store.Store, have, want Job) error {
	asked := cmp.Or(want.AskedTopK, want.TopK)
	wanted, err := recorded(want)
	if err != nil {
		return fmt.Errorf("job record: %w", err)
	}
	var c comparison
	c.compareOptions(&have, &wanted, asked)
	c.compareModels(&have, &wanted)
	switch {
	case len(c.options) > 0:
		return &otherOptions{c.text(st), ErrOtherJob}
	case len(c.model) > 0:
		return &otherOptions{c.text(st), ErrMismatch}
	}
	return nil
}

// recorded returns a job as its record would have it: text may change that is not UTF-8.
func recorded(j Job) (Job, error) {
	body, err := encodeRecord(&j)
	var r Job
	if err == nil {
		err = decodeRecord(body, &r)
	}
	return r, err
}

// SameImages reports whether the job that exists and the one that a command wants have the same
// place of images.
func SameImages(have, want *Job) bool { return have.Images == recordedPlace(want.Images) }

// recordedPlace returns a place as a record has it. Two places that are not UTF-8 must not look
// the same.
func recordedPlace(place string) string {
	if utf8.ValidString(place) {
		return place
	}
	return strconv.Quote(place)
}

// Differs returns what keeps the rows of one job from being those of another, for people;
// empty if nothing does. How images are divided into batches and chunks does not count.
func Differs(have, want Job) string {
	asked := cmp.Or(want.AskedTopK, want.TopK)
	want.Images = recordedPlace(want.Images)
	if r, err := recorded(want); err == nil {
		want = r
	}
	want.Batch, want.Chunk = 0, 0
	var c comparison
	c.compareOptions(&have, &want, asked)
	c.compareModels(&have, &want)
	var differ []string
	for _, d := range append(c.options, c.model...) {
		differ = append(differ, fmt.Sprintf("%s: %s there, %s here", d.what, d.have, d.want))
	}
	for _, d := range []struct {
		what       string
		have, want int
	}{
		{what: "form of the rows", have: int(have.RowForm), want: int(row.Newest)},
		{what: "decoders of images, of another release", have: have.Decoding, want: want.Decoding},
	} {
		if d.have != d.want {
			differ = append(differ, fmt.Sprintf("%s: %d there, %d here", d.what, d.have, d.want))
		}
	}
	if have.Int8 != want.Int8 {
		differ = append(differ, fmt.Sprintf("sums of 8-bit products: %s there, %s here", unnamed(have.Int8), unnamed(want.Int8)))
	}
	return strings.Join(differ, "; ")
}

// VectorsDiffer returns why the vectors of two jobs of the same model cannot be compared, for
// people; empty if they can. Where rows have several answers, head names the one that counts, or
// is empty for the only vector.
func VectorsDiffer(one, other Job, head string) string {
	var c comparison
	one, other = one.vectors(head), other.vectors(head)
	c.compareModels(&one, &other)
	var differ []string
	for _, d := range c.model {
		differ = append(differ, fmt.Sprintf("%s: %s and %s", d.what, d.have, d.want))
	}
	return strings.Join(differ, "; ")
}

// vectors returns a job with what decides its vectors only.
func (j Job) vectors(head string) Job {
	for _, h := range j.Heads {
		if h.Task == models.Embed && (head == "" || head == h.Name) {
			j.Task, j.Settings, j.Activation, j.OutputName, j.Outputs = h.Task, h.Settings, h.Activation, "", h.Outputs
			break
		}
	}
	if len(j.Outputs) == 0 && j.OutputName != "" {
		j.Outputs = []string{j.OutputName}
	}
	j.Heads, j.OutputName, j.LabelsDigest, j.JPEGDecoder = nil, "", "", ""
	if !j.Simulated() {
		j.Precision = "" // rounding moves a vector little
	}
	return j
}

// compareOptions compares everything but the model. asked is the number of classes
// that the command asks for.
func (c *comparison) compareOptions(have, want *Job, asked int) {
	option := func(d difference) {
		if d.have != d.want {
			c.options = append(c.options, d)
		}
	}
	option(difference{what: "--images", have: have.Images, want: want.Images, give: "--images " + shellquote.Quote(have.Images)})
	option(withFlag("--max", have.Max, want.Max, "all"))
	option(switched("--all-files", have.Files == listing.AllFiles, want.Files == listing.AllFiles))
	option(difference{what: "--format", have: string(have.Format), want: string(want.Format), give: "--format " + string(have.Format)})
	// A model with fewer classes than were asked for has fewer. If the models differ,
	// that is what is said of them.
	if capped := have.ModelDigest != want.ModelDigest && have.TopK <= asked; !capped {
		option(withFlag("--top-k", have.TopK, want.TopK, ""))
	}
	if have.Decoding > 0 || have.DependentRows { // older releases did not ask
		option(switched("--allow-dependent-rows", have.DependentRows, want.DependentRows))
	}
	// Without these flags, a command takes what the job has.
	pixels, bytes := have.Bounds()
	for _, f := range []struct {
		flag       string
		have, want int64
		do         string
	}{
		{flag: "--batch", have: int64(have.Batch), want: int64(want.Batch)},
		{flag: "--chunk", have: int64(have.Chunk), want: int64(want.Chunk)},
		{flag: "--max-pixels", have: pixels, want: want.MaxPixels, do: "(only --retry too_large takes another)"},
		{flag: "--max-bytes", have: bytes, want: want.MaxBytes, do: "(only --retry too_large takes another)"},
		{flag: "--max-image-memory", have: have.MaxMemory, want: want.MaxMemory, do: "(only --retry too_large takes another)"},
	} {
		if f.want != 0 {
			option(difference{what: f.flag, have: number(f.have, "auto"), want: number(f.want, "auto"),
				leave: strings.TrimSpace(f.flag + " " + f.do)})
		}
	}
}

// compareModels compares what the scores depend on besides the pixels.
func (c *comparison) compareModels(have, want *Job) {
	model := func(d difference) {
		if d.have != d.want {
			c.model = append(c.model, d)
		}
	}
	model(device(have, want))
	if have.ModelDigest != want.ModelDigest { // and so everything that follows from it
		model(difference{what: "--model", have: named(have.Model, have.ModelDigest), want: named(want.Model, want.ModelDigest),
			do: "give the file that the job has"})
		return
	}
	c.model = append(c.model, pixels(have, want)...)
	c.compareHeads(have, want)
	model(difference{what: "task of the model", have: taskName(have.Task), want: taskName(want.Task)})
	model(difference{what: "settings of the task", have: settingsText(have), want: settingsText(want)})
	model(difference{what: "--activation", have: unnamed(have.Activation), want: unnamed(want.Activation), give: flagged("--activation", have.Activation)})
	model(difference{what: "--output-name", have: unnamed(have.OutputName), want: unnamed(want.OutputName),
		give: flagged("--output-name", have.OutputName), leave: unless(have.OutputName, "--output-name")})
	model(difference{what: "outputs that the answer is made of", have: outputNames(have), want: outputNames(want),
		do: "give the --output-name, or the output_names of model.yaml, that the job has"})
	model(decoder(have.JPEGDecoder, want.JPEGDecoder))
	if have.LabelsDigest == want.LabelsDigest {
		return
	}
	known := have.Preprocess != nil // older records do not have the file's name either
	if known && have.LabelsFile == "" && want.LabelsFile == "" && len(c.model) > 0 {
		return // the model's own labels differ because something else does
	}
	const own = "the model's own, or none"
	d := difference{what: "--labels", have: named(cmp.Or(have.LabelsFile, own), have.LabelsDigest),
		want: named(cmp.Or(want.LabelsFile, own), want.LabelsDigest), do: "give the labels that the job has"}
	if !known {
		d.have = short(have.LabelsDigest)
	}
	model(d)
}

// outputNames returns the outputs of Job.Outputs, for people.
func outputNames(j *Job) string {
	var names []string
	for _, name := range j.Outputs {
		names = append(names, shellquote.Quote(name))
	}
	return unnamed(strings.Join(names, ", "))
}

// settingsText describes what a task was told; empty if nothing.
func settingsText(j *Job) string {
	if j.Settings == nil {
		return ""
	}
	text, err := json.Marshal(j.Settings)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(text), "{}")
}

// TF32 is the Precision of a float32 model whose factors a GPU rounds to 10 bits.
const TF32 = "tf32"

// ownPrecision describes an empty Precision.
const ownPrecision = "the model's own"

// device compares what computes. A simulated device computes nothing, so its labels
// never mix with those of a model.
func device(have, want *Job) difference {
	was, is := cmp.Or(have.Precision, ownPrecision), cmp.Or(want.Precision, ownPrecision)
	switch {
	case was == is:
		return difference{}
	case was == row.Simulated:
		return difference{what: "--provider", have: "a simulated device", want: "a real one", give: "--provider simulate:..."}
	case is == row.Simulated:
		return difference{what: "--provider", have: "a real device", want: "a simulated one", leave: "--provider simulate:..."}
	}
	d := difference{what: "precision", have: was, want: is}
	if was == TF32 {
		d.give = "--tf32"
	}
	if is == TF32 {
		d.leave = "--tf32"
	}
	return d
}

// decoder compares what decodes JPEG.
func decoder(have, want string) difference {
	d := difference{what: "JPEG decoder", have: have, want: want}
	switch was, is := jpeg.DeviceOf(have), jpeg.DeviceOf(want); {
	case was == is:
		d.do = "use a machine with the JPEG decoder that the job has (batchscore doctor)"
	case was == "":
		d.leave = "--decode-device"
	default:
		d.give = "--decode-device " + was
	}
	return d
}

// pixels compares how images become pixels.
func pixels(have, want *Job) []difference {
	if have.PreprocessDigest == want.PreprocessDigest {
		return nil
	}
	unknown := []difference{{what: "preprocessing (--width, --mean and the other flags about the model)", have: short(have.PreprocessDigest),
		want: short(want.PreprocessDigest), do: "give the flags that the job was started with"}}
	if have.Preprocess == nil || want.Preprocess == nil {
		return unknown
	}
	var all []difference
	was, is := fields(have.Preprocess), fields(want.Preprocess)
	for _, f := range pixelFields {
		flag := "--" + strings.ReplaceAll(f.name, "_", "-")
		if f.name == "tile_overlap" {
			flag = "--overlap"
		}
		d := difference{what: flag, have: cmp.Or(was[f.name], f.none), want: cmp.Or(is[f.name], f.none)}
		if d.have == d.want {
			continue
		}
		switch {
		case f.name == "dtype":
			d.what = "type of the input" // no flag, for the graph decides
		case was[f.name] == "":
			d.leave = flag
		case was[f.name] == "true":
			d.give = flag
		default:
			d.give = flag + " " + d.have
		}
		all = append(all, d)
	}
	if all == nil {
		return unknown
	}
	return all
}

// pixelFields are the fields of a preprocess.Spec. A flag of the same name decides
// each. none is the value of a field that is absent.
var pixelFields = []struct{ name, none string }{
	{"width", "0"},
	{"height", "0"},
	{"layout", "none"},
	{"dtype", "none"},
	{"bgr", "false"},
	{"resize", "none"},
	{"fit", "none"},
	{"resize_to", "none"},
	{"resize_to_height", "none"},
	{"fraction", "none"},
	{"pad", "0,0,0"},
	{"pad_zero", "false"},
	{"position", "none"},
	{"background_colour", "none"},
	{"grey", "none"},
	{"augment", "none"},
	{"tile", "none"},
	{"tile_overlap", "0"},
	{"tile_rule", "none"},
	{"orientation", "upright"},
	{"scaled_decode", "false"},
	{"raw_preview", "false"},
	{"value_range", "none"},
	{"bands", "none"},
	{"scale", "1"},
	{"mean", "0,0,0"},
	{"std", "1,1,1"},
}

// fields returns the fields of a Spec as flags call and spell them.
func fields(s *preprocess.Spec) map[string]string {
	text := s.Fields()
	for name, value := range text {
		text[name] = strings.Trim(value, `"[]`)
	}
	if s.IgnoreOrientation {
		text["orientation"] = "stored"
	}
	if s.Layout != "" {
		text["layout"] = "N" + string(s.Layout)
	}
	return text
}

// text says what differs and how to continue the job.
func (c *comparison) text(st store.Store) string {
	what := "with other options"
	if len(c.options) == 0 {
		what = "with another model"
		if !slices.ContainsFunc(c.model, func(d difference) bool { return d.what == "--model" }) {
			what = "with other options for the model"
		}
	}
	var differ, give, leave, do []string
	for _, d := range append(c.options, c.model...) {
		differ = append(differ, fmt.Sprintf("%s: the job has %s, this command has %s", d.what, d.have, d.want))
		for to, text := range map[*[]string]string{&give: d.give, &leave: d.leave, &do: d.do} {
			if text != "" {
				*to = append(*to, text)
			}
		}
	}
	if len(give) > 0 {
		do = append(do, "give "+strings.Join(give, " "))
	}
	if len(leave) > 0 {
		do = append(do, "leave out "+strings.Join(leave, " and "))
	}
	next := "; choose another --out"
	if len(do) > 0 {
		next = "; to continue the job, " + strings.Join(do, ", and ") + "; or choose another --out"
	}
	return fmt.Sprintf("%s: this job was started %s: %s%s", st, what, strings.Join(differ, "; "), next)
}

// withFlag compares a number. none is what 0 means, which is also what the command
// means without the flag; empty if the flag is always needed.
func withFlag(flag string, have, want int, none string) difference {
	d := difference{what: flag, have: number(int64(have), none), want: number(int64(want), none)}
	if have == 0 && none != "" {
		d.leave = flag
	} else {
		d.give = fmt.Sprintf("%s %d", flag, have)
	}
	return d
}

// switched compares a flag without a value.
func switched(flag string, have, want bool) difference {
	d := difference{what: flag, have: strconv.FormatBool(have), want: strconv.FormatBool(want)}
	if have {
		d.give = flag
	} else {
		d.leave = flag
	}
	return d
}

// flagged returns a flag with its value, or nothing without a value.
func flagged(flag, value string) string {
	if value == "" {
		return ""
	}
	return flag + " " + shellquote.Quote(value)
}

// unless returns text if value is empty, or else nothing.
func unless(value, text string) string {
	if value == "" {
		return text
	}
	return ""
}

func unnamed(value string) string { return cmp.Or(value, "none") }

// named returns the name of a file with its digest.
func named(file, digest string) string { return fmt.Sprintf("%s (%s)", file, short(digest)) }

// short returns enough of a digest to recognise it.
func short(digest string) string {
	const enough = len("sha256:") + 12
	return digest[:min(len(digest), enough)]
}

// taskName returns the name of the task that a record means.
func taskName(recorded string) string { return cmp.Or(recorded, row.Classify.Name()) }

// number returns n, or what it means if it is 0.
func number(n int64, none string) string {
	if n == 0 && none != "" {
		return none
	}
	return strconv.FormatInt(n, 10)
}

// compareHeads compares several answers.
func (c *comparison) compareHeads(have, want *Job) {
	if len(have.Heads) != len(want.Heads) {
		c.model = append(c.model, difference{what: "answers of a row", have: headNames(have), want: headNames(want)})
		return
	}
	for i := range have.Heads {
		if a, b := headText(&have.Heads[i]), headText(&want.Heads[i]); a != b {
			c.model = append(c.model, difference{what: fmt.Sprintf("answer %d of a row", i+1), have: a, want: b})
		}
	}
}

func headNames(j *Job) string {
	if len(j.Heads) == 0 {
		return "one"
	}
	return strings.Join(j.HeadNames(), ", ")
}

func headText(h *JobHead) string {
	text, err := json.Marshal(h)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(text), "{}")
}
