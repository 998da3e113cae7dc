package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

const repairFolder = Folder + "repair/"

// Repaired describes what Repair did.
type Repaired struct {
	Output string
	// Aside lists the objects that were set aside.
	Aside []Kept
	// Rebuilt names the records that were created again from the parts.
	Rebuilt []string
	// Missing is how many parts are missing until the job is run again. Unfinished
	// reports whether the job must be run again to create _SUCCESS.
	Missing    int
	Unfinished bool
	// Sources says of each other output that rows are kept in what is wrong with it. It cannot
	// be repaired here.
	Sources []string
	// Left says of each damaged list why it was not made again.
	Left []string
}

// Kept is an object that was set aside: its name, where it is now, and why.
type Kept struct{ Name, In, Why string }

// Repair repairs an output whose parts or records are damaged, altered or missing. It
// loses nothing: it moves what is damaged to _batchscore/repair/ of the output. If all
// parts are right, it creates the damaged records again. Otherwise running the job
// again creates the missing parts. A damaged job record or manifest cannot be
// repaired: the error is ErrMismatch, and nothing was changed.
//
// The rows that an increment keeps in other outputs are not touched: Repaired.Sources says which of
// those outputs are not what was recorded.
//
// No worker may work on the output at the same time.
func Repair(ctx context.Context, st store.Store) (Repaired, error) {
	r := &repair{st: st, done: Repaired{Output: st.String()}}
	err := r.run(ctx)
	if err == nil {
		err = r.sources(ctx)
	}
	return r.done, err
}

// repair is one repair.
type repair struct {
	st    store.Store
	done  Repaired
	job   Job
	state state
	into  string // the folder for what is set aside, once there is any

	generations int // retries that were begun

	base      *shard.Manifest
	all       *shard.Manifest   // the collection of an increment, else nil
	opened    []*shard.Manifest // to close
	manifests []*shard.Manifest // that rows may have
	success   bool              // _SUCCESS is there; state.success is nil if it is damaged
	list      []byte            // the file of the parts' digests, nil if there is none
	known     map[string]bool   // lines of digests that prove a part
	lines     []byte            // the file of digests for the parts as they are
}

func (r *repair) run(ctx context.Context) error {
	defer func() {
		for _, m := range r.opened {
			m.Close()
		}
	}()
	if err := r.open(ctx); err != nil {
		return err
	}
	if err := r.retries(ctx); err != nil {
		return err
	}
	if err := r.readDigests(ctx); err != nil {
		return err
	}
	if err := r.summaries(ctx); err != nil {
		return err
	}
	if err := r.parts(ctx); err != nil {
		return err
	}
	if s := r.state.success; r.done.Missing > 0 && s != nil && s.Generation() > r.state.Complete {
		// The retry lost rows too. The output returns to the generation before it; the
		// retry is published again when both are complete.
		r.manifests, r.done.Missing = r.manifests[:r.state.Complete+1], 0
		if err := r.parts(ctx); err != nil {
			return err
		}
	}
	if r.done.Missing > 0 {
		// _SUCCESS is set aside last: until then, a repair that was interrupted is
		// needed again.
		const why = "it describes parts that must be made again"
		for n := 1; n <= r.generations; n++ {
			if err := r.setAside(ctx, Generation(r.st, n), publishedName, why); err != nil && !errors.Is(err, store.ErrNotExist) {
				return err
			}
		}
		for _, name := range []string{digestsName, SuccessName} {
			if err := r.setAside(ctx, r.st, name, why); err != nil && !errors.Is(err, store.ErrNotExist) {
				return err
			}
		}
		r.done.Unfinished = true
		return nil
	}
	return r.records(ctx)
}

// open reads the records that cannot be created again.
func (r *repair) open(ctx context.Context) (err error) {
	if r.job, err = existingJob(ctx, r.st); err != nil {
		if errors.Is(err, ErrMismatch) {
			return fmt.Errorf("this cannot be repaired: %w", err)
		}
		return err
	}
	if r.job.Increments() {
		m, err := readCollection(ctx, r.st)
		if errors.Is(err, ErrMismatch) {
			return fmt.Errorf("this cannot be repaired: %w", err)
		}
		if err != nil {
			return err
		}
		r.opened, r.all = append(r.opened, m), m
	}
	r.base, err = ReadManifest(ctx, r.st)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return fmt.Errorf("this cannot be repaired: %s: the content %w: there is no %s; if the job never got so far, run it again; else choose another folder",
			r.st, ErrMismatch, manifestName)
	case errors.Is(err, ErrMismatch):
		return fmt.Errorf("this cannot be repaired: %w", err)
	case err != nil:
		return err
	}
	r.opened = append(r.opened, r.base)
	r.manifests = []*shard.Manifest{r.base}
	return nil
}

// sources looks at the outputs that rows are kept in.
func (r *repair) sources(ctx context.Context) error {
	return eachSource(ctx, r.st, &r.job, func(err error) error {
		r.done.Sources = append(r.done.Sources, err.Error())
		return nil
	})
}

// retries repairs the retries, which are outputs too, and reads the manifests that the
// rows of the parts may have.
func (r *repair) retries(ctx context.Context) error {
	for n := 1; r.job.Retry == nil; n++ {
		place := Generation(r.st, n)
		if there, err := exists(ctx, place, jobName); err != nil || !there {
			if err != nil {
				return err
			}
			break
		}
		if frozen, err := Frozen(ctx, place); err != nil {
			return err
		} else if !frozen {
			break
		}
		r.generations = n
		nested, err := Repair(ctx, place)
		r.done.Aside = append(r.done.Aside, nested.Aside...)
		r.done.Rebuilt = append(r.done.Rebuilt, nested.Rebuilt...)
		if err != nil {
			return err
		}
	}
	var err error
	r.state, err = readState(ctx, r.st, &r.job)
	var bad *damagedRecord
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	if r.success, err = exists(ctx, r.st, SuccessName); err != nil {
		return err
	}
	for n := 1; n <= r.state.generation(); n++ {
		m, err := current(ctx, r.st, r.base, n)
		if errors.Is(err, ErrMismatch) {
			err = fmt.Errorf("this cannot be repaired: %w", err)
		}
		if err != nil {
			return err
		}
		r.opened, r.manifests = append(r.opened, m), append(r.manifests, m)
	}
	return nil
}

// readDigests reads the digests that the parts may have.
func (r *repair) readDigests(ctx context.Context) error {
	most := digestsMost(r.job.Chunks(r.base.Len()).Count())
	body, _, err := readWhole(ctx, r.st, digestsName, most)
	switch {
	case err == nil:
		r.list = body
	case errors.Is(err, ErrMismatch):
		r.list = []byte{} // it is there, and proves nothing
	case !errors.Is(err, store.ErrNotExist):
		return err
	}
	var newer []byte
	if r.state.Publishing {
		if newer, _, err = readWhole(ctx, Generation(r.st, r.state.Complete), publishedName, most); err != nil {
			return err
		}
	}
	r.known = map[string]bool{}
	for _, list := range [][]byte{r.list, newer} {
		for line := range bytes.Lines(list) {
			r.known[string(line)] = true
		}
	}
	return nil
}

// summaries sets aside damaged summaries of workers.
func (r *repair) summaries(ctx context.Context) error {
	var names []string
	err := r.st.List(ctx, workerFolder, func(o store.Object) error {
		names = append(names, o.Name)
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		switch _, err := readSummary(ctx, r.st, name); {
		case err == nil, errors.Is(err, errNewer):
		case errors.Is(err, store.ErrNotExist): // a link that leads nowhere
		case !errors.Is(err, ErrMismatch):
			return err
		default:
			if err := r.setAside(ctx, r.st, name, err.Error()); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts sets aside the parts that are not those of the job, and counts what is missing
// then.
func (r *repair) parts(ctx context.Context) error {
	c := r.job.Chunks(r.base.Len())
	names := r.job.PartNames(c)
	there := shard.NewSet(c.Count())
	bad := map[string]string{}
	err := r.st.List(ctx, partPrefix, func(o store.Object) error {
		if chunk, ok := names.chunk(o.Name); ok && chunk < c.Count() {
			there.Add(chunk)
		} else {
			bad[o.Name] = fmt.Sprintf("the job has %d chunks in %s", c.Count(), r.job.Format)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var unproven []string
	var fit []byte // lines of digests of the parts whose rows match the manifest
	if err := inOrder(ctx, c.Count(), func(ctx context.Context, chunk int) (part, error) {
		if !there.Has(chunk) {
			return part{}, nil
		}
		p, err := decodePart(ctx, r.st, &r.job, c, chunk)
		if errors.Is(err, ErrMismatch) {
			err = nil // unfit will find that it has no rows
		}
		return p, err
	}, func(chunk int, p part) error {
		if !there.Has(chunk) {
			r.done.Missing++
			return nil
		}
		line := appendDigest(nil, p.digest, p.name)
		switch why, err := r.unfit(c, p); {
		case err != nil:
			return err
		case why != "":
			bad[p.name] = why
			r.done.Missing++
			return nil
		case !r.known[string(line)]:
			unproven = append(unproven, p.name)
		}
		fit = append(fit, line...)
		return nil
	}); err != nil {
		return err
	}
	s := r.state.success
	proven := s != nil && digest(fit) == s.Digests.Parts
	if !proven && (len(r.known) > 0 || s != nil) {
		for _, name := range unproven {
			bad[name] = "it has changed since the job completed"
			r.done.Missing++
		}
	}
	r.lines = fit
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		if err := r.setAside(ctx, r.st, name, bad[name]); err != nil {
			return err
		}
	}
	return nil
}

// unfit returns why a part cannot be that of its chunk, judging by its rows; empty if
// they match the manifest.
func (r *repair) unfit(c shard.Chunks, p part) (string, error) {
	first, last := c.Range(p.chunk)
	if len(p.rows) != last-first {
		return fmt.Sprintf("it has %d rows that can be read, for %d images", len(p.rows), last-first), nil
	}
	if err := r.job.Schema().CheckMark(p.rows); err != nil {
		return err.Error(), nil
	}
	for i := range p.rows {
		if err := r.job.Schema().Check(&p.rows[i]); err != nil {
			return fmt.Sprintf("row %d: %v", i, err), nil
		}
	}
	fitting := make([]bool, len(p.rows))
	for _, m := range r.manifests {
		entries, err := m.Entries(nil, first, last)
		if err != nil {
			return "", err
		}
		for i, e := range entries {
			fitting[i] = fitting[i] || fits(&p.rows[i], e)
		}
	}
	if i := slices.Index(fitting, false); i >= 0 {
		return fmt.Sprintf("row %d is not that of the image in this place", i), nil
	}
	return "", nil
}

// records repairs the records of an output that has all its parts.
func (r *repair) records(ctx context.Context) error {
	s := r.state.success
	if s != nil && !r.state.unsettled() && !r.describes(s) {
		s = nil
	}
	if r.all != nil {
		if err := r.gone(ctx, s); err != nil {
			return err
		}
	}
	if s == nil && !r.success { // the job was never complete
		r.done.Unfinished = true
		if r.list != nil && r.state.Complete == 0 && !bytes.Equal(r.list, r.lines) {
			return r.setAside(ctx, r.st, digestsName, "it does not hold the digests of the parts")
		}
		return nil
	}
	if s != nil && r.state.unsettled() {
		r.done.Unfinished = true
		return nil
	}
	if !bytes.Equal(r.list, r.lines) {
		if r.list != nil {
			if err := r.setAside(ctx, r.st, digestsName, "it does not hold the digests of the parts"); err != nil {
				return err
			}
		}
		if _, _, _, err := createOrRead(ctx, r.st, digestsName, r.lines); err != nil {
			return err
		}
		r.done.Rebuilt = append(r.done.Rebuilt, digestsName)
	}
	if s != nil {
		return r.failed(ctx, s)
	}
	if err := r.setAside(ctx, r.st, SuccessName, "it is damaged, or not of this output"); err != nil {
		return err
	}
	var versions map[string]string
	if workers, err := ReadSummaries(ctx, r.st); err == nil && len(workers) > 0 {
		versions = workers[len(workers)-1].Versions
	}
	if _, err := Finish(ctx, r.st, r.job, r.base, FinishOptions{Versions: versions}); err != nil {
		return err
	}
	r.done.Rebuilt = append(r.done.Rebuilt, SuccessName)
	return nil
}

// failed makes the list of failed images again from the rows, if it is missing or damaged.
func (r *repair) failed(ctx context.Context, s *Success) error {
	if s.FailedDigest == "" {
		return nil
	}
	return r.remake(ctx, failedPlace(r.st, s.Generation()), failedName, s.FailedDigest, func() (*shard.Manifest, error) {
		return failedRows(ctx, r.st)
	})
}

// gone does so for the list of the images that are gone, from the collections. s is nil while the
// output is not complete.
func (r *repair) gone(ctx context.Context, s *Success) error {
	want := ""
	if s != nil && s.Increment != nil {
		want = s.Increment.GoneDigest
		if r.all.Digest() != s.Increment.Collection {
			return fmt.Errorf("this cannot be repaired: %s of %s: %w: it has changed since the job completed", collectionName, r.st, ErrMismatch)
		}
	}
	return r.remake(ctx, r.st, goneName, want, func() (*shard.Manifest, error) {
		sources := r.job.After.Sources
		was, failed, err := sources[len(sources)-1].OpenCollection(ctx, r.st)
		if err != nil {
			return nil, err
		}
		defer was.Close()
		defer failed.Close()
		w, now := shard.NewWriter(room), shard.NewWalk(r.all)
		at := shard.NewWalk(was)
		for ; !at.Done && now.Err == nil && err == nil; at.Next() {
			if !now.Seek(at.Path) && now.Err == nil {
				err = w.Add(at.Version())
			}
		}
		err = errors.Join(err, at.Err, now.Err)
		if err != nil {
			w.Close()
			return nil, err
		}
		return w.Manifest()
	})
}

// remake makes a list again that is missing or damaged. want is its digest, if that is known. A list
// for which other outputs are missing stays as it is, and Repaired.Left names it.
func (r *repair) remake(ctx context.Context, place store.Store, name, want string, build func() (*shard.Manifest, error)) error {
	stored, err := readManifest(ctx, place, name)
	switch {
	case err == nil:
		stored.Close()
		if want == "" || stored.Digest() == want {
			return nil
		}
	case !errors.Is(err, ErrMismatch) && !errors.Is(err, store.ErrNotExist):
		return err
	}
	there := !errors.Is(err, store.ErrNotExist)
	m, err := build()
	if err == nil {
		defer m.Close()
		if want != "" && m.Digest() != want {
			err = fmt.Errorf("%w: what is there now shows another list", ErrMismatch)
		}
	}
	if errors.Is(err, ErrMismatch) {
		r.done.Left = append(r.done.Left, fmt.Sprintf("%s of %s: %v", name, place, err))
		return nil
	}
	if err != nil {
		return err
	}
	if there {
		if err := r.setAside(ctx, place, name, "it is damaged, or not of this output"); err != nil {
			return err
		}
	}
	if _, err := store.CreateFrom(ctx, place, name, m.Encode); err != nil {
		return fmt.Errorf("store %s of %s: %w", name, place, err)
	}
	r.done.Rebuilt = append(r.done.Rebuilt, name)
	return nil
}

// describes reports whether _SUCCESS is that of this output.
func (r *repair) describes(s *Success) bool {
	want := digestsOf(&r.job, r.manifests[len(r.manifests)-1], r.lines)
	return s.Job == r.job.ID && s.Format == r.job.Format && s.Images == r.base.Len() && s.Digests == want
}

// setAside moves an object into the folder of this repair.
func (r *repair) setAside(ctx context.Context, place store.Store, name, why string) error {
	from, o, err := place.Open(ctx, name, "")
	if err != nil {
		return err
	}
	defer from.Close()
	if o.Size > partMost {
		return fmt.Errorf("%w; that is more than is kept: delete it, and run this again",
			tooLarge{&store.TooLarge{Name: name, Place: place.String(), Size: o.Size, Most: partMost}})
	}
	if r.into == "" {
		if r.into, err = r.nextFolder(ctx); err != nil {
			return err
		}
	}
	kept := r.into + name
	if sub, ok := place.(*store.Sub); ok && place != r.st {
		kept = r.into + sub.Folder() + name
	}
	if _, err := store.CreateFrom(ctx, r.st, kept, func(w io.Writer) error {
		n, err := io.Copy(w, io.LimitReader(from, o.Size+1))
		if err == nil && n != o.Size {
			err = fmt.Errorf("%w: %d bytes of %d", store.ErrUnavailable, n, o.Size)
		}
		return err
	}); err != nil {
		return fmt.Errorf("keep %s of %s: %w", name, place, err)
	}
	if err := store.Delete(ctx, place, name, o.ETag); err != nil {
		return fmt.Errorf("set %s of %s aside: %w", name, place, err)
	}
	r.done.Aside = append(r.done.Aside, Kept{Name: name, In: strings.TrimSuffix(r.st.String(), "/") + "/" + kept, Why: why})
	return nil
}

// nextFolder returns a folder for what is set aside that does not exist yet.
func (r *repair) nextFolder(ctx context.Context) (string, error) {
	last := 0
	err := store.Names(ctx, r.st, repairFolder, func(name string) error {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, repairFolder), "/")
		if n, err := strconv.Atoi(number); err == nil {
			last = max(last, n)
		}
		return nil
	})
	return path.Join(repairFolder, fmt.Sprintf("%04d", last+1)) + "/", err
}

// String describes for people what was done and what to do next.
func (r *Repaired) String() string {
	var b strings.Builder
	output := printable.Line(r.Output)
	for _, k := range r.Aside {
		fmt.Fprintf(&b, "set aside: %s: %s; it is kept as %s\n", printable.Line(k.Name), printable.Line(k.Why), printable.Line(k.In))
	}
	for _, name := range r.Rebuilt {
		fmt.Fprintf(&b, "made again: %s\n", printable.Line(name))
	}
	for _, text := range slices.Concat(r.Left, r.Sources) {
		fmt.Fprintf(&b, "not repaired: %s\n", printable.Line(text))
	}
	switch {
	case r.Missing > 0:
		fmt.Fprintf(&b, "parts missing from %[2]s: %[1]d; run the same command again, which makes them\n", r.Missing, output)
	case r.Unfinished:
		fmt.Fprintf(&b, "%s is not complete: run the same command again, which finishes it\n", output)
	case len(r.Left) > 0:
		fmt.Fprintf(&b, "the own rows of %s are right; what is not repaired needs other outputs as they were\n", output)
	case len(r.Sources) > 0:
		fmt.Fprintf(&b, "the own rows of %s are right; rows that it keeps are not\n", output)
	case len(r.Aside)+len(r.Rebuilt) == 0:
		fmt.Fprintf(&b, "nothing in %s needs repair\n", output)
	default:
		fmt.Fprintf(&b, "%s is complete again\n", output)
	}
	return b.String()
}
