// Package review finds out what the result of a job says: the figures, pictures and remarks of
// a report, of 'view' and of --fail-on. Collect reads an output once, in the order of its
// manifest and in bounded memory, and returns Findings:
//
//  1. Each row is counted by status and label, and its score and margin are added to
//     histograms (tally.go).
//  2. Each gallery keeps the few images that come first in its order (gallery.go).
//  3. With a truth, package evaluate compares the labels with it. With another output, its
//     rows are read side by side (against.go).
//  4. What is worth a look first becomes remarks (remarks.go).
//
// Findings are plain values that encode as JSON. Texts in them are as the output has them:
// whoever shows them escapes them.
package review

import (
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/embedding"
	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/review/timeline"
	"github.com/batchscore/batchscore/scorer/row"
)

// Version is that of the JSON form of Findings. It grows when a field changes its meaning.
const Version = 1

// Findings are what a report says of one output.
type Findings struct {
	Version int `json:"version"`
	// Output is the place of the output, and Job what its record says.
	Output string `json:"output"`
	Job    Job    `json:"job"`
	// Complete reports whether the job has a row of each image. Missing is how many have none
	// yet; -1 if the manifest does not exist yet.
	Complete bool `json:"complete"`
	Missing  int  `json:"missing,omitempty"`

	Images   int            `json:"images"` // rows
	Statuses map[string]int `json:"statuses"`
	// OK and Failed are how many images have an answer, and how many have none.
	OK     int `json:"ok"`
	Failed int `json:"failed"`
	// Bytes is the sum of the sizes of all images.
	Bytes int64 `json:"bytes"`

	// Labels are those of the answers, that of most images first, at most MostLabels.
	// OtherLabels and OtherImages count what is beyond.
	Labels      []Label `json:"labels,omitempty"`
	OtherLabels int     `json:"other_labels,omitempty"`
	OtherImages int     `json:"other_images,omitempty"`
	// UnusedLabels are among the best classes of some image and the best of none, as far as the
	// first answers say.
	UnusedLabels []string `json:"unused_labels,omitempty"`
	// Scores are those of the best classes. Margins are how far they are ahead of the
	// second-best; nil if rows do not have one.
	Scores  *Histogram `json:"scores,omitempty"`
	Margins *Histogram `json:"margins,omitempty"`
	// Sizes counts images by their bytes.
	Sizes []Bucket `json:"sizes,omitempty"`

	Galleries []Gallery `json:"galleries,omitempty"`
	// NoPictures is why there are no pictures; empty if there are.
	NoPictures string `json:"no_pictures,omitempty"`
	// Verified is the word of verify; empty if it was not asked.
	Verified *Verdict `json:"verified,omitempty"`

	// Truth compares the labels with what is known to be right; nil without a truth.
	Truth *Judgement `json:"truth,omitempty"`
	// Against compares the rows with those of another output; nil without one.
	Against *Against `json:"against,omitempty"`
	// Timeline is which rank did what when; nil if that could not be read, NoTimeline says why.
	Timeline   *timeline.Timeline `json:"timeline,omitempty"`
	NoTimeline string             `json:"no_timeline,omitempty"`
	// Vectors are near duplicates and outliers; nil without vectors of the images.
	Vectors *embedding.Result `json:"vectors,omitempty"`
	// Pixels are the sides of a fair sample of the images; nil if they were not read.
	Pixels *Pixels `json:"pixels,omitempty"`

	// Remarks are what to look at first, the most important first.
	Remarks []Remark `json:"remarks,omitempty"`
	// Figures are those that --fail-on judges, by name.
	Figures map[string]float64 `json:"figures"`
}

// Judgement is how the labels compare with what is known to be right.
type Judgement struct {
	// From says where the truth is from, and how names were matched.
	From string `json:"from"`
	// Unmatched is how many images the truth names of which the output has no row, and
	// Examples are some of them.
	Unmatched int      `json:"unmatched,omitempty"`
	Examples  []string `json:"examples,omitempty"`
	// OfModel are labels of the truth that were left out, because they are the model's and nobody
	// changed them.
	OfModel int `json:"of_model,omitempty"`
	// Misspelled are labels of the truth that no answer has, and that are spelled nearly as one
	// that answers have: those of most images, at most MostMisspelled.
	Misspelled []Misspelled `json:"misspelled,omitempty"`
	*evaluate.Result
}

// MostMisspelled is how many labels a Judgement has as misspelled at most.
const MostMisspelled = 10

// Misspelled is a label of the truth that may be spelled wrong.
type Misspelled struct {
	Label  string `json:"label"`
	Images int    `json:"images"` // that are judged and have it
	Near   string `json:"near"`   // the label of answers
}

// Against is how the rows compare with those of another output.
type Against struct {
	Output string `json:"output"` // the other one
	Model  string `json:"model"`
	// SameModel and SamePreprocessing report whether the records have the same digests.
	SameModel         bool `json:"same_model"`
	SamePreprocessing bool `json:"same_preprocessing"`
	*evaluate.Drift
}

// Pixels are the sides of images, in pixels, of a fair sample of the collection.
type Pixels struct {
	// Sides are the width and height of each image that could be read.
	Sides [][2]int `json:"sides"`
	// Unread is how many images of the sample could not be read.
	Unread int `json:"unread,omitempty"`
}

// Job is what made the rows.
type Job struct {
	ID        string `json:"id"`
	Images    string `json:"images"` // the place of the collection
	Model     string `json:"model"`
	Task      string `json:"task"`
	Precision string `json:"precision"`
	// Simulated reports whether no model computed the rows, which then say nothing about
	// images.
	Simulated bool `json:"simulated,omitempty"`
	// Activation says what scores are, such as probabilities.
	Activation string `json:"activation,omitempty"`
	TopK       int    `json:"topk"`
	// Classes is how many labels the model has; 0 if the output does not say.
	Classes int        `json:"classes,omitempty"`
	Format  row.Format `json:"format"`
	// Facts are what else the record and _SUCCESS say, in order: preprocessing, decoders,
	// limits, digests, versions.
	Facts []Fact `json:"facts,omitempty"`
	// After is the place of the output that the job continues; empty if it continues none.
	After string `json:"after,omitempty"`

	Started time.Time `json:"started"`
	// Ended is zero while the job is not complete.
	Ended           time.Time `json:"ended,omitzero"`
	MakespanSeconds float64   `json:"makespan_seconds,omitempty"`
	WorkedSeconds   float64   `json:"worked_seconds,omitempty"`
	ImagesPerSecond float64   `json:"images_per_second,omitempty"` // over the makespan
	Workers         int       `json:"workers,omitempty"`
	Devices         []string  `json:"devices,omitempty"`
	// Success is _SUCCESS; nil while the job is not complete.
	Success *output.Success `json:"-"`
}

// Fact is one line of the provenance.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Exact reports whether Value is a digest or an identifier, which is shown in full and
	// in a typeface of fixed width.
	Exact bool `json:"exact,omitempty"`
}

// Verdict is what verify found.
type Verdict struct {
	OK bool `json:"ok"`
	// Text is what it prints.
	Text string `json:"text"`
}

// Label is what is known of the images with one label.
type Label struct {
	Label  string `json:"label"`
	Images int    `json:"images"`
	// Share is Images of those with an answer, from 0 to 1.
	Share      float64    `json:"share"`
	MeanScore  float64    `json:"mean_score"`
	MeanMargin float64    `json:"mean_margin,omitempty"`
	Scores     Histogram  `json:"scores"`
	Margins    *Histogram `json:"margins,omitempty"`
}

// Bins is how many bins a Histogram has.
const Bins = 20

// Histogram counts values from 0 to 1 in bins of the same width; the last one holds 1. Scores of
// models whose output is no probability may be outside.
type Histogram struct {
	Counts [Bins]int `json:"counts"`
	Below  int       `json:"below,omitempty"` // values below 0
	Above  int       `json:"above,omitempty"` // values above 1
	// Least, Mean and Most are of all values.
	Least float64 `json:"least"`
	Mean  float64 `json:"mean"`
	Most  float64 `json:"most"`
	N     int     `json:"n"`
}

// Bucket counts the images whose size is at least From and below To bytes.
type Bucket struct {
	From   int64 `json:"from"`
	To     int64 `json:"to"`
	Images int   `json:"images"`
}

// Gallery is a few images, shown for one reason.
type Gallery struct {
	// ID is a short name of lower-case letters, digits, dashes and underscores, the same in all reports:
	// mistakes, flip-N, least-sure, threshold, surest, random, status-NAME, label-N, biggest,
	// outliers, duplicates.
	ID string `json:"id"`
	// Title names the gallery and Why says how its images were chosen.
	Title string `json:"title"`
	Why   string `json:"why"`
	// Of is how many images the choice was made from.
	Of       int       `json:"of"`
	Pictures []Picture `json:"pictures"`
}

// Picture is one image of a gallery.
type Picture struct {
	// Path is as the row has it, and Address where the image is, without secrets.
	Path    string `json:"path"`
	Address string `json:"address"`
	Size    int64  `json:"size"`
	Status  string `json:"status"`
	Error   string `json:"error,omitempty"`
	// Label and Score are the answer; Label is empty if there is none. Margin is -1 if it is
	// not known.
	Label  string  `json:"label,omitempty"`
	Score  float64 `json:"score"`
	Margin float64 `json:"margin"`
	// Classes are the best ones, highest score first.
	Classes []Class `json:"classes,omitempty"`
	// Truth are the labels that are right; nil if that is not known.
	Truth []string `json:"truth,omitempty"`
	// Other is what the other output says; nil if there is none, or no row of the image.
	Other *Other `json:"other,omitempty"`
	// Thumb is the number of its thumbnail, from 0, by which whoever writes a page gets the
	// JPEG; -1 if it has none, and NoThumb says why. One image has one number in all galleries.
	Thumb   int    `json:"thumb"`
	NoThumb string `json:"no_thumb,omitempty"`
	// Width and Height are those of the upright image in pixels; 0 if they are not known.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
}

// Class is one of the best classes of an image.
type Class struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// Other is the row that another output has of an image.
type Other struct {
	Status string  `json:"status"`
	Label  string  `json:"label,omitempty"`
	Score  float64 `json:"score"`
}

// Remark is one thing to look at.
type Remark struct {
	// Level is "bad" for what makes rows doubtful or missing, "look" for what deserves a look,
	// and "good" for what was checked and is well.
	Level string `json:"level"`
	Text  string `json:"text"`
	// Where is the ID of the section or gallery that says more; empty for none.
	Where string `json:"where,omitempty"`
	// Command is what to run next; empty for none.
	Command string `json:"command,omitempty"`
}
