package output

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models"
	hardware "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Job is the record that makes a folder the output of one job: everything that the
// content of the parts depends on. The first worker to create it decides.
type Job struct {
	Version int `json:"version"`
	// ID distinguishes two jobs that are otherwise identical. Join fills it.
	ID string `json:"id"`
	// Images is the place of the images, without secrets.
	Images string `json:"images"`
	// Files says which of its objects are taken for images.
	Files listing.Files `json:"files,omitempty"`
	Max   int           `json:"max"` // 0 is all
	// Model is the name of the model, for people; workers compare ModelDigest.
	Model            string `json:"model"`
	ModelDigest      string `json:"model_digest"`
	PreprocessDigest string `json:"preprocess_digest"`
	LabelsDigest     string `json:"labels_digest"`
	// LabelsFile is the base name of the file that the labels were read from, for
	// people; empty if they are the model's own. Preprocess is what PreprocessDigest is
	// the digest of, so that people can be told what differs; nil in older records.
	LabelsFile string           `json:"labels_file,omitempty"`
	Preprocess *preprocess.Spec `json:"preprocess,omitempty"`
	// Task is the name of the row.Task; see row.RecordedName. Settings are those of the
	// task, and Width is models.Contract.AnswerWidth; both only where Task says something.
	Task     string           `json:"task,omitempty"`
	Settings *models.Settings `json:"settings,omitempty"`
	Width    int              `json:"width,omitempty"`
	// Heads are the answers of a row that has several. Task, Settings, Width, Activation and
	// TopK are then those of the first, for programs that read no more.
	Heads []JobHead `json:"heads,omitempty"`
	// Models are the models of a job with several.
	Models []JobModel `json:"models,omitempty"`
	// Activation says what the model's output holds: a models.Activation.
	Activation string `json:"activation,omitempty"`
	// OutputName names the output that is used, of a model with several.
	OutputName string `json:"output_name,omitempty"`
	// Outputs names the outputs that the answer is made of, in the order of its numbers, if
	// it is not made of one row of classes. OutputName is then empty, and so is Outputs of a
	// job with Heads, each of which has its own.
	Outputs []string `json:"outputs,omitempty"`
	// JPEGDecoder names the decoder, because decoders differ in the last bit.
	JPEGDecoder string `json:"jpeg_decoder"`
	// Precision of the computation: that of the model, or TF32, or row.Simulated if
	// nothing is computed.
	Precision string `json:"precision"`
	// Int8 is ExactInt8 if sums of 8-bit products never saturate. If it is empty, as
	// in records of the first releases, they may saturate on processors without VNNI,
	// and whoever continues the job computes in the same way.
	Int8 string `json:"int8,omitempty"`
	// Device is the device of the worker that created the record, for people.
	Device string `json:"device"`
	// GPU is that of the same worker, so that others can tell that theirs is of another
	// kind; nil if it computes on none, and in older records.
	GPU *hardware.GPUFacts `json:"gpu,omitempty"`
	// ONNXRuntime is the release that the same worker has, for the same purpose; empty if
	// nothing is computed, and in older records.
	ONNXRuntime string `json:"onnxruntime,omitempty"`
	// Batch is the number of images per batch. A worker that passes 0 uses the
	// recorded number, or records AutoBatch if it is the first.
	Batch     int `json:"batch"`
	AutoBatch int `json:"-"`
	// Chunk is the number of images per chunk. A worker that passes 0 uses the
	// recorded number. If it is the first, it records shard.DefaultChunk of the
	// number of images that it Listed, so that a release with another rule does not
	// change the chunks of a job. A record of 0, from when the number of images was
	// not known, means shard.UnrecordedChunk of the manifest.
	Chunk  int `json:"chunk"`
	Listed int `json:"-"`
	// MaxPixels and MaxBytes are the limits of an image; beyond them it is
	// too_large. A worker that passes 0 uses the recorded numbers, or records
	// AutoMaxPixels and AutoMaxBytes if it is the first. Bounds returns what a record
	// without them means.
	MaxPixels     int64 `json:"max_pixels,omitempty"`
	MaxBytes      int64 `json:"max_bytes,omitempty"`
	AutoMaxPixels int64 `json:"-"`
	AutoMaxBytes  int64 `json:"-"`
	// MaxMemory is how many bytes an image may take while it is decoded, its encoded
	// ones included; beyond them it is too_large. A worker that passes 0 uses the recorded
	// number, or records AutoMaxMemory, that of its machine, if it is the first. In
	// records of older releases it is 0, which means no limit.
	MaxMemory     int64 `json:"max_image_memory,omitempty"`
	AutoMaxMemory int64 `json:"-"`
	// Decoding is preprocess.Decoding of the program that created the record; 0 in
	// older records, which do not have it.
	Decoding int `json:"decoding,omitempty"`

	// DependentRows reports whether the job may score a model whose row for an image
	// depends on the other images of its batch, or on chance.
	DependentRows bool `json:"dependent_rows,omitempty"`

	// TopK is at most the number of classes. AskedTopK is what was asked for, where
	// that may be more; 0 is TopK.
	TopK      int        `json:"topk"`
	AskedTopK int        `json:"-"`
	Format    row.Format `json:"format"`
	// RowForm is how rows are written. Join fills it: the newest form. Jobs that older
	// releases began have an older one, and keep it; see Older. A retry has that of
	// its job.
	RowForm row.Form `json:"row_form,omitempty"`
	// ClaimForm is the version of how claims are named: 0 for jobs begun before
	// there was one, and for their retries, 1 for claim.Named. Join fills it, except
	// in a retry, which has the form of the job. A program that does not know this
	// field treats such a record as damaged and leaves the job alone, so it
	// cannot miss the claims of others.
	ClaimForm int `json:"claim_form,omitempty"`
	// PartForm is the version of how parts are named; see PartNames. It is 0 for jobs
	// begun before there was one, whose parts are all in the output folder, and for
	// their retries. Join fills it, except in a retry, which has the form of the job.
	PartForm int `json:"part_form,omitempty"`
	// MaxErrors is the share of failed images up to which the job is successful if a
	// command does not say: DefaultMaxErrors. It is empty in jobs begun before there was
	// such a default. Join fills it, except in a retry.
	MaxErrors string `json:"max_errors,omitempty"`
	// After is set in the record of a job that continues another output. Records of jobs
	// that are Older do not have it.
	After *After `json:"after,omitempty"`
	// Retry is set in the record of a retry.
	Retry   *Retry    `json:"retry,omitempty"`
	Created time.Time `json:"created"` // by the creator's own clock, for people
	// Checksum is "sha256:" and the digest of the record without it.
	Checksum string `json:"checksum"`
}

// DefaultMaxErrors is the MaxErrors of new jobs.
const DefaultMaxErrors = "10%"

// ExactInt8 is the value of Job.Int8 in new records.
const ExactInt8 = "exact"

func (j *Job) seal() (*int, *string) { return &j.Version, &j.Checksum }

// claimForm and partForm are the ClaimForm and PartForm of new jobs.
const (
	claimForm = 1
	partForm  = 1
)

// NewRetry returns what a retry of j shares with it: how rows, claims and parts are
// written, and so which fields its records have. want is what a new job would have.
func (j *Job) NewRetry(want Job, r Retry) Job {
	want.Max, want.Files, want.Int8 = j.Max, j.Files, j.Int8
	want.RowForm, want.ClaimForm, want.PartForm = max(j.RowForm, row.Typed), j.ClaimForm, j.PartForm
	r.Of = j.ID
	want.Retry = &r
	return want
}

// Schema returns what the job's rows say and how they are written. It panics if
// there is no such Task; a record that was read names one that exists.
func (j *Job) Schema() row.Schema {
	task, err := j.task()
	if err != nil {
		panic(err)
	}
	return row.Schema{Task: task, Format: j.Format, Form: j.RowForm,
		Activation: models.Activation(j.Activation), TopK: j.TopK, Simulated: j.Simulated()}
}

// task returns what the answers are.
func (j *Job) task() (row.Task, error) {
	if len(j.Heads) > 0 {
		return j.severalHeads()
	}
	var settings models.Settings
	if j.Settings != nil {
		settings = *j.Settings
	}
	return row.New(j.Task, settings, j.Width)
}

// Simulated reports whether no model computes the rows.
func (j *Job) Simulated() bool { return j.Precision == row.Simulated }

// Chunks returns how a manifest of that many entries is divided into chunks.
func (j *Job) Chunks(entries int) shard.Chunks {
	size := j.Chunk
	if size == 0 {
		size = shard.UnrecordedChunk(entries, j.Batch)
	}
	return shard.Chunks{Entries: entries, Size: size}
}

// ClaimNames returns how the job's claims are named. The number of chunks matters
// only for jobs begun before claims had names.
func (j *Job) ClaimNames(chunks int) claim.Names {
	if j.ClaimForm == 0 {
		return claim.Numbered(chunks)
	}
	return claim.Named
}

// Address returns the full address of the image called name: an absolute path, or what
// the place of the images begins with. It holds no secret.
func (j *Job) Address(name string) string {
	return strings.TrimSuffix(j.ImagesPlace(), "/") + "/" + name
}

// ImagesPlace returns the place of the images as it is opened.
func (j *Job) ImagesPlace() string {
	if quoted, err := strconv.Unquote(j.Images); err == nil && strings.HasPrefix(j.Images, `"`) {
		return quoted // Join quotes a place that is not UTF-8; others begin with no quote
	}
	return j.Images
}

// Bounds returns the most pixels and encoded bytes of an image that is decoded.
// Records from before the limits could be chosen do not have them.
func (j *Job) Bounds() (pixels, bytes int64) {
	return cmp.Or(j.MaxPixels, 89_478_485), cmp.Or(j.MaxBytes, 256<<20)
}

// Join makes the caller a member of the job that writes to st: it creates the
// record, or compares want with the existing one. It returns the record, and true
// if this call created it. Of any number of callers exactly one creates it.
//
// ErrOtherJob means that images or options differ, each of which the error names,
// or that the folder has output but no record. ErrMismatch means that only the
// model, its preprocessing, labels or precision differ, where a simulated device
// counts as another model, or that the record is damaged. In both cases nothing was
// written.
func Join(ctx context.Context, st store.Store, want Job) (Job, bool, error) {
	want.Images = recordedPlace(want.Images)
	have, err := ReadJob(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		if err := refuseOutput(ctx, st); err == nil {
			return createJob(ctx, st, want)
		} else if !errors.Is(err, ErrOtherJob) {
			return Job{}, false, err
		} else if have, err2 := ReadJob(ctx, st); errors.Is(err2, store.ErrNotExist) {
			return Job{}, false, err
		} else if err2 != nil {
			return Job{}, false, err2
		} else { // created since the first read
			return have, false, compare(st, have, want)
		}
	}
	if err != nil {
		return Job{}, false, err
	}
	return have, false, compare(st, have, want)
}

// ReadJob returns the record. The error is store.ErrNotExist if there is none, and
// ErrMismatch if it is damaged.
func ReadJob(ctx context.Context, st store.Store) (Job, error) {
	job, _, err := readJob(ctx, st)
	return job, err
}

// readJob is ReadJob. It also returns what the store says of the record.
func readJob(ctx context.Context, st store.Store) (Job, store.Object, error) {
	body, o, err := readWhole(ctx, st, jobName, recordMost)
	if errors.Is(err, ErrMismatch) {
		return Job{}, o, recordError(jobName, st.String(), err, jobAdvice)
	}
	if err != nil {
		return Job{}, o, err
	}
	job, err := parseJob(st, body)
	return job, o, err
}

// jobAdvice is what to do about a damaged job record.
const jobAdvice = "choose another folder, or remove this one to begin again"

// mostWidth is more than the numbers and classes of any model.
const mostWidth = 1 << 20

func parseJob(st store.Store, body []byte) (Job, error) {
	var j Job
	if err := decodeRecord(body, &j); err != nil {
		return Job{}, recordError(jobName, st.String(), err, jobAdvice)
	}
	if _, err := row.ParseFormat(string(j.Format)); err != nil || j.Chunk < 0 || j.Batch < 0 || j.Max < 0 ||
		j.MaxPixels < 0 || j.MaxBytes < 0 || j.MaxMemory < 0 {
		return Job{}, fmt.Errorf("%s of %s: %w: format %q, chunk %d, batch %d, max %d, max-pixels %d, max-bytes %d, max-image-memory %d",
			jobName, st, ErrMismatch, j.Format, j.Chunk, j.Batch, j.Max, j.MaxPixels, j.MaxBytes, j.MaxMemory)
	}
	if err := errors.Join(checkWidth(j.Settings, j.Width), j.checkHeads()); err != nil {
		return Job{}, fmt.Errorf("%s of %s: %w: %w", jobName, st, ErrMismatch, err)
	}
	if j.RowForm < 0 || j.RowForm > row.Newest {
		return Job{}, fmt.Errorf("%s of %s: %w: its rows have form %d, this program knows forms up to %d; use the program that began the job, or a newer one",
			jobName, st, ErrMismatch, j.RowForm, row.Newest)
	}
	if j.ClaimForm < 0 || j.ClaimForm > claimForm {
		return Job{}, fmt.Errorf("%s of %s: %w: its claims have form %d, this program knows forms up to %d; use the program that began the job, or a newer one",
			jobName, st, ErrMismatch, j.ClaimForm, claimForm)
	}
	if j.PartForm < 0 || j.PartForm > partForm {
		return Job{}, fmt.Errorf("%s of %s: %w: its parts have form %d, this program knows forms up to %d; use the program that began the job, or a newer one",
			jobName, st, ErrMismatch, j.PartForm, partForm)
	}
	if _, err := j.task(); err != nil {
		return Job{}, fmt.Errorf("%s of %s: %w: %w; use the program that began the job, or a newer one", jobName, st, ErrMismatch, err)
	}
	return j, nil
}

// refuseOutput returns ErrOtherJob if the folder has output in it.
func refuseOutput(ctx context.Context, st store.Store) error {
	for _, prefix := range []string{partPrefix, SuccessName, Folder} {
		err := st.List(ctx, prefix, func(o store.Object) error {
			return fmt.Errorf("%w: %s has %s but no %s; choose another folder", ErrOtherJob, st, o.Name, jobName)
		})
		if errors.Is(err, store.ErrNotExist) {
			return nil // there is no folder yet
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func createJob(ctx context.Context, st store.Store, want Job) (Job, bool, error) {
	first := want
	first.Batch = cmp.Or(want.Batch, want.AutoBatch)
	first.MaxPixels = cmp.Or(want.MaxPixels, want.AutoMaxPixels)
	first.MaxBytes = cmp.Or(want.MaxBytes, want.AutoMaxBytes)
	first.MaxMemory = cmp.Or(want.MaxMemory, want.AutoMaxMemory)
	if want.Chunk == 0 && want.Listed > 0 {
		first.Chunk = shard.DefaultChunk(want.Listed, first.Batch)
	}
	if want.Retry == nil {
		first.RowForm = row.Newest
		first.ClaimForm, first.PartForm, first.MaxErrors = claimForm, partForm, DefaultMaxErrors
	}
	if first.Older() {
		first.forOlder()
	}
	first.ID = strings.ToLower(rand.Text())
	first.Created = time.Now().UTC().Round(0)
	body, err := encodeRecord(&first)
	if err != nil {
		return Job{}, false, fmt.Errorf("job record: %w", err)
	}
	stored, _, how, err := createOrRead(ctx, st, jobName, body)
	if err != nil {
		return Job{}, false, fmt.Errorf("create the job record: %w", err)
	}
	have, err := parseJob(st, stored)
	if err != nil || how == created {
		return have, how == created, err
	}
	return have, false, compare(st, have, want)
}

// JobHead is one of several answers in the rows of a job; its fields mean what those of Job
// of the same names mean.
type JobHead struct {
	Name       string           `json:"name"`
	Task       string           `json:"task,omitempty"`
	Settings   *models.Settings `json:"settings,omitempty"`
	Width      int              `json:"width,omitempty"`
	Activation string           `json:"activation,omitempty"`
	// Outputs names the outputs that the answer is made of, where the graph has several.
	Outputs []string `json:"outputs,omitempty"`
	TopK    int      `json:"topk,omitempty"`
}

// JobModel is one of several models of a job, for people; workers compare Job.ModelDigest,
// which is that of all.
type JobModel struct {
	Name      string `json:"name"` // that begins the names of its columns
	Model     string `json:"model"`
	Digest    string `json:"digest"`
	Precision string `json:"precision,omitempty"`
}

// mostHeads bounds the record.
const mostHeads = 64

// SetAnswers records what the answers of a model with that contract are: the task, its
// settings and width, and the heads if there are several. asked is how many of the best
// classes an answer is to list.
func (j *Job) SetAnswers(c *models.Contract, task row.Task, asked int) {
	j.Heads, j.Outputs = nil, nil
	list := row.HeadsOf(c, asked)
	for i, h := range list {
		one := JobHead{Name: h.Name, Task: h.Task, Width: h.Width, Activation: string(h.Activation), TopK: h.TopK}
		if h.Task == models.Classify {
			one.Task = "" // as in the record of a job with one answer
		}
		if one.Task != "" {
			one.Settings = &list[i].Settings
		}
		for _, o := range c.Head(i).OutputsUsed() {
			if o.Name != "" {
				one.Outputs = append(one.Outputs, o.Name)
			}
		}
		j.Heads = append(j.Heads, one)
	}
	if list != nil {
		j.Task, j.Settings, j.Width = j.Heads[0].Task, j.Heads[0].Settings, j.Heads[0].Width
		return
	}
	if j.Task = row.RecordedName(task); j.Task != "" {
		j.Settings, j.Width = &c.Settings, c.AnswerWidth()
	} else if c.Settings.TileBox {
		j.Settings = &c.Settings
	}
	for _, o := range c.Outputs {
		j.Outputs = append(j.Outputs, o.Name)
	}
}

// severalHeads returns what the answers of several heads are.
func (j *Job) severalHeads() (row.Task, error) {
	var list []row.Head
	for _, h := range j.Heads {
		one := row.Head{Name: h.Name, Task: h.Task, Width: h.Width, Activation: models.Activation(h.Activation), TopK: h.TopK}
		if h.Settings != nil {
			one.Settings = *h.Settings
		}
		list = append(list, one)
	}
	return row.Several(list)
}

// HeadNames returns the names of the answers of a row that has several; nil if it has one.
func (j *Job) HeadNames() []string {
	var names []string
	for _, h := range j.Heads {
		names = append(names, h.Name)
	}
	return names
}

// keepHead makes the record that of a job with one of its answers, and returns which.
func (j *Job) keepHead(st store.Store, name string) (int, error) {
	i := slices.IndexFunc(j.Heads, func(h JobHead) bool { return h.Name == name })
	switch {
	case len(j.Heads) == 0:
		return i, fmt.Errorf("%w: rows of %s have one answer, which has no name: leave out --head", ErrNoHead, st)
	case i < 0:
		return i, fmt.Errorf("%w: rows of %s have no answer %q; they have %s", ErrNoHead, st, name, strings.Join(j.HeadNames(), ", "))
	}
	h := j.Heads[i]
	j.Task, j.Settings, j.Width, j.Activation, j.TopK, j.Heads = h.Task, h.Settings, h.Width, h.Activation, h.TopK, nil
	j.OutputName = strings.Join(h.Outputs, ", ")
	return i, nil
}

// ErrNoHead means that rows have no answer of a name.
var ErrNoHead = errors.New("no such answer")

// checkHeads returns an error if the record has heads that no job has.
func (j *Job) checkHeads() error {
	if len(j.Heads) > mostHeads || len(j.Models) > mostHeads {
		return fmt.Errorf("%d heads and %d models", len(j.Heads), len(j.Models))
	}
	for _, h := range j.Heads {
		if err := checkWidth(h.Settings, h.Width); err != nil || h.TopK < 0 {
			return fmt.Errorf("head %q: width %d, top-k %d", h.Name, h.Width, h.TopK)
		}
	}
	return nil
}

// checkWidth returns an error if no task has such settings and that width.
func checkWidth(s *models.Settings, width int) error {
	if width < 0 || width > mostWidth || s != nil && (len(s.Columns) > models.MaxColumns || s.MaxBoxes > mostWidth) {
		return fmt.Errorf("answers of %d numbers", width)
	}
	return nil
}
