// Package export chooses images of a result and writes them in the form of a tool that
// people label, look at or train with.
//
// A [Format] is one file of this package: it has a Writer, and one line in Formats.
// [Run] chooses images in two passes over the rows, so that memory does not grow with
// them, prepares what the format needs of each image, such as a copy of it, and hands
// the images to the Writer in manifest order. The same output and the same options give
// the same bytes.
package export

import (
	"context"
	"io"
	"slices"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

// Item is one image that is exported.
type Item struct {
	// Entry is the image. Entry.Path is its exact name in the collection.
	Entry shard.Entry
	// Row is its result. Only if Row.Status is row.StatusOK it has an answer.
	Row row.Row
	// Truth are the labels that people gave it, any of which is right; nil if it has none.
	Truth []string
	// Differs reports whether another output has another label or status for it.
	Differs bool
	// Width and Height are those of the picture as people see it, after its orientation
	// is applied. They are 0 unless the format needs Sizes or more.
	Width, Height int
	// File is the image's name below the folder of the export, as Namer chose it. It is
	// empty unless the format needs Files.
	File string
	// Body are the encoded bytes of the image. It is nil unless the format needs Bodies.
	Body []byte
}

// Label returns the label of the image and its score: those of the best box of a detector,
// and an empty label if it has none. It is false for an image that failed.
func (it *Item) Label() (label string, score float32, ok bool) {
	label, _, score, ok = it.class()
	return label, score, ok
}

// Has reports whether the image has one of the labels; that of any box of a detector counts.
func (it *Item) Has(labels []string) bool {
	if d, ok := it.Row.Answer.(*row.Detection); ok && it.Row.Status == row.StatusOK {
		return slices.ContainsFunc(d.Boxes, func(b row.Box) bool { return slices.Contains(labels, b.Label) })
	}
	label, _, ok := it.Label()
	return ok && slices.Contains(labels, label)
}

// class is Label with the number of the class.
func (it *Item) class() (label string, id int, score float32, ok bool) {
	if d, ok := it.Row.Answer.(*row.Detection); ok && it.Row.Status == row.StatusOK {
		if len(d.Boxes) == 0 {
			return "", -1, 0, true
		}
		best := &d.Boxes[0]
		return best.Label, best.ClassID, best.Score, true
	}
	a, ok := it.Row.Answer.(*row.Classification)
	if !ok || a == nil || it.Row.Status != row.StatusOK {
		return "", -1, 0, false
	}
	return a.Label, a.ClassID, a.Score, true
}

// Collection is what all images of an export have in common.
type Collection struct {
	// Job is the record of the job.
	Job *output.Job
	// Images is how many images are handed to Add at most: less if some cannot be read.
	Images int
	// Labels are the labels that these images have, and those of their truth, sorted by
	// their bytes.
	Labels []string
	// ClassIDs are the numbers of the model's classes that are called as Labels, the lowest
	// where several are; -1 for a label that no answer of the images lists.
	ClassIDs []int
	// Classes are Labels and all labels that the answers of the output list, sorted: what a
	// person may choose from.
	Classes []string
	// HasTruth reports whether there is a truth.
	HasTruth bool
	// Options are those of the export.
	Options Options

	ends map[string]ends // of the images, by the label that a model should learn
}

// Address returns the full address of an image, without a secret: an absolute path, or
// one that begins with az:// or https://.
func (c *Collection) Address(it *Item) string { return c.Job.Address(it.Entry.Path) }

// Folder is where the files of an export are created. It appears at its place as a
// whole, once End returns without an error.
type Folder interface {
	// Create creates a file. Its name may have slashes; folders are made. A name that
	// exists or that leads out of the folder is an error. The writer is buffered, and
	// must be closed before End returns.
	Create(name string) (io.WriteCloser, error)
}

// Writer writes one export.
type Writer interface {
	// Begin is called once, before the first image.
	Begin(c Collection, to Folder) error
	// Add adds an image. Images come in manifest order, one at a time. The item and what
	// it refers to are valid until Add returns; texts must be cloned to be kept.
	Add(ctx context.Context, it *Item) error
	// End is called once, after the last image.
	End() error
}

// Namer is a Writer of a format that needs Files.
type Namer interface {
	// ImageName returns the name of the image's file below the folder of the export, with
	// slashes. No two images of an export may have the same. Names from outside are made
	// safe with Component or RelativeName. It is called before Add, by several goroutines.
	ImageName(it *Item) (string, error)
}

// Needs is what a format needs of each image besides its row.
type Needs int

// What formats need. Each includes those before it.
const (
	Rows   Needs = iota // nothing else
	Sizes               // width and height, from the header of the image
	Files               // a copy of the image in the folder of the export, or a link to it
	Bodies              // the encoded bytes in memory, and no copy in the folder
)

// Format is a form in which results are exported.
type Format struct {
	// Name is how the command line spells it.
	Name string
	// What says in a few words what it is for.
	What string
	// File is the name of the file in the folder that a user gives to the tool, or "" if
	// that is the folder.
	File string
	// OneFile reports whether the export is one file and no folder. Then the Writer creates
	// exactly one file, named File.
	OneFile bool
	// Needs is what it needs of each image.
	Needs Needs
	// Failed reports whether images without an answer can be exported.
	Failed bool
	// Splits reports whether it tells images for validation apart; see Options.Validation.
	Splits bool
	// EachSplit reports whether each label must have images for training and for validation.
	EachSplit bool
	// New returns a Writer.
	New func() Writer
	// Boxes returns a Writer for the answers of a detector; nil if the format has no place
	// for them.
	Boxes func() Writer
}
