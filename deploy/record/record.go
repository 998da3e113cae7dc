// Package record keeps a record of every job that was launched: one small file per
// job in a folder of the user. It is written before the job is sent to the engine, so
// that the job can be found again whichever process dies. It contains no secret.
package record

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

var (
	// ErrNone means that no record fits.
	ErrNone = errors.New("no such job in the record")
	// ErrAmbiguous means that several records fit a prefix.
	ErrAmbiguous = errors.New("more than one job fits")
)

// Phase is what the launch itself has found out about a job.
type Phase string

// The phases of a job, in order.
const (
	// Launching means that the engine may or may not have the job: the launcher
	// died, or got no answer, before it knew.
	Launching Phase = "launching"
	// Submitted means that the engine has accepted the job.
	Submitted Phase = "submitted"
	// Refused means that the engine did not accept it.
	Refused Phase = "refused"
	// Done means that the job has ended and its result was verified. Outcome is
	// what was found.
	Done Phase = "done"
)

// Record is what is known about one job.
type Record struct {
	ID string `yaml:"id"`
	// Engine is the engine's name, Service its section of service.yaml at the time
	// of the launch.
	Engine  string    `yaml:"engine"`
	Service yaml.Node `yaml:"service,omitempty"`
	// Endpoint and Credentials are the flags with which the output place is
	// opened. Credentials names a file.
	Endpoint    string `yaml:"endpoint,omitempty"`
	Credentials string `yaml:"credentials,omitempty"`
	// Launched is by the clock of the machine that launched the job.
	Launched time.Time `yaml:"launched"`
	Phase    Phase     `yaml:"phase"`
	Outcome  string    `yaml:"outcome,omitempty"`
	// ExitCode is that of the launch that followed the job to its end. It is 0 in
	// records of older releases, too.
	ExitCode int        `yaml:"exit_code,omitempty"`
	Job      deploy.Job `yaml:"job"`
}

// Book is the folder of all records. Several processes may use it at once. Its zero
// value is not usable.
type Book struct{ folder string }

// Open returns the book in a folder, which need not exist yet.
func Open(folder string) Book { return Book{folder} }

// Folder returns the folder of this user's records.
func Folder() (string, error) { return deploy.StateFolder("jobs") }

const ending = ".yaml"

// String returns the folder.
func (b Book) String() string { return b.folder }

// Create writes the record of a new job. Once it returns, the record survives a crash
// of this machine. For an ID that has a record already it returns os.ErrExist.
func (b Book) Create(r Record) error {
	if !deploy.IsID(r.ID) {
		return fmt.Errorf("record job %s: that is not the ID of a job", deploy.Shown(r.ID))
	}
	err := b.write(r.ID+ending, r, atomicfile.Create)
	if errors.Is(err, atomicfile.ErrNoExclusive) {
		return fmt.Errorf("record job %s: %s has neither hard links nor an exclusive rename; set XDG_STATE_HOME to a folder on a local disk", r.ID, b.folder)
	}
	if err == nil {
		_ = os.Remove(filepath.Join(b.folder, failureFile)) // what it says is older than the job
	}
	return err
}

// Update replaces the record of a job atomically.
func (b Book) Update(r Record) error {
	return b.write(r.ID+ending, r, atomicfile.Write)
}

// write lets put write a file of the book.
func (b Book) write(name string, what any, put func(path string, mode fs.FileMode, write func(io.Writer) error) error) error {
	body, err := yaml.Marshal(what)
	if err == nil {
		err = os.MkdirAll(b.folder, 0o700)
	}
	if err == nil {
		err = put(filepath.Join(b.folder, name), 0o600, func(w io.Writer) error {
			_, err := w.Write(body)
			return err
		})
	}
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("record job %s in %s: %w; set XDG_STATE_HOME to a folder that can be written", strings.TrimSuffix(name, ending), b.folder, err)
	}
	if err != nil {
		return fmt.Errorf("record job %s in %s: %w", strings.TrimSuffix(name, ending), b.folder, err)
	}
	return nil
}

// Failure is a launch that failed before the job had a record.
type Failure struct {
	At   time.Time `yaml:"at"`
	Text string    `yaml:"text"`
}

// failureFile holds the Failure of the last launch, if it failed.
const failureFile = "failed-launch"

// NoteFailure keeps the failure of the last launch until a job is recorded, so that
// nobody takes an older job for it.
func (b Book) NoteFailure(f Failure) error {
	return b.write(failureFile, f, atomicfile.Write)
}

// LastFailure returns the failure of the last launch. It is the zero Failure if that
// became a job, or if nothing is known.
func (b Book) LastFailure() Failure {
	var f Failure
	body, err := deploy.ReadSmall(filepath.Join(b.folder, failureFile))
	if err != nil || yaml.Unmarshal(body, &f) != nil {
		return Failure{}
	}
	return f
}

// List returns all records, the newest first. The error names files that cannot be
// read; the other records are returned nevertheless.
func (b Book) List() ([]Record, error) {
	names, err := filepath.Glob(filepath.Join(b.folder, "*"+ending))
	if err != nil {
		return nil, err
	}
	var all []Record
	var damaged error
	for _, name := range names {
		r, err := read(name)
		if err != nil {
			damaged = errors.Join(damaged, err)
			continue
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(b.Launched.Compare(a.Launched), strings.Compare(b.ID, a.ID))
	})
	return all, damaged
}

func read(path string) (Record, error) {
	body, err := deploy.ReadSmall(path)
	if err != nil {
		return Record{}, err
	}
	return parse(path, body)
}

// parse reads the record in the file path.
func parse(path string, body []byte) (Record, error) {
	if err := deploy.CheckYAML(body); err != nil {
		return Record{}, fmt.Errorf("%s is not a record of a job: %w", path, err)
	}
	var r Record
	d := yaml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("%s is not a record of a job: %w", path, err)
	}
	if !deploy.IsID(r.ID) {
		return Record{}, fmt.Errorf("%s is not a record of a job: %s is not the ID of one", path, deploy.Shown(r.ID))
	}
	if r.ID+ending != filepath.Base(path) {
		return Record{}, fmt.Errorf("%s contains the record of another job, %q", path, r.ID)
	}
	return r, nil
}

// Find returns the record of the job that a user names: the one with that ID, or the
// newest one with that name, or the only one whose ID begins with the text. For an
// empty text it is the newest of all. Errors are ErrNone and ErrAmbiguous.
func (b Book) Find(what string) (Record, error) { return b.find(what, false) }

// FindOnly is Find for what cannot be undone: it does not choose among several jobs
// of one name.
func (b Book) FindOnly(what string) (Record, error) { return b.find(what, true) }

func (b Book) find(what string, only bool) (Record, error) {
	all, damaged := b.List()
	var named, fit []Record
	var ids []string
	for _, r := range all {
		if r.ID == what {
			return r, nil
		}
		if what == "" || r.Job.Name == what {
			named = append(named, r)
		}
		if strings.HasPrefix(r.ID, what) {
			fit, ids = append(fit, r), append(ids, r.ID)
		}
	}
	if len(named) == 1 || len(named) > 1 && !only {
		return named[0], nil
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return Record{}, fmt.Errorf("%q: %w: %s", what, ErrAmbiguous, strings.Join(ids, ", "))
	case damaged != nil:
		return Record{}, fmt.Errorf("%w: %w", ErrNone, damaged)
	case what == "":
		return Record{}, fmt.Errorf("%w: this user has not launched anything yet (%s is empty)", ErrNone, b.folder)
	}
	return Record{}, fmt.Errorf("%q: %w; 'batchscore jobs list' shows those in %s", what, ErrNone, b.folder)
}
