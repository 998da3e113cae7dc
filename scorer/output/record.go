package output

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// recordVersion is the version of the records that this program writes and reads.
const recordVersion = 1

// Versions returns the versions that a new job has: of its records, of how its rows
// are written, and of how its claims are named.
func Versions() (records, rows, claims int) { return recordVersion, int(row.Newest), claimForm }

// The most bytes of what is read whole. A record of a job whose names and paths are as
// long as systems allow has some 100 kB.
const (
	recordMost = 1 << 20
	// digestMost is one line of the file of the parts' digests.
	digestMost = 128
	// partMost is the largest part that can be created or read. Its rows are of less than
	// row.Schema.RowMost on average.
	partMost = 1 << 30
)

// digestsMost is the most bytes of the file of the digests of that many parts.
func digestsMost(parts int) int64 { return digestMost * (int64(parts) + 1) }

// partMost is the most bytes of a part of the job that has that many rows.
func (j *Job) partMost(rows int) int64 {
	row := min(j.Schema().RowMost(), partMost)
	if int64(rows) >= partMost/row {
		return partMost
	}
	return 1<<20 + row*int64(rows)
}

// readWhole is store.ReadAll, but an object of more than most bytes is ErrMismatch.
func readWhole(ctx context.Context, st store.Store, name string, most int64) ([]byte, store.Object, error) {
	body, o, err := store.ReadAll(ctx, st, name, most)
	if large := new(store.TooLarge); errors.As(err, &large) {
		err = tooLarge{err}
	}
	return body, o, err
}

// tooLarge is ErrMismatch for an object that was not read because of its size. Its text is
// that of the store.TooLarge, which names the object.
type tooLarge struct{ error }

func (t tooLarge) Unwrap() []error { return []error{ErrMismatch, t.error} }

// record is a JSON object that contains its own checksum: the SHA-256 of the same
// object with an empty checksum.
type record interface {
	// seal returns its version and checksum fields.
	seal() (version *int, checksum *string)
}

// encodeRecord sets the version and checksum of r and returns its JSON. The same
// record always has the same bytes.
func encodeRecord(r record) ([]byte, error) {
	version, sum := r.seal()
	*version, *sum = recordVersion, ""
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	if bytes.Contains(body, []byte(`\ufffd`)) {
		// encoding/json escapes U+FFFD where text was not UTF-8, but not when it
		// writes again what it has read. Only the latter form is stable.
		if err := json.Unmarshal(body, r); err != nil {
			return nil, err
		}
		if body, err = json.MarshalIndent(r, "", "  "); err != nil {
			return nil, err
		}
	}
	*sum = digest(body)
	if body, err = json.MarshalIndent(r, "", "  "); err != nil {
		return nil, err
	}
	return append(body, '\n'), nil
}

// decodeRecord reads exactly what encodeRecord wrote. Its errors wrap ErrMismatch.
func decodeRecord(body []byte, r record) error {
	var head struct {
		Version  int    `json:"version"`
		Checksum string `json:"checksum"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return fmt.Errorf("%w: the record is damaged: %v", ErrMismatch, err)
	}
	if head.Version > recordVersion && intact(body, head.Checksum) {
		return errNewer
	}
	if head.Version != recordVersion {
		return fmt.Errorf("%w: the record has version %d, this program knows version %d",
			ErrMismatch, head.Version, recordVersion)
	}
	whole := intact(body, head.Checksum)
	if err := json.Unmarshal(body, r); err != nil {
		if whole {
			return errNewer // a field of another kind
		}
		return fmt.Errorf("%w: the record is damaged: %v", ErrMismatch, err)
	}
	_, sum := r.seal()
	stored := *sum
	again, err := encodeRecord(r)
	if err != nil {
		return fmt.Errorf("%w: the record is damaged: %v", ErrMismatch, err)
	}
	if *sum != stored && whole {
		return errNewer // it has fields that this release does not know
	}
	if *sum != stored {
		return fmt.Errorf("%w: the record is damaged: its checksum is %q, its content has %q", ErrMismatch, stored, *sum)
	}
	if !bytes.Equal(again, body) {
		return fmt.Errorf("%w: the record is damaged: it is not in the form that was written", ErrMismatch)
	}
	if err := newLimits(r).plausible(reflect.ValueOf(r).Elem(), ""); err != nil {
		return fmt.Errorf("%w: %w, which no job writes", ErrMismatch, err)
	}
	return nil
}

// Whoever can write to an output can write a record with a checksum that matches. So what
// a record says is checked before anything is computed, allocated or looked up with it.
const (
	mostCount   = 1 << 40 // images, bytes, calls
	mostSeconds = 9.2e9   // 291 years, which a time.Duration can hold
	mostFloat   = 1e15
	longestText = 64 << 10
	mostKeys    = 10_000 // of a map
)

// mostOf are the limits of numbers that loops and memory follow.
var mostOf = map[string]int64{
	"batch": math.MaxInt32, "chunk": math.MaxInt32, "chunk_size": math.MaxInt32, "topk": math.MaxInt32, "chunks": 1 << 26,
	"rank": claim.MostRanks, "world": claim.MostRanks, "batch_halved": 64, "generation": 1 << 20, "pid": math.MaxInt32,
	"max": math.MaxInt64, "max_pixels": math.MaxInt64, "max_bytes": math.MaxInt64, "max_image_memory": math.MaxInt64,
}

// limits are how large the numbers of a record may be, as multiples of the limits above.
type limits struct {
	count int64
	float float64
}

// newLimits returns those of a record. _SUCCESS adds up what many workers report.
func newLimits(r record) limits {
	if _, ok := r.(*Success); ok {
		return limits{1 << 20, 1 << 20}
	}
	return limits{1, 1}
}

// duration returns that many seconds, which are from a record.
func duration(seconds float64) time.Duration {
	return time.Duration(min(max(seconds, 0), mostSeconds) * float64(time.Second))
}

// plausible returns an error that names the first value of a record, or of the part of it
// called name, that is out of every range.
func (l limits) plausible(v reflect.Value, name string) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return l.plausible(v.Elem(), name)
	case reflect.Struct:
		return l.plausibleFields(v, name)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := l.plausible(v.Index(i), name); err != nil {
				return err
			}
		}
	case reflect.Map:
		if v.Len() > mostKeys {
			return fmt.Errorf("%s has %d entries", name, v.Len())
		}
		for _, key := range v.MapKeys() {
			if err := cmp.Or(l.plausible(key, name), l.plausible(v.MapIndex(key), name)); err != nil {
				return err
			}
		}
	case reflect.String:
		if v.Len() > longestText {
			return fmt.Errorf("%s has %d bytes, from %.40q on", name, v.Len(), v.String())
		}
	case reflect.Int, reflect.Int64:
		most, ok := mostOf[name]
		if !ok {
			most = mostCount * l.count
		}
		if n := v.Int(); n < 0 || n > most {
			return fmt.Errorf("%s is %d", name, n)
		}
	case reflect.Float32, reflect.Float64:
		f := v.Float()
		if seconds := strings.HasSuffix(name, "seconds"); math.Abs(f) > mostFloat*l.float || seconds && (f < 0 || f > mostSeconds*l.float) {
			return fmt.Errorf("%s is %g", name, f)
		}
	}
	return nil
}

// plausibleFields is plausible for a struct. A time is zero, or one that a clock may show.
func (l limits) plausibleFields(v reflect.Value, name string) error {
	if t, ok := v.Interface().(time.Time); ok {
		if !t.IsZero() && (t.Year() < 1970 || t.Year() > 2200) {
			return fmt.Errorf("%s is in the year %d", name, t.Year())
		}
		return nil
	}
	for _, f := range reflect.VisibleFields(v.Type()) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() || len(f.Index) > 1 {
			continue
		}
		if err := l.plausible(v.FieldByIndex(f.Index), tag); err != nil {
			return err
		}
	}
	return nil
}

// errNewer is ErrMismatch for a record that is not damaged, but that this release does not
// know.
var errNewer error = newer{}

type newer struct{}

func (newer) Error() string {
	return "it was written by a newer release of batchscore, and is not damaged: use that release, or a newer one; nothing was changed"
}

func (newer) Unwrap() error { return ErrMismatch }

// recordError says which record could not be read, and what to do if it is damaged.
func recordError(name, place string, err error, advice string) error {
	if errors.Is(err, errNewer) {
		return fmt.Errorf("%s of %s: %w", name, place, err)
	}
	if errors.As(err, new(tooLarge)) {
		return fmt.Errorf("%w; %s", err, advice)
	}
	return fmt.Errorf("%s of %s: %w; %s", name, place, err, advice)
}

// intact reports whether a record is as it was written, whatever its fields: whether its
// bytes have that checksum.
func intact(body []byte, checksum string) bool {
	const field = `"checksum": "`
	sealed := []byte(field + checksum + `"`)
	if checksum == "" || bytes.Count(body, sealed) != 1 {
		return false
	}
	body, ended := bytes.CutSuffix(bytes.Replace(body, sealed, []byte(field+`"`), 1), []byte("\n"))
	return ended && digest(body) == checksum
}

// digest returns "sha256:" and the SHA-256 of body in hex.
func digest(body []byte) string { return "sha256:" + hexDigest(body) }

func hexDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Older reports whether an older release began the job, and may work on it next to this
// one. It takes a record with a field that it does not know for damaged. So all records of
// such a job are written without the fields that came after it: those that the functions
// called forOlder clear.
func (j *Job) Older() bool { return j.RowForm < row.Nullable }

// forOlder clears them in the record of a retry, which has the form of its job.
func (j *Job) forOlder() {
	j.LabelsFile, j.Preprocess, j.GPU, j.ONNXRuntime = "", nil, nil, ""
	j.MaxErrors, j.MaxMemory, j.After, j.Settings, j.Width = "", 0, nil, nil, 0
	j.Heads, j.Models, j.Outputs = nil, nil, nil
}

func (s *WorkerSummary) forOlder() {
	s.Scored, s.BatchHalved, s.GPU, s.GPUUse, s.Price = 0, 0, nil, nil, nil
	s.Raced, s.Stages, s.Dark = 0, nil, 0
}

func (s *Success) forOlder() {
	s.Answers, s.ImagesPlace, s.WorkedSeconds, s.WorkedImagesPerSecond, s.ScoredTwice = nil, "", 0, 0, 0
	s.FailedDigest, s.Increment, s.Hours, s.Cost = "", nil, nil, nil
	s.MaxErrors, s.GPUKinds, s.GPU, s.LeastBatch, s.Task = "", nil, nil, 0, ""
}
