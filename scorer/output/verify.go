package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Verify proves that the rows of an output folder equal its manifest, or says
// in what they do not: every part is read, and job record, manifest, parts,
// their digests and _SUCCESS are held against one another. It works on a
// folder that is not finished, too, and reports what is missing. It holds a
// few parts in memory at a time, and one bit per image.
//
// What is wrong with the folder is in the report; an error means that the
// folder could not be read. A place without a job record is
// store.ErrNotExist.
func Verify(ctx context.Context, st store.Store) (Report, error) {
	for {
		v := verifier{st: st, report: Report{Output: st.String(), Statuses: map[string]int{}}}
		report, err := v.verify(ctx)
		if err != nil || report.OK() || !v.placed || !v.state.moved(ctx, st, &v.job) {
			return report, err
		}
		// A retry went on while the parts were read: what did not fit may fit now.
	}
}

func (v *verifier) verify(ctx context.Context) (Report, error) {
	ok, err := v.open(ctx)
	if err != nil || !ok {
		return v.report, err
	}
	defer v.close()
	if err := v.list(ctx); err != nil {
		return v.report, err
	}
	if err := inOrder(ctx, v.chunks.Count(), v.read, v.part); err != nil {
		return v.report, err
	}
	if err := v.unseen(); err != nil {
		return v.report, err
	}
	if err := v.digests(ctx); err != nil {
		return v.report, err
	}
	return v.report, v.success(ctx)
}

// verifier is one verification on its way.
type verifier struct {
	st       store.Store
	report   Report
	job      Job
	state    state
	placed   bool            // state was read
	base     *shard.Manifest // that was frozen
	manifest *shard.Manifest // with the entries of retried images
	older    []*shard.Manifest
	chunks   shard.Chunks
	stand    *shard.Set    // chunks whose part stands
	seen     *shard.Set    // manifest entries that have a row somewhere
	entries  []shard.Entry // of the chunk at hand
	lines    []byte        // what the file of the parts' digests should hold
	sums     string        // digest of that file, or of lines if it is not there
}

func (v *verifier) close() {
	for _, m := range append(v.older, v.base, v.manifest) {
		if m != nil {
			m.Close() // twice does no harm
		}
	}
}

// damaged reports err if it tells of a damaged record.
func (v *verifier) damaged(name string, err error) bool {
	if !errors.Is(err, ErrMismatch) {
		return false
	}
	v.report.add(Problem{Kind: Damaged, Chunk: -1, Object: name, Detail: err.Error()})
	return true
}

// open reads the record and the manifest, without which nothing can be said.
func (v *verifier) open(ctx context.Context) (bool, error) {
	var err error
	if v.job, err = ExistingJob(ctx, v.st); err != nil {
		if v.damaged(jobName, err) {
			return false, nil
		}
		return false, err
	}
	v.report.Job, v.report.Format, v.report.Simulated = v.job.ID, v.job.Format, v.job.Simulated()
	v.report.DependentRows = v.job.DependentRows
	if v.base, err = ReadManifest(ctx, v.st); err != nil {
		if errors.Is(err, store.ErrNotExist) {
			v.report.add(Problem{Kind: Missing, Chunk: -1, Object: manifestName, Detail: "without the manifest, the list of images, nothing can be judged"})
			return false, nil
		}
		if v.damaged(manifestName, err) {
			return false, nil
		}
		return false, err
	}
	v.state, err = readState(ctx, v.st, &v.job)
	if err != nil && !v.damagedSuccess(err) {
		return v.unreadable(err)
	}
	v.placed = err == nil
	v.report.Publishing = err == nil && v.state.unsettled()
	if v.manifest, err = current(ctx, v.st, v.base, v.state.generation()); err != nil {
		return v.unreadable(err)
	}
	v.report.Retries = v.state.generation()
	if err := v.readOlder(ctx); err != nil {
		return v.unreadable(err)
	}
	if v.state.Begun != nil || v.state.success != nil && v.state.success.Generation() < v.state.Complete {
		v.report.Unfinished = max(v.state.Complete, 1)
		if v.state.Begun != nil {
			v.report.Unfinished = v.state.Complete + 1
		}
	}
	v.chunks = v.job.Chunks(v.manifest.Len())
	v.stand, v.seen = shard.NewSet(v.chunks.Count()), shard.NewSet(v.manifest.Len())
	v.report.Images, v.report.Chunks = v.manifest.Len(), v.chunks.Count()
	return true, nil
}

// damagedSuccess reports whether err is one of _SUCCESS, which is told later: the
// parts can be judged without.
func (v *verifier) damagedSuccess(err error) bool {
	var d *damagedRecord
	return errors.As(err, &d) && d.name == SuccessName && d.place == v.st.String()
}

// unreadable ends a verification that does not find what the retries did.
func (v *verifier) unreadable(err error) (bool, error) {
	v.close()
	if v.damaged(strings.TrimSuffix(retryFolder, "/"), err) {
		return false, nil
	}
	return false, err
}

// list finds the parts, and what poses as one.
func (v *verifier) list(ctx context.Context) error {
	return v.st.List(ctx, partPrefix, func(o store.Object) error {
		chunk, ok := partChunk(o.Name, v.job.Format)
		if ok && chunk < v.chunks.Count() {
			v.stand.Add(chunk)
			return nil
		}
		v.report.add(Problem{Kind: Surplus, Chunk: -1, Object: o.Name,
			Detail: fmt.Sprintf("the job has %d chunks in %s", v.chunks.Count(), v.job.Format)})
		return nil
	})
}

// read returns the part of a chunk as it is stored, if it stands.
func (v *verifier) read(ctx context.Context, chunk int) ([]byte, error) {
	if !v.stand.Has(chunk) {
		return nil, nil
	}
	body, _, err := store.ReadAll(ctx, v.st, PartName(chunk, v.job.Format))
	return body, err
}

// part checks the rows of one chunk, whose part is stored as body, against its
// entries.
func (v *verifier) part(chunk int, body []byte) error {
	first, last := v.chunks.Range(chunk)
	entries, err := v.manifest.Entries(v.entries, first, last)
	if err != nil {
		return err
	}
	v.entries = entries
	name := PartName(chunk, v.job.Format)
	if !v.stand.Has(chunk) {
		v.report.Missing++
		v.report.add(Problem{Kind: Missing, Chunk: chunk, Object: name, Path: strings.Clone(entries[0].Path),
			Detail: fmt.Sprintf("no part for %d images, from this path on", last-first)})
		return nil
	}
	v.lines = appendDigest(v.lines, hexDigest(body), name)
	rows, err := v.job.decode(body)
	if err != nil {
		v.report.add(Problem{Kind: Damaged, Chunk: chunk, Object: name, Detail: err.Error()})
		return nil
	}
	v.report.Parts++
	v.report.Rows += len(rows)
	for i := range rows {
		v.report.Statuses[rows[i].Status]++
		if err := v.row(chunk, name, first, i, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// row checks row i of the part of the chunk of v.entries, of which the first is
// that of index first.
func (v *verifier) row(chunk int, name string, first, i int, r *row.Row) error {
	say := func(kind Kind, path, format string, args ...any) {
		v.report.add(Problem{Kind: kind, Chunk: chunk, Object: name, Path: path,
			Detail: fmt.Sprintf("row %d: ", i) + fmt.Sprintf(format, args...)})
	}
	path, err := r.Name()
	if err != nil {
		say(Damaged, r.Path, "%v", err)
		return nil
	}
	at, e, ok, err := v.find(path, first, i)
	if err != nil {
		return err
	}
	if !ok {
		say(Surplus, path, "the manifest does not have this path")
		return nil
	}
	if !v.seen.Add(at) {
		say(Doubled, path, "this image has a row already")
	} else if at != first+i {
		say(Misplaced, path, "it belongs in %s as row %d", PartName(at/v.chunks.Size, v.job.Format), at%v.chunks.Size)
	}
	if r.Size != e.Size && !v.before(r.Size, path) {
		say(Altered, path, "the size is %d, in the manifest %d", r.Size, e.Size)
	}
	if err := v.job.Schema().Check(r); err != nil {
		say(Altered, path, "%v", err)
	}
	return nil
}

// readOlder reads the manifests that rows may have where some are of before a
// retry.
func (v *verifier) readOlder(ctx context.Context) error {
	if !v.state.unsettled() {
		return nil
	}
	v.older = []*shard.Manifest{v.base}
	for n := 1; n < v.state.Complete; n++ {
		m, err := ReadManifest(ctx, Generation(v.st, n))
		if err != nil {
			return err
		}
		v.older = append(v.older, m)
	}
	return nil
}

// before reports whether an image may have a row of that size from before a
// retry, whose rows are being put into the parts.
func (v *verifier) before(size int64, path string) bool {
	for _, m := range v.older {
		i, ok, err := m.Find(path)
		if !ok || err != nil {
			continue
		}
		if e, err := m.At(i); err == nil && e.Size == size {
			return true
		}
	}
	return false
}

// find returns the entry of a path and its index, which it looks for first where
// it should be: as entry i of v.entries.
func (v *verifier) find(path string, first, i int) (at int, e shard.Entry, ok bool, err error) {
	if i < len(v.entries) && v.entries[i].Path == path {
		return first + i, v.entries[i], true, nil
	}
	if at, ok, err = v.manifest.Find(path); ok && err == nil {
		e, err = v.manifest.At(at)
	}
	return at, e, ok, err
}

// unseen reports the images without a row in parts that stand.
func (v *verifier) unseen() error {
	for i := range v.manifest.Len() {
		if v.seen.Has(i) {
			continue
		}
		v.report.MissingImages++
		if chunk := i / v.chunks.Size; v.stand.Has(chunk) {
			e, err := v.manifest.At(i)
			if err != nil {
				return err
			}
			v.report.add(Problem{Kind: Missing, Chunk: chunk, Object: PartName(chunk, v.job.Format),
				Path: strings.Clone(e.Path), Detail: "this image has no row"})
		}
	}
	return nil
}

// digests compares the parts with the digests that were taken of them when
// the job was finished.
func (v *verifier) digests(ctx context.Context) error {
	v.sums = digest(v.lines)
	body, _, err := store.ReadAll(ctx, v.st, digestsName)
	if errors.Is(err, store.ErrNotExist) {
		return nil // not finished; or it is, and the digest in _SUCCESS proves the parts alone
	}
	if err != nil {
		return err
	}
	v.sums = digest(body)
	want := map[string]bool{}
	for line := range bytes.Lines(body) {
		want[string(line)] = true
	}
	if v.state.unsettled() {
		newer, _, err := store.ReadAll(ctx, Generation(v.st, v.state.Complete), publishedName)
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return err
		}
		for line := range bytes.Lines(newer) {
			want[string(line)] = true
		}
	}
	for line := range bytes.Lines(v.lines) {
		if want[string(line)] {
			delete(want, string(line))
			continue
		}
		_, name, _ := bytes.Cut(bytes.TrimSpace(line), []byte("  "))
		chunk, _ := partChunk(string(name), v.job.Format)
		v.report.add(Problem{Kind: Altered, Chunk: chunk, Object: string(name),
			Detail: "its digest is not the one in " + digestsName})
	}
	if v.report.OK() && !v.state.unsettled() && !bytes.Equal(v.lines, body) {
		v.report.add(Problem{Kind: Damaged, Chunk: -1, Object: digestsName, Detail: "it does not list the parts, each once and in order"})
	}
	return nil
}

// success compares _SUCCESS with what was found.
func (v *verifier) success(ctx context.Context) error {
	s, err := ReadSuccess(ctx, v.st)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if v.damaged(SuccessName, err) {
		v.report.Complete = true
		return nil
	}
	if err != nil {
		return err
	}
	if v.state.unsettled() {
		return nil // it tells of what was
	}
	v.report.Complete, v.report.MixedDecoding = true, s.MixedDecoding
	differ := func(what string, have, want any) {
		if have != want {
			v.report.add(Problem{Kind: Altered, Chunk: -1, Object: SuccessName,
				Detail: fmt.Sprintf("%s: it says %v, there is %v", what, have, want)})
		}
	}
	differ("job", s.Job, v.job.ID)
	differ("format", s.Format, v.job.Format)
	differ("dependent rows allowed", s.DependentRows, v.job.DependentRows)
	differ("images", s.Images, v.manifest.Len())
	differ("chunks", s.Chunks, v.chunks.Count())
	differ("chunk size", s.ChunkSize, v.chunks.Size)
	differ("digest of the manifest", s.Digests.Manifest, v.manifest.Digest())
	differ("digest of the model", s.Digests.Model, v.job.ModelDigest)
	differ("digest of the preprocessing", s.Digests.Preprocess, v.job.PreprocessDigest)
	differ("digest of the labels", s.Digests.Labels, v.job.LabelsDigest)
	differ("digest of the parts", s.Digests.Parts, v.sums)
	if !v.report.OK() {
		return nil // the counts differ for the reasons given already
	}
	for _, status := range slices.Sorted(maps.Keys(merged(s.Statuses, v.report.Statuses))) {
		differ("images "+status, s.Statuses[status], v.report.Statuses[status])
	}
	return nil
}

func merged(a, b map[string]int) map[string]int {
	all := maps.Clone(b)
	maps.Copy(all, a)
	return all
}
