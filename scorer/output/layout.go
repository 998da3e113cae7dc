package output

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
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

// PartName returns the name of the part that holds chunk i.
func PartName(i int, f row.Format) string { return fmt.Sprintf("%s%05d.%s", partPrefix, i, f) }

// partChunk returns the chunk whose part has that name; false for other names.
func partChunk(name string, f row.Format) (int, bool) {
	digits, ok := strings.CutPrefix(name, partPrefix)
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, "."+string(f))
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0 && PartName(i, f) == name
}

// outcome is the result of creating an object.
type outcome int

const (
	created   outcome = iota // this call created it, even if the store's answer was lost
	found                    // another worker created it first
	ambiguous                // it has other content, and the store's answer was lost
)

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
	stored, o, readErr := store.ReadAll(ctx, st, name)
	switch {
	case exists && errors.Is(readErr, store.ErrNotExist):
		return nil, o, found, fmt.Errorf("%s of %s: %w: the name belongs to something other than a file (a folder, or a link that leads nowhere); "+
			"move it away and run again", name, st, ErrMismatch)
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
