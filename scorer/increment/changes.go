package increment

import (
	"crypto/md5" //nolint:gosec // G501: the digest that blob storage keeps
	"errors"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/shard"
)

// room is where the entries of manifests are kept.
var room = scratch.Room()

// Counts says how the images of a collection compare with those of the one before.
type Counts struct{ New, Changed, Retried, Renamed, Kept, Gone int }

// Scored is how many images have to be scored.
func (c Counts) Scored() int { return c.New + c.Changed + c.Retried }

// changes are how the images that exist now differ from those of an earlier collection.
type changes struct {
	Counts
	// scored are the images to score, with the reason. renamed take the row of the image
	// called From. gone no longer exist.
	scored, renamed, gone *shard.Manifest
}

func (c *changes) close() {
	for _, m := range []*shard.Manifest{c.scored, c.renamed, c.gone} {
		if m != nil {
			m.Close()
		}
	}
}

// compare compares two collections. failed are the failed images of the earlier one, and those
// whose rows are of another version than listed. Of them those with a status of retry are scored
// again, and those of which no row of the listed version was made. If reuse is true, a new image
// takes the row of an earlier one with the same size and MD5.
func compare(now, was, failed *shard.Manifest, retry row.Selection, reuse bool) (*changes, error) {
	c := new(changes)
	scored, gone := shard.NewWriter(room), shard.NewWriter(room)
	err := c.classify(now, was, failed, retry, scored, gone)
	if err == nil {
		c.scored, err = scored.Manifest()
	}
	if err == nil {
		c.gone, err = gone.Manifest()
	}
	if err == nil && reuse && c.New > 0 {
		err = c.rename(was, failed)
	}
	if err != nil {
		c.close()
		scored.Close()
		gone.Close()
		return nil, err
	}
	return c, nil
}

func (c *changes) classify(now, was, failed *shard.Manifest, retry row.Selection, scored, gone *shard.Writer) error {
	add := func(e shard.Entry, why shard.Why, n *int) error {
		*n++
		e.Why = why
		return scored.Add(e)
	}
	again := &retries{retry: retry, failed: shard.NewWalk(failed), now: shard.NewLines(now)}
	take := func(e shard.Entry) error { return add(e, shard.Retried, &c.Retried) }
	err := shard.Diff(now, was, func(is, old *shard.Entry) error {
		if is == nil {
			c.Gone++
			return errors.Join(again.before(old.Path, take), gone.Add(plain(*old)))
		}
		if old != nil && old.SameVersion(is) {
			return nil
		}
		if err := again.before(is.Path, take); err != nil {
			return err
		}
		again.leave(is.Path)
		if old == nil {
			return add(plain(*is), shard.New, &c.New)
		}
		return add(plain(*is), shard.Changed, &c.Changed)
	})
	if err == nil {
		err = again.before("", take)
	}
	c.Kept = now.Len() - c.Scored()
	return err
}

// retries finds the images whose failed rows are scored again.
type retries struct {
	retry  row.Selection
	failed *shard.Walk
	now    *shard.Lines
}

// before calls fn for those images that come before a path, or for all that are left if it is
// empty.
func (r *retries) before(path string, fn func(shard.Entry) error) error {
	for ; !r.failed.Done && (path == "" || r.failed.Path < path); r.failed.Next() {
		if !r.retry.Has(r.failed.Status) && !row.Unproven(r.failed.Status) || !r.now.Seek(r.failed.Path) {
			continue
		}
		e, err := r.now.Entry()
		if err == nil {
			err = fn(plain(e))
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(r.failed.Err, r.now.Err)
}

// leave leaves out the image of a path that is scored anyway.
func (r *retries) leave(path string) {
	if !r.failed.Done && r.failed.Path == path {
		r.failed.Next()
	}
}

// plain returns an entry as a listing has it.
func plain(e shard.Entry) shard.Entry {
	return shard.Entry{Path: e.Path, Size: e.Size, ETag: e.ETag, MD5: e.MD5}
}

// content is what equal images have in common.
type content struct {
	size int64
	md5  [md5.Size]byte
}

func contentOf(e *shard.Entry) (content, bool) {
	if len(e.MD5) != md5.Size {
		return content{}, false
	}
	return content{e.Size, [md5.Size]byte([]byte(e.MD5))}, true
}

// rename finds the new images that have the content of an earlier one whose row is ok, and takes
// them from those that are scored. Of several earlier ones it takes the first by name.
func (c *changes) rename(was, failed *shard.Manifest) error {
	from := map[content]string{} // the name of the earlier image, empty while there is none
	w := shard.NewWalk(c.scored)
	for ; !w.Done; w.Next() {
		if k, ok := contentOf(&w.Entry); ok && w.Why == shard.New {
			from[k] = ""
		}
	}
	if w.Err != nil || len(from) == 0 {
		return w.Err
	}
	old, bad := shard.NewWalk(was), shard.NewWalk(failed)
	for ; !old.Done; old.Next() {
		k, ok := contentOf(&old.Entry)
		if !ok {
			continue
		}
		if name, wanted := from[k]; wanted && name == "" && !bad.Seek(old.Path) {
			from[k] = old.Path
		}
	}
	if err := errors.Join(old.Err, bad.Err); err != nil {
		return err
	}
	return c.divide(from)
}

// divide takes the images whose content has a row from those that are scored.
func (c *changes) divide(from map[content]string) error {
	scored, renamed := shard.NewWriter(room), shard.NewWriter(room)
	defer c.scored.Close()
	w := shard.NewWalk(c.scored)
	for ; !w.Done; w.Next() {
		e, to := w.Entry, scored
		if k, ok := contentOf(&e); ok && e.Why == shard.New && from[k] != "" {
			// The output is found later; see derivation.
			e, to = shard.Entry{Path: e.Path, Size: e.Size, ETag: e.ETag, MD5: e.MD5, FromOutput: 1, From: from[k]}, renamed
			c.New--
			c.Renamed++
		}
		if err := to.Add(e); err != nil {
			return err
		}
	}
	if w.Err != nil {
		return w.Err
	}
	var err error
	if c.scored, err = scored.Manifest(); err != nil {
		return err
	}
	c.renamed, err = renamed.Manifest()
	return err
}
