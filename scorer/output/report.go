package output

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Kind is a kind of problem.
type Kind string

// The kinds of problems.
const (
	Missing   Kind = "missing"   // a part, an image's row or a record does not exist
	Doubled   Kind = "doubled"   // an image has more than one row
	Surplus   Kind = "surplus"   // a part or row that does not belong to the manifest
	Misplaced Kind = "misplaced" // a row is not in its part or not in its place there
	Altered   Kind = "altered"   // the content differs from digests or manifest
	Damaged   Kind = "damaged"   // it cannot be read
	Unkept    Kind = "unkept"    // an output that rows are kept in is missing, or is not what was recorded
)

// Problem is one thing that is wrong with an output.
type Problem struct {
	Kind   Kind   `json:"kind"`
	Chunk  int    `json:"chunk"` // -1 if it is not about one chunk
	Object string `json:"object"`
	// Path is that of the image if the problem is about one image.
	Path   string `json:"path,omitempty"`
	Detail string `json:"detail"`
}

// maxProblems is how many problems a report lists.
const maxProblems = 1000

// Report is what Verify found.
type Report struct {
	Output string     `json:"output"`
	Job    string     `json:"job"`
	Format row.Format `json:"format"`
	// Simulated reports whether no model computed the rows.
	Simulated bool `json:"simulated,omitempty"`
	// DependentRows reports whether rows were allowed to depend on the other images of
	// a batch, or on chance.
	DependentRows bool `json:"dependent_rows,omitempty"`
	// MixedDecoding is Success.MixedDecoding.
	MixedDecoding bool `json:"mixed_decoding,omitempty"`
	// GPUKinds is Success.GPUKinds.
	GPUKinds []string `json:"gpu_kinds,omitempty"`
	Images   int      `json:"images"` // in the manifest
	Chunks   int      `json:"chunks"`
	Parts    int      `json:"parts"` // that could be read
	Rows     int      `json:"rows"`
	// Missing is the number of chunks without a part, MissingImages that of images
	// without a row.
	Missing       int            `json:"missing_parts"`
	MissingImages int            `json:"missing_images"`
	Statuses      map[string]int `json:"statuses"`
	// Complete reports whether _SUCCESS exists and no retry is being published.
	Complete bool `json:"complete"`
	// Publishing reports whether some worker began to put the rows of a retry into the
	// parts and none has finished. Unfinished is the number of a retry that was begun
	// and whose rows are not in the parts, 0 if there is none.
	Publishing bool `json:"publishing,omitempty"`
	// Retries is the number of retries whose rows are in the parts.
	Retries    int `json:"retries,omitempty"`
	Unfinished int `json:"unfinished_retry,omitempty"`
	// Collection is about the whole collection of an increment; nil for other outputs.
	Collection *CollectionReport `json:"collection,omitempty"`
	Found      map[Kind]int      `json:"found"` // problems by kind
	// Problems are the first 1000 of them.
	Problems []Problem `json:"problems"`
	// Speed is what String says of it; nothing if it is empty.
	Speed string `json:"-"`
}

func (r *Report) add(p Problem) {
	if r.Found == nil {
		r.Found = map[Kind]int{}
	}
	r.Found[p.Kind]++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
	}
}

// OK reports whether nothing is wrong: every image has exactly one row, and all digests
// match. An output that only lacks _SUCCESS is OK.
func (r *Report) OK() bool { return len(r.Found) == 0 }

// OnlyLacksParts reports whether nothing is wrong but that the job has not made all of its parts
// yet.
func (r *Report) OnlyLacksParts() bool {
	return r.Found[Missing] > 0 && len(r.Found) == 1 && r.Chunks > 0 && !r.Complete
}

// Err returns nil if the report is OK, or else an error that wraps ErrMismatch.
func (r *Report) Err() error {
	if r.OK() {
		return nil
	}
	if r.OnlyLacksParts() {
		return lacking(fmt.Sprintf("%s: incomplete: %d of %s missing; run the job again to complete it",
			r.Output, r.Found[Missing], counted(r.Chunks, "part")))
	}
	return fmt.Errorf("%s: the content %w: %s%s", r.Output, ErrMismatch, r.found(), r.advice())
}

// lacking is the error of an output that only lacks parts. It wraps ErrMismatch,
// which its message leaves out: nothing that exists is wrong.
type lacking string

func (e lacking) Error() string { return string(e) }

func (e lacking) Unwrap() error { return ErrMismatch }

// counted returns a number and a noun, which takes an s unless the number is 1.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// advice returns what to do about the problems, empty if nothing helps.
func (r *Report) advice() string {
	if len(r.Found) == 1 && r.Found[Unkept] > 0 {
		return "; " + sourceAdvice
	}
	if r.Chunks == 0 {
		return ""
	}
	return "; to repair it: batchscore repair " + shellquote.Path(r.Output)
}

// found counts the problems by kind.
func (r *Report) found() string {
	var counts []string
	for _, k := range slices.Sorted(maps.Keys(r.Found)) {
		counts = append(counts, fmt.Sprintf("%d %s", r.Found[k], k))
	}
	return strings.Join(counts, ", ")
}

// String returns the report for people, with a line per problem.
func (r *Report) String() string {
	var b strings.Builder
	state := "incomplete: there is no " + SuccessName
	switch {
	case r.Complete:
		state = "complete"
	case r.Chunks == 0:
		state = "cannot be judged"
	case r.Publishing:
		state = "incomplete: the rows of a retry are being put into the parts"
	}
	if r.Simulated {
		state += " (simulated)"
	}
	fmt.Fprintf(&b, "%s: %s\n", printable.Line(r.Output), state)
	fmt.Fprintf(&b, "%s in %s; %s with %s", counted(r.Images, "image"), counted(r.Chunks, "chunk"), counted(r.Parts, "part"),
		counted(r.Rows, "row"))
	for i, s := range slices.Sorted(maps.Keys(r.Statuses)) {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%d %s", sep, r.Statuses[s], printable.Field(s))
	}
	b.WriteByte('\n')
	if r.Collection != nil {
		b.WriteString(r.Collection.lines())
	}
	if r.DependentRows {
		b.WriteString(DependentRowsNote + "\n")
	}
	if r.MixedDecoding {
		b.WriteString(MixedDecodingNote + "\n")
	}
	if note := MixedGPUsNote(r.GPUKinds); note != "" {
		b.WriteString(printable.Line(note) + "\n")
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s: %s", p.Kind, printable.Line(p.Object))
		if p.Path != "" {
			fmt.Fprintf(&b, ", %q", p.Path)
		}
		fmt.Fprintf(&b, ": %s\n", printable.Line(p.Detail))
	}
	total := 0
	for _, n := range r.Found {
		total += n
	}
	if n := total - len(r.Problems); n > 0 {
		fmt.Fprintf(&b, "and %d more\n", n)
	}
	if r.Unfinished > 0 && !r.Publishing {
		fmt.Fprintf(&b, "retry %d was begun and is not done: run the job again with --retry to finish it\n", r.Unfinished)
	}
	if r.Speed != "" {
		b.WriteString(printable.Line(r.Speed) + "\n")
	}
	switch {
	case r.OK() && r.Collection != nil && !r.Collection.Skipped:
		b.WriteString("OK: rows equal manifest, and each image of the collection has one row\n")
	case r.OK():
		b.WriteString("OK: rows equal manifest\n")
	default:
		fmt.Fprintf(&b, "NOT OK: %s\n", r.found())
	}
	return b.String()
}

// ShowCommand returns the command that shows the images of a place that failed, to
// be pasted into a shell; empty where none failed.
func ShowCommand(place string, statuses map[string]int) string {
	failures := row.Failures(statuses)
	switch len(failures) {
	case 0:
		return ""
	case 1:
		return "batchscore show " + shellquote.Path(place) + " --status " + shellquote.Quote(failures[0])
	}
	return "batchscore show " + shellquote.Path(place) + " --status " + row.AnyFailure
}

// repairAdvice says how to repair an output that is damaged.
func repairAdvice(st store.Store) string {
	return "to repair it: batchscore repair " + shellquote.Path(st.String())
}

// What people are told of an output whose rows may not be what they should be.
const (
	// MixedDecodingNote explains Success.MixedDecoding.
	MixedDecodingNote = "Some rows come from a program with other decoders than that which began the job: they may differ from what it would have said."
	// DependentRowsNote explains Job.DependentRows.
	DependentRowsNote = "Rows may depend on the other images of their batch, or on chance: the job runs with --allow-dependent-rows."
)

// HalvedNote says that batches were halved to Success.LeastBatch, and what to do about it;
// empty if that is 0.
func HalvedNote(least int) string {
	if least == 0 {
		return ""
	}
	return fmt.Sprintf("The memory of a device was full, so its batches were halved, down to %d: it was slower than it can be. "+
		"Next time end other programs on it, or begin with --batch %d.", least, least)
}

// MixedGPUsNote says that rows come from devices of several kinds, as Success.GPUKinds
// lists them; empty if that is not so.
func MixedGPUsNote(kinds []string) string {
	if len(kinds) < 2 {
		return ""
	}
	return "Rows of this output come from different GPUs or from different software of theirs, so equal bytes are not promised: " +
		strings.Join(kinds, "; ") + "."
}
