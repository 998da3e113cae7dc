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

// Verify proves that the rows of an output folder equal its manifest, or reports how
// they differ. It reads every part, and compares the job record, the manifest, the
// parts, their digests and _SUCCESS with one another. It also works on an unfinished
// folder, and reports what is missing. It holds a few parts in memory at a time, and
// one bit per image.
//
// The report says what is wrong with the folder; an error means that the folder could
// not be read. It is store.ErrNotExist if the place has no job record.
//
// For an increment it also proves that each image of the collection has one row, and the rows that
// are in other outputs by the digests in the record. It never reads an image.
func Verify(ctx context.Context, st store.Store) (Report, error) { return verify(ctx, st, false) }

// VerifyOwn is Verify without the rows that an increment keeps: it reads no other output.
func VerifyOwn(ctx context.Context, st store.Store) (Report, error) { return verify(ctx, st, true) }

func verify(ctx context.Context, st store.Store, ownRows bool) (Report, error) {
	for {
		v := verifier{st: st, ownRows: ownRows, report: Report{Output: st.String(), Statuses: map[string]int{}}}
		report, err := v.verify(ctx)
		if err != nil || report.OK() || !v.placed || !v.state.moved(ctx, st, &v.job) {
			return report, err
		}
		// A retry progressed while the parts were read: what differed may match now.
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
	if err := v.success(ctx); err != nil {
		return v.report, err
	}
	return v.report, v.collection(ctx)
}

// verifier is one verification.
type verifier struct {
	st       store.Store
	ownRows  bool
	report   Report
	job      Job
	state    state
	placed   bool            // state was read
	base     *shard.Manifest // as it was frozen
	manifest *shard.Manifest // with the entries of retried images
	older    []*shard.Manifest
	chunks   shard.Chunks
	names    PartNames
	exist    *shard.Set    // chunks that have a part
	seen     *shard.Set    // manifest entries that have a row somewhere
	entries  []shard.Entry // of the current chunk
	lines    []byte        // what the file of the parts' digests should hold
	sums     string        // the digest of that file, or of lines if it does not exist
}

func (v *verifier) close() {
	for _, m := range append(v.older, v.base, v.manifest) {
		if m != nil {
			m.Close() // base and manifest may be the same
		}
	}
}

// damaged adds err to the report if it is ErrMismatch, and reports whether it is. A record
// of a newer release is not damaged.
func (v *verifier) damaged(name string, err error) bool {
	if !errors.Is(err, ErrMismatch) || errors.Is(err, errNewer) {
		return false
	}
	v.report.add(Problem{Kind: Damaged, Chunk: -1, Object: name, Detail: err.Error()})
	return true
}

// open reads the record, the manifest and the retries. It returns false if they do not
// allow the parts to be checked; the report then says why.
func (v *verifier) open(ctx context.Context) (bool, error) {
	var err error
	if v.job, err = existingJob(ctx, v.st); err != nil {
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
	v.names = v.job.PartNames(v.chunks)
	v.exist, v.seen = shard.NewSet(v.chunks.Count()), shard.NewSet(v.manifest.Len())
	v.report.Images, v.report.Chunks = v.manifest.Len(), v.chunks.Count()
	return true, nil
}

// damagedSuccess reports whether err is about _SUCCESS. It is reported later, because
// the parts can be checked without it.
func (v *verifier) damagedSuccess(err error) bool {
	var d *damagedRecord
	return errors.As(err, &d) && d.name == SuccessName && d.place == v.st.String()
}

// unreadable ends a verification that cannot read the retries.
func (v *verifier) unreadable(err error) (bool, error) {
	v.close()
	if v.damaged(strings.TrimSuffix(retryFolder, "/"), err) {
		return false, nil
	}
	return false, err
}

// list finds the parts, and objects that only look like one.
func (v *verifier) list(ctx context.Context) error {
	return v.st.List(ctx, partPrefix, func(o store.Object) error {
		chunk, ok := v.names.chunk(o.Name)
		if ok && chunk < v.chunks.Count() {
			v.exist.Add(chunk)
			return nil
		}
		v.report.add(Problem{Kind: Surplus, Chunk: -1, Object: o.Name,
			Detail: fmt.Sprintf("the job has %d chunks in %s", v.chunks.Count(), v.job.Format)})
		return nil
	})
}

// stored is the stored part of a chunk. bad is why it cannot be that of the job, and was
// not read.
type stored struct {
	body []byte
	bad  error
}

// read returns the stored part of a chunk, nothing if there is none.
func (v *verifier) read(ctx context.Context, chunk int) (s stored, err error) {
	if !v.exist.Has(chunk) {
		return s, nil
	}
	first, last := v.chunks.Range(chunk)
	s.body, _, err = readWhole(ctx, v.st, v.names.Name(chunk), v.job.partMost(last-first))
	if errors.Is(err, ErrMismatch) {
		s.bad, err = err, nil
	}
	return s, err
}

// part compares the rows of a chunk with its entries.
func (v *verifier) part(chunk int, s stored) error {
	first, last := v.chunks.Range(chunk)
	entries, err := v.manifest.Entries(v.entries, first, last)
	if err != nil {
		return err
	}
	v.entries = entries
	name := v.names.Name(chunk)
	if !v.exist.Has(chunk) {
		v.report.Missing++
		v.report.add(Problem{Kind: Missing, Chunk: chunk, Object: name, Path: strings.Clone(entries[0].Path),
			Detail: fmt.Sprintf("no part for %d images, from this path on", last-first)})
		return nil
	}
	if s.bad != nil {
		v.report.add(Problem{Kind: Damaged, Chunk: chunk, Object: name, Detail: s.bad.Error()})
		return nil
	}
	v.lines = appendDigest(v.lines, hexDigest(s.body), name)
	rows, err := v.job.decode(s.body, last-first)
	if err != nil {
		v.report.add(Problem{Kind: Damaged, Chunk: chunk, Object: name, Detail: err.Error()})
		return nil
	}
	schema := v.job.Schema()
	if err := schema.CheckMark(rows); err != nil {
		v.report.add(Problem{Kind: Altered, Chunk: chunk, Object: name, Detail: err.Error()})
	}
	v.report.Parts++
	v.report.Rows += len(rows)
	for i := range rows {
		v.report.Statuses[rows[i].Status]++
		if err := v.row(schema, chunk, name, first, i, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// row checks row i of a chunk, whose entries are v.entries. first is the index of the
// first of them in the manifest.
func (v *verifier) row(schema row.Schema, chunk int, name string, first, i int, r *row.Row) error {
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
		say(Misplaced, path, "it belongs in %s as row %d", v.names.Name(at/v.chunks.Size), at%v.chunks.Size)
	}
	if r.Size != e.Size && !v.hadSize(r.Size, path) {
		say(Altered, path, "the size is %d, in the manifest %d", r.Size, e.Size)
	}
	if err := schema.Check(r); err != nil {
		say(Altered, path, "%v", err)
	}
	return nil
}

// readOlder reads the manifests of before the last retry, which rows may have while the
// output is unsettled.
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

// hadSize reports whether an image had that size in a manifest of before the last
// retry.
func (v *verifier) hadSize(size int64, path string) bool {
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

// find returns the entry of a path and its index in the manifest. It looks first where
// the entry should be: in v.entries[i].
func (v *verifier) find(path string, first, i int) (at int, e shard.Entry, ok bool, err error) {
	if i < len(v.entries) && v.entries[i].Path == path {
		return first + i, v.entries[i], true, nil
	}
	if at, ok, err = v.manifest.Find(path); ok && err == nil {
		e, err = v.manifest.At(at)
	}
	return at, e, ok, err
}

// unseen reports the images that have no row although their chunk has a part.
func (v *verifier) unseen() error {
	for i := range v.manifest.Len() {
		if v.seen.Has(i) {
			continue
		}
		v.report.MissingImages++
		if chunk := i / v.chunks.Size; v.exist.Has(chunk) {
			e, err := v.manifest.At(i)
			if err != nil {
				return err
			}
			v.report.add(Problem{Kind: Missing, Chunk: chunk, Object: v.names.Name(chunk),
				Path: strings.Clone(e.Path), Detail: "this image has no row"})
		}
	}
	return nil
}

// digests compares the parts with the digests that were stored when the job was
// complete.
func (v *verifier) digests(ctx context.Context) error {
	v.sums = digest(v.lines)
	body, _, err := readWhole(ctx, v.st, digestsName, digestsMost(v.chunks.Count()))
	if errors.Is(err, store.ErrNotExist) {
		return nil // the job is not complete, or only the digest in _SUCCESS proves the parts
	}
	if v.damaged(digestsName, err) {
		return nil
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
		newer, _, err := readWhole(ctx, Generation(v.st, v.state.Complete), publishedName, digestsMost(v.chunks.Count()))
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
		chunk, _ := v.names.chunk(string(name))
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
		return nil // it describes the output of before the retry
	}
	v.report.Complete, v.report.MixedDecoding, v.report.GPUKinds = true, s.MixedDecoding, s.GPUKinds
	if counted := s; counted.CountWorkers(ctx, v.st) == nil { // those included that ended last
		v.report.GPUKinds = counted.GPUKinds
	}
	v.differ("job", s.Job, v.job.ID)
	v.differ("format", s.Format, v.job.Format)
	v.differ("dependent rows allowed", s.DependentRows, v.job.DependentRows)
	v.differ("form of the parts", s.PartForm, v.job.PartForm)
	v.differ("images", s.Images, v.manifest.Len())
	v.differ("chunks", s.Chunks, v.chunks.Count())
	v.differ("chunk size", s.ChunkSize, v.chunks.Size)
	v.differ("digest of the manifest", s.Digests.Manifest, v.manifest.Digest())
	v.differ("digest of the model", s.Digests.Model, v.job.ModelDigest)
	v.differ("digest of the preprocessing", s.Digests.Preprocess, v.job.PreprocessDigest)
	v.differ("digest of the labels", s.Digests.Labels, v.job.LabelsDigest)
	v.differ("digest of the parts", s.Digests.Parts, v.sums)
	if err := v.failedImages(ctx, &s); err != nil {
		return err
	}
	if !v.report.OK() {
		return nil // the problems reported already explain why the counts differ
	}
	for _, status := range slices.Sorted(maps.Keys(merged(s.Statuses, v.report.Statuses))) {
		v.differ("images "+status, s.Statuses[status], v.report.Statuses[status])
	}
	return nil
}

// failedImages checks the list of failed images, which a later increment relies on.
func (v *verifier) failedImages(ctx context.Context, s *Success) error {
	if s.FailedDigest == "" {
		return nil // older releases made none
	}
	m, err := s.FailedImages(ctx, v.st)
	if v.damaged(failedName, err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer m.Close()
	v.differ("failed images in "+failedName, s.AllFailed(), m.Len())
	return nil
}

// differ reports what _SUCCESS says if it is not what there is.
func (v *verifier) differ(what string, have, want any) {
	if have != want {
		v.report.add(Problem{Kind: Altered, Chunk: -1, Object: SuccessName,
			Detail: fmt.Sprintf("%s: it says %v, there is %v", what, have, want)})
	}
}

func merged(a, b map[string]int) map[string]int {
	all := maps.Clone(b)
	maps.Copy(all, a)
	return all
}
