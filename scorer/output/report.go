package output

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/row"
)

// Kind says what is wrong with an output.
type Kind string

// The kinds of problems.
const (
	Missing   Kind = "missing"   // a part, an image's row or a record is not there
	Doubled   Kind = "doubled"   // an image has more than one row
	Surplus   Kind = "surplus"   // a part or row that the manifest knows nothing of
	Misplaced Kind = "misplaced" // a row in another part or place than it belongs
	Altered   Kind = "altered"   // other content than digests or manifest say
	Damaged   Kind = "damaged"   // cannot be read as what it should be
)

// Problem is one thing that is wrong.
type Problem struct {
	Kind   Kind   `json:"kind"`
	Chunk  int    `json:"chunk"` // -1 if it is not of a chunk
	Object string `json:"object"`
	// Path is that of the image, if it is one image's problem.
	Path   string `json:"path,omitempty"`
	Detail string `json:"detail"`
}

// maxProblems is how many problems a report spells out.
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
	// MixedDecoding is what _SUCCESS says.
	MixedDecoding bool `json:"mixed_decoding,omitempty"`
	Images        int  `json:"images"` // in the manifest
	Chunks        int  `json:"chunks"`
	Parts         int  `json:"parts"` // read
	Rows          int  `json:"rows"`
	// Missing counts chunks without a part, MissingImages images without a row.
	Missing       int            `json:"missing_parts"`
	MissingImages int            `json:"missing_images"`
	Statuses      map[string]int `json:"statuses"`
	// Complete reports whether _SUCCESS is there, and no retry is being published.
	Complete bool `json:"complete"`
	// Publishing reports whether the rows of a retry are being put into the parts, or
	// that this was begun. Unfinished is the number of a retry that was begun and
	// whose rows are not in the parts, 0 if there is none.
	Publishing bool `json:"publishing,omitempty"`
	// Retries is how many retries the rows have been through.
	Retries    int          `json:"retries,omitempty"`
	Unfinished int          `json:"unfinished_retry,omitempty"`
	Found      map[Kind]int `json:"found"` // problems by kind
	// Problems holds the first thousand of them.
	Problems []Problem `json:"problems"`
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

// OK reports whether nothing is wrong: every image has its one row, and all digests
// agree. An unfinished output of which nothing is missing is OK.
func (r *Report) OK() bool { return len(r.Found) == 0 }

// Err is nil if the report is OK, or else wraps ErrMismatch.
func (r *Report) Err() error {
	if r.OK() {
		return nil
	}
	return fmt.Errorf("%s: the content %w: %s%s", r.Output, ErrMismatch, r.found(), r.advice())
}

// advice is what to do about what is wrong, empty where nothing helps.
func (r *Report) advice() string {
	switch {
	case r.Chunks == 0:
		return ""
	case !r.Complete && len(r.Found) == 1 && r.Found[Missing] > 0:
		return "; run the job again to make it"
	}
	return "; to mend it: batchscore repair " + shellquote.Quote(r.Output)
}

func (r *Report) found() string {
	var counts []string
	for _, k := range slices.Sorted(maps.Keys(r.Found)) {
		counts = append(counts, fmt.Sprintf("%d %s", r.Found[k], k))
	}
	return strings.Join(counts, ", ")
}

// String is the report for people, a line per problem.
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
	fmt.Fprintf(&b, "%s: %s\n", r.Output, state)
	fmt.Fprintf(&b, "%d images in %d chunks; %d parts with %d rows", r.Images, r.Chunks, r.Parts, r.Rows)
	for i, s := range slices.Sorted(maps.Keys(r.Statuses)) {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%d %s", sep, r.Statuses[s], s)
	}
	b.WriteByte('\n')
	if r.DependentRows {
		b.WriteString(DependentRowsNote + "\n")
	}
	if r.MixedDecoding {
		b.WriteString(MixedDecodingNote + "\n")
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s: %s", p.Kind, p.Object)
		if p.Path != "" {
			fmt.Fprintf(&b, ", %q", p.Path)
		}
		fmt.Fprintf(&b, ": %s\n", p.Detail)
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
	if r.OK() {
		b.WriteString("OK: rows equal manifest\n")
	} else {
		fmt.Fprintf(&b, "NOT OK: %s\n", r.found())
	}
	return b.String()
}
