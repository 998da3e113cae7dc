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
	// SuccessName is created last, once every part stands.
	SuccessName = "_SUCCESS"
	// Folder holds everything that is not result.
	Folder       = "_batchscore/"
	jobName      = Folder + "job.json"
	manifestName = Folder + "manifest.jsonl"
	digestsName  = Folder + "parts.sha256"
	workerFolder = Folder + "workers/"
	partPrefix   = "part-"
)

// What is wrong with an output folder. Errors wrap these and say what to do.
var (
	// ErrMismatch means that the model, a record, the manifest or the parts do
	// not fit together.
	ErrMismatch = errors.New("does not match the output folder")
	// ErrOtherJob means that the folder holds the output of another job.
	ErrOtherJob = errors.New("the output folder belongs to another job")
	// ErrIncomplete means that chunks are still missing.
	ErrIncomplete = errors.New("the output is incomplete")
)

// PartName is the name of the part that holds chunk i.
func PartName(i int, f row.Format) string { return fmt.Sprintf("%s%05d.%s", partPrefix, i, f) }

// partChunk is the chunk whose part has that name; false for other names.
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

// outcome is what became of a create.
type outcome int

const (
	created   outcome = iota // by this call, whose answer may have been lost
	found                    // somebody else was first
	ambiguous                // there is something else, and this call's answer was lost
)

// createOrRead creates an object, or returns what has that name already. When
// the create fails in a way that leaves open whether it took effect, what is
// stored settles it.
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
		return nil, o, found, fmt.Errorf("%s of %s: %w: the name is taken by what is no file (a folder, or a link that leads nowhere); "+
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
