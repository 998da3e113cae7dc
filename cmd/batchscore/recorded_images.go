package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// recordedImages are the flags of commands that read the images of an output again: where these
// are, and whether links are followed out of that place.
type recordedImages struct {
	place  string // of --images; empty is the one that the job records
	follow bool
}

// register adds the flags. images is the help of --images.
func (f *recordedImages) register(cmd *cobra.Command, images string) {
	cmd.Flags().StringVar(&f.place, "images", "", images)
	cmd.Flags().BoolVar(&f.follow, "follow-links", false, "read also what links lead to that leave the place of the images")
}

// jobImages are the images of a job, opened to be looked at.
type jobImages struct {
	store store.Store
	// copies reports whether the place is another one than that of the job. Images there have
	// other ETags.
	copies            bool
	decode            preprocess.Options
	ignoreOrientation bool
}

// open opens the images of the job that the output out records. Whoever can write to a collection
// can put links in it, and what is made of the images is handed on: a link that leads out of the
// place is an error of its image, unless the user says otherwise.
func (f *recordedImages) open(places placeFlags, job *output.Job, out string) (jobImages, error) {
	place, err := places.imagesPlace(f.place, job, out)
	if err != nil {
		return jobImages{}, err
	}
	places.within = !f.follow
	st, err := places.open("--images", place)
	if err != nil {
		return jobImages{}, fmt.Errorf("%w; if they are somewhere else now, name the place with --images", err)
	}
	opened := jobImages{store: st, copies: f.place != "", ignoreOrientation: job.Preprocess != nil && job.Preprocess.IgnoreOrientation}
	opened.decode.MaxMemory = min(cmp.Or(job.MaxMemory, mostOfPicture), mostOfPicture)
	opened.decode.MaxPixels, opened.decode.MaxBytes = job.Bounds()
	return opened, nil
}

// mostOfPicture is how many bytes one image may take while a picture is made of it.
const mostOfPicture = 1 << 30

// imagesPlace returns the place of the images of a job: the one that the user gave, or else the one
// that the output out records, if a record may name it.
func (f *placeFlags) imagesPlace(given string, job *output.Job, out string) (string, error) {
	if given != "" {
		return given, nil
	}
	return job.ImagesPlace(), f.checkRecorded("the images of the job", job.ImagesPlace(), out)
}

// versions makes entries name the versions of images that are read: those that were scored, or any
// where the images are copies.
func (i *jobImages) versions(entries ...[]shard.Entry) {
	if !i.copies {
		return
	}
	for _, all := range entries {
		for k := range all {
			all[k].ETag = ""
		}
	}
}
