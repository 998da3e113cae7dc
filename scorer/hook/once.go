package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/store"
)

// Folder is where the marks of told events are, in the output folder.
const Folder = "_batchscore/hooks/"

// lease is how long a rank may tell an event before another one may. It is longer than
// any limit: see MostLimit.
const lease = MostLimit + time.Minute

// MostLimit is the longest Sender.Limit.
const MostLimit = 10 * time.Minute

// Occasion is one event of a job that happens once.
type Occasion struct {
	name  string // of the mark
	right claim.Right
}

// The numbers of the rights. Ends come after, as many for each start as endings has.
const (
	completeRight = iota
	firstFailureRight
	endRights
)

// endings are the events that end a job before it is complete. Append only: their places are
// numbers of rights.
var endings = []Event{Stopped, Failing, Failed, Paused}

// Completion is the completion of a job with that checksum of _SUCCESS. A retry has
// another one.
func Completion(checksum string) Occasion {
	sum := sha256.Sum256([]byte(checksum))
	return Occasion{"complete-" + hex.EncodeToString(sum[:8]), claim.OnHook(completeRight)}
}

// AFailure is the first failed image of a job.
func AFailure() Occasion { return Occasion{"first_failure", claim.OnHook(firstFailureRight)} }

const endPrefix = "end-"

// AnEnd is that event at end number i, from 0, of a job that was not complete then. Ranks of
// one start may end differently: each event of them is an occasion.
func AnEnd(i int, e Event) Occasion {
	return Occasion{fmt.Sprintf("%s%05d-%s", endPrefix, i, e), claim.OnHook(endRights + i*len(endings) + max(slices.Index(endings, e), 0))}
}

// ID returns the ID of the occasion in a job with that ID, or in a place if it has none yet.
func (o Occasion) ID(job string) string {
	sum := sha256.Sum256([]byte(job + "\n" + o.name))
	return hex.EncodeToString(sum[:16])
}

// Ends returns how many ends of the job have been told, those of ranks of one start once.
func Ends(ctx context.Context, st store.Store) (int, error) {
	n := 0
	err := st.List(ctx, Folder+endPrefix, func(o store.Object) error {
		number, _, _ := strings.Cut(strings.TrimPrefix(o.Name, Folder+endPrefix), "-")
		if i, err := strconv.Atoi(number); err == nil {
			n = max(n, i+1)
		}
		return nil
	})
	if errors.Is(err, store.ErrNotExist) {
		return 0, nil
	}
	return n, err
}

// Told reports whether an occasion was told.
func Told(ctx context.Context, st store.Store, o Occasion) (bool, error) {
	r, _, err := st.Open(ctx, o.mark(), "")
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		r.Close()
	}
	return err == nil, err
}

func (o Occasion) mark() string { return Folder + o.name + ".json" }

// mark is the content of the mark of an event that was told.
type mark struct {
	Event  Event     `json:"event"`
	ID     string    `json:"id"`
	Told   time.Time `json:"told"` // by the own clock of the rank, for people
	Tries  int       `json:"tries"`
	Worker string    `json:"worker"`
}

// Once tells an occasion by calling tell, unless it was told before or another rank is
// telling it. told reports whether this call did. If tell fails, the next rank that comes
// to the occasion tries.
func Once(ctx context.Context, st store.Store, names claim.Names, me claim.Worker, o Occasion, tell func() (Message, int, error)) (told bool, err error) {
	if done, err := Told(ctx, st, o); done || err != nil {
		return false, err
	}
	claims := claim.New(claim.Config{Store: st, Worker: me, Lease: lease, Names: names})
	mine, err := claims.TryAcquire(ctx, o.right)
	if !mine || err != nil {
		return false, err
	}
	defer func() {
		// Where this fails, the lease ends by itself.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = claims.Release(clean, o.right)
	}()
	// The last holder may have told it since.
	if done, err := Told(ctx, st, o); done || err != nil {
		return false, err
	}
	m, tries, err := tell()
	if err != nil {
		return false, err
	}
	body, err := json.Marshal(mark{Event: m.Event, ID: m.ID, Told: time.Now().UTC().Round(0), Tries: tries, Worker: me.ID})
	if err == nil {
		_, err = st.Create(context.WithoutCancel(ctx), o.mark(), append(body, '\n'))
	}
	if err != nil && !errors.Is(err, store.ErrExist) {
		return true, fmt.Errorf("the event was told, but not marked as told, so that it may be told again: %w", err)
	}
	return true, nil
}
