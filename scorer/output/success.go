package output

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Success is the content of _SUCCESS: what the job did, and digests that prove it.
type Success struct {
	Version int    `json:"version"`
	Job     string `json:"job"`
	Images  int    `json:"images"`
	// ImagesPlace is Job.Images: where the images are, without secrets. Records of jobs
	// that are Older do not have it.
	ImagesPlace string `json:"images_place,omitempty"`
	// Simulated reports whether no model computed the rows. The times are then those of
	// a simulated device.
	Simulated bool           `json:"simulated,omitempty"`
	Statuses  map[string]int `json:"statuses"` // images by status
	// Failed is the number of images with any status but ok, of an increment those of the own
	// rows; See is the command that shows them, of an increment those of the whole collection.
	Failed int    `json:"failed,omitempty"`
	See    string `json:"see,omitempty"`
	// Answers says what the labels are; nil in records of jobs that are Older, and if the
	// task has neither labels nor a certainty.
	Answers *row.Summary `json:"answers,omitempty"`
	// Task is Job.Task, where rows have one answer only.
	Task      string     `json:"task,omitempty"`
	Chunks    int        `json:"chunks"`
	ChunkSize int        `json:"chunk_size"`
	Format    row.Format `json:"format"`
	// PartForm is Job.PartForm.
	PartForm int     `json:"part_form,omitempty"`
	Digests  Digests `json:"digests"`
	// Activation is Job.Activation.
	Activation string `json:"activation,omitempty"`
	// JPEGDecoder is Job.JPEGDecoder: libjpeg-turbo decodes a few JPEGs that Go's
	// decoder does not. It is empty in older records.
	JPEGDecoder string `json:"jpeg_decoder,omitempty"`
	// MixedDecoding reports whether a program with another Job.Decoding than that of
	// the job made some of the rows.
	MixedDecoding bool `json:"mixed_decoding,omitempty"`
	// DependentRows reports whether rows were allowed to depend on the other images of
	// a batch, or on chance.
	DependentRows bool `json:"dependent_rows,omitempty"`
	// Started and Ended are by the store's clock: the start of the job or of its first
	// worker, and the last part or the end of the last worker. The makespan is the
	// time from one to the other, including the pauses between runs.
	Started         time.Time `json:"started"`
	Ended           time.Time `json:"ended"`
	MakespanSeconds float64   `json:"makespan_seconds"`
	ImagesPerSecond float64   `json:"images_per_second"` // over the makespan
	// WorkedSeconds is for how long at least one worker was at work, without the
	// pauses between runs. It is 0 if that is not known to within a tenth, because
	// workers were killed, and in records of jobs that are Older.
	WorkedSeconds         float64 `json:"worked_seconds,omitempty"`
	WorkedImagesPerSecond float64 `json:"worked_images_per_second,omitempty"`
	// ScoredTwice is the number of images that a worker scored after another had
	// committed them, as far as workers had ended when the record was written. Records of
	// jobs that are Older do not have it.
	ScoredTwice int `json:"scored_twice,omitempty"`
	// MaxErrors is how many images might fail by the command that completed the job, if
	// it said so. Records of jobs that are Older do not have it.
	MaxErrors string `json:"max_errors,omitempty"`
	// Hours are the hours that were worked, retries included; nil if they are not known, and in
	// records of jobs that are Older. Cost is what they cost; nil also if no price is known.
	Hours *cost.Hours `json:"hours,omitempty"`
	Cost  *cost.Cost  `json:"cost,omitempty"`
	// Retry is what the last retry did, nil before the first.
	Retry *RetryOutcome `json:"retry,omitempty"`
	// FailedDigest is the digest of the file of the failed images of the collection; empty
	// in older records, whose outputs do not have it.
	FailedDigest string `json:"failed_digest,omitempty"`
	// Increment is about the whole collection of an increment; nil in other outputs.
	Increment *Increment `json:"increment,omitempty"`
	// Drift is nil if the images were not listed again.
	Drift *Drift `json:"drift,omitempty"`
	// PassedOver counts what a listing did not take for an image.
	PassedOver listing.PassedOver `json:"passed_over,omitempty"`
	// Workers is the number of workers that stored a summary, Devices are theirs, and
	// Storage sums their calls of stores on a network, nil if there were none.
	Workers int      `json:"workers"`
	Devices []string `json:"devices"`
	// GPUKinds are the kinds of device that made the rows, if any of them is a GPU: name,
	// compute capability, cuDNN and driver. GPU is what the GPUs reported. Records of jobs
	// that are Older have neither.
	GPUKinds []string  `json:"gpu_kinds,omitempty"`
	GPU      *GPUTotal `json:"gpu,omitempty"`
	// LeastBatch is the smallest batch to which a worker had to halve its own, for want of
	// memory on its device; 0 if none had to, and in records of jobs that are Older.
	LeastBatch int               `json:"least_batch,omitempty"`
	Storage    *Storage          `json:"storage,omitempty"`
	Versions   map[string]string `json:"versions"`
	Checksum   string            `json:"checksum"`

	// Mine reports whether this process is the one that says what came of the job: the
	// one that wrote the record or, if the job was complete before, rank 0.
	Mine bool `json:"-"`
}

// RetryOutcome is what a retry did.
type RetryOutcome struct {
	Generation int            `json:"generation"` // its number, from 1
	Statuses   row.Selection  `json:"statuses"`   // of the images that were scored again
	Images     int            `json:"images"`
	Now        map[string]int `json:"now"` // images by status, of those
	// Ended is when the last of them was scored, MakespanSeconds how long the retry took.
	Ended           time.Time `json:"ended"`
	MakespanSeconds float64   `json:"makespan_seconds"`
}

// Digests are "sha256:" and hex. That of the manifest is taken with the last entry of
// each image that was scored again.
type Digests struct {
	Manifest   string `json:"manifest"`
	Model      string `json:"model"`
	Preprocess string `json:"preprocess"`
	Labels     string `json:"labels"`
	// Parts is the digest of the file of the parts' digests.
	Parts string `json:"parts"`
}

// partNames returns how the parts are named.
func (s *Success) partNames() PartNames { return partNames(s.PartForm, s.Chunks, s.Format) }

func (s *Success) seal() (*int, *string) { return &s.Version, &s.Checksum }

// ReadSuccess returns the content of _SUCCESS. The error is store.ErrNotExist while
// the job is not complete, and ErrMismatch if the file is damaged.
func ReadSuccess(ctx context.Context, st store.Store) (Success, error) {
	body, _, err := readWhole(ctx, st, SuccessName, recordMost)
	if errors.Is(err, ErrMismatch) {
		return Success{}, &damagedRecord{SuccessName, st.String(), err}
	}
	if err != nil {
		return Success{}, err
	}
	return parseSuccess(st, body)
}

func parseSuccess(st store.Store, body []byte) (Success, error) {
	var s Success
	err := decodeRecord(body, &s)
	if errors.Is(err, errNewer) {
		return Success{}, recordError(SuccessName, st.String(), err, "")
	}
	if err != nil {
		return Success{}, &damagedRecord{SuccessName, st.String(), err}
	}
	if err := s.check(); err != nil {
		return Success{}, &damagedRecord{SuccessName, st.String(), fmt.Errorf("%w: %w", ErrMismatch, err)}
	}
	s.Failed = row.Failed(s.Statuses) // which older records do not have
	return s, nil
}

// check returns an error if the record contradicts itself where memory, loops or names of
// files follow it.
func (s *Success) check() error {
	if _, err := row.ParseFormat(string(s.Format)); err != nil {
		return err
	}
	if s.ChunkSize < 1 || (shard.Chunks{Entries: s.Images, Size: s.ChunkSize}).Count() != s.Chunks {
		return fmt.Errorf("it says %d images in %d chunks of %d", s.Images, s.Chunks, s.ChunkSize)
	}
	if s.PartForm > partForm {
		return fmt.Errorf("its parts have form %d", s.PartForm)
	}
	for status, n := range s.Statuses {
		if n > s.Images {
			return fmt.Errorf("it says %d images with the status %q, and %d in all", n, status, s.Images)
		}
	}
	return nil
}

// damagedRecord is ErrMismatch for a record that repair can create again.
type damagedRecord struct {
	name, place string
	err         error
}

func (d *damagedRecord) Error() string {
	if errors.As(d.err, new(tooLarge)) {
		return fmt.Sprintf("%v; to repair it: batchscore repair %s", d.err, shellquote.Path(d.place))
	}
	return fmt.Sprintf("%s of %s: %v; to repair it: batchscore repair %s", d.name, d.place, d.err, shellquote.Path(d.place))
}

func (d *damagedRecord) Unwrap() error { return d.err }

// CollectionSize returns how many images there are rows of: of an increment all of its
// collection.
func (s *Success) CollectionSize() int {
	if s.Increment != nil {
		return s.Increment.Images
	}
	return s.Images
}

// CheckParts lists the parts of a complete job and returns ErrMismatch if some are
// missing. It does not read them, as Intact and Verify do.
func (s *Success) CheckParts(ctx context.Context, st store.Store) error {
	done, err := doneParts(ctx, st, s.partNames(), shard.Chunks{Entries: s.Images, Size: s.ChunkSize})
	if err != nil {
		return err
	}
	return goneParts(st, missingParts(st, done, s.partNames()))
}

// Intact compares the digests of the manifest and the parts of a complete job with
// those in _SUCCESS, and returns ErrMismatch if one differs. It reads all parts, a few
// at a time, but decodes none.
func Intact(ctx context.Context, st store.Store, s Success) error {
	if err := s.CheckParts(ctx, st); err != nil {
		return err
	}
	if err := s.checkManifest(ctx, st); err != nil {
		return err
	}
	var lines []byte
	names := s.partNames()
	if err := inOrder(ctx, s.Chunks, func(ctx context.Context, chunk int) (string, error) {
		body, _, err := readWhole(ctx, st, names.Name(chunk), partMost)
		return hexDigest(body), err
	}, func(chunk int, hex string) error {
		lines = appendDigest(lines, hex, names.Name(chunk))
		return nil
	}); err != nil {
		return err
	}
	if digest(lines) == s.Digests.Parts {
		return nil
	}
	// While a retry is published, some parts are old and others new.
	r, err := ReadRetries(ctx, st)
	if err == nil && r.Publishing && s.Generation() < r.Complete {
		return nil
	}
	return errors.Join(err, fmt.Errorf("%s: the content %w: a part has changed since the job completed; 'batchscore verify' says which; %s",
		st, ErrMismatch, repairAdvice(st)))
}

// Manifest returns the manifest of a complete job, with the last entry of each image
// that was scored again. The caller closes it.
func (s *Success) Manifest(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	base, err := ReadManifest(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		return nil, goneRecord(st, manifestName)
	}
	if err != nil {
		return nil, err
	}
	m, err := current(ctx, st, base, s.Generation())
	if m != base {
		base.Close()
	}
	return m, err
}

// checkManifest returns ErrMismatch if the manifest of a complete job has changed.
func (s *Success) checkManifest(ctx context.Context, st store.Store) error {
	m, err := s.Manifest(ctx, st)
	if err != nil {
		return err
	}
	defer m.Close()
	if m.Digest() != s.Digests.Manifest {
		return fmt.Errorf("%s of %s: %w: it has changed since the job completed; 'batchscore verify' says more; %s",
			manifestName, st, ErrMismatch, repairAdvice(st))
	}
	return nil
}

// goneParts turns the error of missing parts into that of an output that was complete
// once, which running the job again does not repair. It returns nil for nil.
func goneParts(st store.Store, missing error) error {
	if missing == nil {
		return nil
	}
	return fmt.Errorf("the content %w: %w; %s", ErrMismatch, missing, repairAdvice(st))
}

// FinishOptions is the content of _SUCCESS that is not in the output folder.
type FinishOptions struct {
	// Drift, if not nil, is called after the parts were checked, with the manifest of
	// their rows. It may return nil.
	Drift func(now *shard.Manifest) *Drift
	// Collection, if not nil, is the frozen collection of an increment, which is else read.
	Collection *shard.Manifest
	// PassedOver, if not nil, is called after Drift.
	PassedOver func() listing.PassedOver
	Versions   map[string]string
	// MaxErrors is empty if the command did not say how many images may fail.
	MaxErrors string
	// Bill is for the cost of the job.
	Bill Bill
	// MayChange, if not nil, is called before the parts of a complete output begin to change.
	// They stay as they are if it returns an error.
	MayChange func(context.Context) error
}

// Finish checks that every part exists and that its rows are the results of its
// chunk's entries. Then it stores the digests of the parts and, last, _SUCCESS. Any
// number of workers may call it; the first to create _SUCCESS decides its content,
// and all return the same.
//
// If there are complete retries whose rows are not yet in the parts, it puts them
// there and replaces parts, digests and _SUCCESS.
//
// The error is ErrIncomplete while parts are missing, and ErrMismatch if one is not
// what it should be. Finish holds a few parts in memory at a time.
func Finish(ctx context.Context, st store.Store, job Job, m *shard.Manifest, opt FinishOptions) (Success, error) {
	was, err := readState(ctx, st, &job)
	if err != nil {
		return Success{}, err
	}
	if was.success != nil && was.success.Generation() >= was.Complete {
		return *was.success, nil
	}
	if opt.Versions, err = withDecoders(ctx, st, opt.Versions); err != nil {
		return Success{}, err
	}
	c := job.Chunks(m.Len())
	done, err := Done(ctx, st, &job, c)
	if err != nil {
		return Success{}, err
	}
	if err := missingParts(st, done, job.PartNames(c)); err != nil {
		if was.success != nil {
			return Success{}, goneParts(st, err)
		}
		return Success{}, unfinished(err)
	}
	if was.Complete > 0 {
		return publish(ctx, st, &job, m, was, opt)
	}
	s := newSuccess(&job, c, opt.Versions)
	s.MaxErrors = opt.MaxErrors
	var lines []byte
	var modified []time.Time
	answers := job.Schema().NewSumming()
	failed, err := newFailures(ctx, st, &job, opt.Collection)
	if err != nil {
		return Success{}, err
	}
	defer failed.close()
	err = inOrder(ctx, c.Count(), func(ctx context.Context, chunk int) (part, error) {
		return readPart(ctx, st, &job, m, chunk)
	}, func(_ int, p part) error {
		for i := range p.rows {
			s.Statuses[p.rows[i].Status]++
		}
		if err := failed.add(p.entries, p.rows); err != nil {
			return err
		}
		answers.Add(p.rows)
		lines = appendDigest(lines, p.digest, p.name)
		modified = append(modified, p.modified)
		return nil
	})
	if err != nil {
		return Success{}, err
	}
	s.Answers, s.Digests = answers.Summary(), digestsOf(&job, m, lines)
	if err := s.timing(ctx, st, &job, modified); err != nil {
		return Success{}, err
	}
	stored, _, _, err := createOrRead(ctx, st, digestsName, lines)
	if err != nil {
		return Success{}, fmt.Errorf("store the digests of the parts: %w", err)
	}
	if string(stored) != string(lines) {
		return Success{}, fmt.Errorf("%s of %s: %w: it does not hold the digests of the parts; %s",
			digestsName, st, ErrMismatch, repairAdvice(st))
	}
	if err := failed.store(ctx, st, &job, m, &s); err != nil {
		return Success{}, err
	}
	if opt.Drift != nil {
		s.Drift = opt.Drift(m)
	}
	if opt.PassedOver != nil {
		s.PassedOver = opt.PassedOver()
	}
	if err := s.bill(ctx, st, &job, opt.Bill); err != nil {
		return Success{}, err
	}
	body, err := s.encode(st, &job)
	if err != nil {
		return Success{}, err
	}
	stored, _, how, err := createOrRead(ctx, st, SuccessName, body)
	if err != nil {
		return Success{}, fmt.Errorf("create %s: %w", SuccessName, err)
	}
	s, err = parseSuccess(st, stored)
	s.Mine = how == created
	return s, err
}

// A Decoder is the record of a library that makes the pixels of some format, of the name
// DecodersFolder + Library + ".json". A job without images of such formats has none.
type Decoder struct {
	Library string `json:"library"`
	// Identity is its name and release, with those of what it decodes with; empty if the
	// rank that met the first image does not have it, so that the rows of such images have
	// the status unsupported.
	Identity string `json:"identity"`
}

// NotInstalled is what Success.Versions says of a library that the job needed and did not have.
const NotInstalled = "not installed"

// DecodersFolder is where the records of decoders are in an output.
const DecodersFolder = Folder + "decoders/"

// MaxDecoder is the most bytes of such a record.
const MaxDecoder = 1 << 12

// withDecoders returns versions with the libraries of the job's records of decoders.
func withDecoders(ctx context.Context, st store.Store, versions map[string]string) (map[string]string, error) {
	const most = 64 // several times the libraries that there are
	var names []string
	err := st.List(ctx, DecodersFolder, func(o store.Object) error {
		if names = append(names, o.Name); len(names) > most {
			return fmt.Errorf("%s of %s: %w: there are more than %d records", DecodersFolder, st, ErrMismatch, most)
		}
		return nil
	})
	if err != nil || len(names) == 0 {
		return versions, err
	}
	if versions = maps.Clone(versions); versions == nil {
		versions = map[string]string{}
	}
	for _, name := range names {
		body, _, err := store.ReadAll(ctx, st, name, MaxDecoder)
		if err != nil {
			return nil, err
		}
		var d Decoder
		if err := json.Unmarshal(body, &d); err != nil || name != DecodersFolder+d.Library+".json" {
			return nil, fmt.Errorf("%s of %s: %w: the record is damaged", name, st, ErrMismatch)
		}
		versions[d.Library] = cmp.Or(d.Identity, NotInstalled)
	}
	return versions, nil
}

// newSuccess returns a Success with everything that does not depend on the rows.
func newSuccess(job *Job, c shard.Chunks, versions map[string]string) Success {
	return Success{
		Job: job.ID, Images: c.Entries, ImagesPlace: job.Images, Statuses: map[string]int{}, Simulated: job.Simulated(),
		Chunks: c.Count(), ChunkSize: c.Size, Format: job.Format, PartForm: job.PartForm, Activation: job.Activation,
		JPEGDecoder: job.JPEGDecoder, DependentRows: job.DependentRows, Versions: versions, Task: onlyTask(job),
	}
}

// onlyTask returns the task of a job whose rows have one answer; empty if they have several.
func onlyTask(job *Job) string {
	if len(job.Heads) > 0 {
		return ""
	}
	return job.Task
}

// digestsOf returns the digests of a job. lines are the file of the parts' digests.
func digestsOf(job *Job, m *shard.Manifest, lines []byte) Digests {
	return Digests{
		Manifest: m.Digest(), Model: job.ModelDigest, Preprocess: job.PreprocessDigest, Labels: job.LabelsDigest,
		Parts: digest(lines),
	}
}

// encode returns the content of _SUCCESS of a job in that place.
func (s *Success) encode(st store.Store, job *Job) ([]byte, error) {
	if job.Older() {
		s.forOlder()
	}
	s.Failed, s.See = row.Failed(s.Statuses), ShowCommand(st.String(), s.AllStatuses())
	body, err := encodeRecord(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", SuccessName, err)
	}
	return body, nil
}

// unfinished turns the error of missing parts into that of an output that was never
// complete. It returns nil for nil.
func unfinished(missing error) error {
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%w: %w; run the job again to make them, or take an earlier run; 'batchscore jobs status' says why it ended", ErrIncomplete, missing)
}

// missingParts returns an error that says how many parts are missing, and the first
// of them; nil if none is.
func missingParts(st store.Store, done *shard.Set, names PartNames) error {
	missing := done.Len() - done.Count()
	if missing == 0 {
		return nil
	}
	first := 0
	for done.Has(first) {
		first++
	}
	return fmt.Errorf("%d of %d parts missing from %s, the first is %s", missing, done.Len(), st, names.Name(first))
}
