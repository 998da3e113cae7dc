package output

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Names in an output folder.
const (
	// SuccessName is created last, when every part exists.
	SuccessName = "_SUCCESS"
	// Folder holds everything but the result itself.
	Folder       = "_batchscore/"
	jobName      = Folder + "job.json"
	manifestName = Folder + "manifest.jsonl"
	digestsName  = Folder + "parts.sha256"
	workerFolder = Folder + "workers/"
	partPrefix   = "part-"
)

// The errors of an output folder. What wraps them says what to do.
var (
	// ErrMismatch means that the model, a record, the manifest and the parts do not
	// match one another.
	ErrMismatch = errors.New("does not match the output folder")
	// ErrOtherJob means that the folder holds something else than the output of the
	// job that was asked for.
	ErrOtherJob = errors.New("the folder holds something else than the output of this job")
	// ErrIncomplete means that chunks are still missing.
	ErrIncomplete = errors.New("the output is incomplete")
)

// perFolder is how many parts lie together at most: file systems, and people, are slow
// with folders of very many files.
const perFolder = 1000

// PartNames names the parts of a job. The parts of a job with more than perFolder
// chunks are in folders, unless it was begun before there were folders. Names sort as
// chunks do: the widths are enough for ten million of them.
type PartNames struct {
	format  row.Format
	folders bool
}

// partNames returns how the parts of a job with that many chunks are named. form is
// Job.PartForm.
func partNames(form, chunks int, f row.Format) PartNames {
	return PartNames{format: f, folders: form > 0 && chunks > perFolder}
}

// PartNames returns how the parts of the job are named.
func (j *Job) PartNames(c shard.Chunks) PartNames { return partNames(j.PartForm, c.Count(), j.Format) }

// Name returns the name of the part that holds chunk i.
func (p PartNames) Name(i int) string {
	if p.folders {
		return fmt.Sprintf("%s%04d/%s%07d.%s", partPrefix, i/perFolder, partPrefix, i, p.format)
	}
	return fmt.Sprintf("%s%05d.%s", partPrefix, i, p.format)
}

// chunk returns the chunk whose part has that name; false for other names.
func (p PartNames) chunk(name string) (int, bool) {
	digits, ok := strings.CutPrefix(path.Base(name), partPrefix)
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, "."+string(p.format))
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0 && p.Name(i) == name
}

// IsPart reports whether a name may be that of a part of some job, or is in a folder
// of parts.
func IsPart(name string) bool { return strings.HasPrefix(name, partPrefix) }

// IsOwn reports whether a name in an output folder is one that jobs give.
func IsOwn(name string) bool {
	return IsPart(name) || name == SuccessName || strings.HasPrefix(name, Folder)
}

// outcome is the result of creating an object.
type outcome int

const (
	created   outcome = iota // this call created it, even if the store's answer was lost
	found                    // another worker created it first
	ambiguous                // it has other content, and the store's answer was lost
)

// notAFile is the error of an object that cannot be created, because its name is taken, and
// cannot be read either.
func notAFile(st store.Store, name string) error {
	return fmt.Errorf("%s of %s: %w: the name belongs to something other than a file (a folder, a pipe, or a link that leads nowhere); "+
		"move it away and run again", name, st, ErrMismatch)
}

// createOrRead creates an object, or returns the existing one of that name. If the
// create fails without telling whether it took effect, the stored content decides.
func createOrRead(ctx context.Context, st store.Store, name string, body []byte) ([]byte, store.Object, outcome, error) {
	o, err := st.Create(ctx, name, body)
	if err == nil {
		return body, o, created, nil
	}
	exists := errors.Is(err, store.ErrExist)
	if !exists && ctx.Err() != nil {
		return nil, o, ambiguous, err
	}
	stored, o, readErr := readWhole(ctx, st, name, max(recordMost, 2*int64(len(body))))
	switch {
	case exists && errors.Is(readErr, store.ErrNotExist):
		return nil, o, found, notAFile(st, name)
	case readErr != nil && exists:
		return nil, o, found, readErr
	case readErr != nil:
		return nil, o, ambiguous, err
	case exists:
		return stored, o, found, nil
	case string(stored) == string(body):
		return stored, o, created, nil
	}
	return stored, o, ambiguous, nil
}
