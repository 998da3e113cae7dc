package claim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/store"
)

// folder has one object per link.
const folder = "_batchscore/claims/"

// claimMost is the most bytes of a link and of a trial. They have less than 1 kB.
const claimMost = 64 << 10

// longestHeld is longer than a worker can hold a right, in seconds.
const longestHeld = 100 * 366 * 86_400

// ErrVanished means that a claim that exists cannot be found.
var ErrVanished = errors.New("a claim vanished from the output folder")

// link is one object of a chain.
type link struct {
	identity
	Generation int  `json:"generation"`
	Released   bool `json:"released"`
	// Leaving says that the owner was asked to end, and may be killed before it commits or
	// releases what it claimed.
	Leaving bool `json:"leaving,omitempty"`
	// Held is the seconds since the owner's first link of this claim.
	Held   float64 `json:"held_seconds,omitempty"`
	Worker Worker  `json:"worker"`

	right    Right
	modified time.Time
}

// identity is what a link says it is a claim on: the number of the right, under
// the name that field had when every right was a chunk, or its name.
type identity struct {
	Number *int   `json:"chunk,omitempty"`
	Name   string `json:"right,omitempty"`
}

func (n Names) identity(r Right) identity {
	if n.numbered {
		number := n.number(r)
		return identity{Number: &number}
	}
	return identity{Name: n.name(r)}
}

func (i identity) equal(o identity) bool {
	if i.Number == nil || o.Number == nil {
		return i.Number == o.Number && i.Name == o.Name
	}
	return *i.Number == *o.Number && i.Name == o.Name
}

// linkName returns the name of one link's object.
func (n Names) linkName(r Right, generation int) string {
	return fmt.Sprintf("%s%s.%06d", folder, n.name(r), generation)
}

// parseLink is the inverse of linkName.
func (n Names) parseLink(object string) (r Right, generation int, ok bool) {
	rest, ok := strings.CutPrefix(object, folder)
	if !ok {
		return Right{}, 0, false
	}
	name, digits, _ := strings.Cut(rest, ".")
	r, ok = n.parse(name)
	if !ok {
		return Right{}, 0, false
	}
	generation, err := strconv.Atoi(digits)
	ok = err == nil && generation >= 0 && n.linkName(r, generation) == object
	return r, generation, ok
}

// chains is the claims of one job as they are in the store. It reads only.
type chains struct {
	st    store.Store
	names Names
}

// last returns the last link of a right that has one.
func (c chains) last(ctx context.Context, r Right) (link, error) {
	ends, err := c.ends(ctx, c.names.name(r)+".")
	if err != nil {
		return link{}, err
	}
	generation, ok := ends[r]
	if !ok {
		return c.lastByName(ctx, r)
	}
	return c.read(ctx, r, generation)
}

// lastByName is last without a listing. A machine that mounts a folder may list it as it
// was a while ago, but looks up a name that it is asked for.
func (c chains) lastByName(ctx context.Context, r Right) (last link, err error) {
	for generation := 0; ; generation++ {
		next, err := c.read(ctx, r, generation)
		switch {
		case err == nil:
			last = next
		case !errors.Is(err, store.ErrNotExist):
			return link{}, err
		case generation == 0:
			return link{}, fmt.Errorf("%w: the one on %s, from %s", ErrVanished, r, c.st)
		default:
			return last, nil
		}
	}
}

// ends returns the last generation of each right whose links' names begin with
// prefix.
func (c chains) ends(ctx context.Context, prefix string) (map[Right]int, error) {
	ends := map[Right]int{}
	err := store.Names(ctx, c.st, folder+prefix, func(object string) error {
		if r, generation, ok := c.names.parseLink(object); ok {
			ends[r] = max(ends[r], generation)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the claims: %w", err)
	}
	return ends, nil
}

// read returns one link. If its content cannot be understood, its owner is
// unknown, and it is judged by its age.
func (c chains) read(ctx context.Context, r Right, generation int) (link, error) {
	body, o, err := store.ReadAll(ctx, c.st, c.names.linkName(r, generation), claimMost)
	if err != nil && !errors.As(err, new(*store.TooLarge)) {
		return link{}, fmt.Errorf("read the claim on %s: %w", r, err)
	}
	var l link
	want := c.names.identity(r)
	if json.Unmarshal(body, &l) != nil || !l.identity.equal(want) || l.Generation != generation ||
		!l.Worker.plausible() || !(l.Held >= 0 && l.Held <= longestHeld) {
		l = link{identity: want, Generation: generation}
	}
	l.right, l.modified = r, o.Modified
	return l, nil
}

// readers is how many links are read at once, so that a scan of many claims does
// not wait for a distant store once for each.
const readers = 16

// lastOfChunks returns the last link of every chunk that has one, except those
// that skip reports. read reads one link.
func (c chains) lastOfChunks(ctx context.Context, skip func(chunk int) bool,
	read func(ctx context.Context, r Right, generation int) (link, error),
) ([]link, error) {
	return c.lastOf(ctx, c.names.chunkNames(), func(r Right) bool {
		chunk, ok := r.Chunk()
		return ok && (skip == nil || !skip(chunk))
	}, read)
}

// lastOf returns the last link of every right that is wanted and has one, among those
// whose links' names begin with prefix.
func (c chains) lastOf(ctx context.Context, prefix string, wanted func(Right) bool,
	read func(ctx context.Context, r Right, generation int) (link, error),
) ([]link, error) {
	ends, err := c.ends(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var rights []Right
	for r := range ends {
		if wanted(r) {
			rights = append(rights, r)
		}
	}
	links := make([]link, len(rights))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, r := range rights {
		g.Go(func() (err error) {
			links[i], err = read(ctx, r, ends[r])
			return err
		})
	}
	return links, g.Wait()
}

// Owner is who claimed a right last.
type Owner struct {
	Chunk    int    // -1 for a right that is not a chunk
	Worker   Worker // its ID is empty if the claim cannot be understood
	Released bool
	Modified time.Time // when the claim was made or last renewed, by the store's clock
}

// Owners returns, in no order, the owner of every chunk that was ever claimed,
// except those that skip reports. It writes nothing, not even to learn the
// store's time.
func Owners(ctx context.Context, st store.Store, names Names, skip func(chunk int) bool) ([]Owner, error) {
	c := chains{st, names}
	links, err := c.lastOfChunks(ctx, skip, c.read)
	return ownersOf(links), err
}

// OtherOwners is Owners for all rights that are not chunks: the end of the job, and
// races for a chunk.
func OtherOwners(ctx context.Context, st store.Store, names Names) ([]Owner, error) {
	c := chains{st, names}
	links, err := c.lastOf(ctx, "", func(r Right) bool {
		_, isChunk := r.Chunk()
		return !isChunk
	}, c.read)
	return ownersOf(links), err
}

func ownersOf(links []link) []Owner {
	owners := make([]Owner, len(links))
	for i, l := range links {
		owners[i] = Owner{Chunk: -1, Worker: l.Worker, Released: l.Released, Modified: l.modified}
		if chunk, ok := l.right.Chunk(); ok {
			owners[i].Chunk = chunk
		}
	}
	return owners
}

// Times calls fn with the time of each link of the claims on a job's chunks, by the
// store's clock: workers that were at work then created or renewed a claim.
func Times(ctx context.Context, st store.Store, names Names, fn func(time.Time)) error {
	err := st.List(ctx, folder, func(o store.Object) error {
		if r, _, ok := names.parseLink(o.Name); ok && (r.kind == onChunk || r.kind == onDouble) {
			fn(o.Modified)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("list the claims: %w", err)
	}
	return nil
}
