package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/row/query"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// runFrom copies images of a result that are chosen by their rows, and those rows.
func (f *sampleFlags) runFrom(ctx context.Context, stdout, stderr io.Writer) error {
	st, err := f.places.open("--from", f.from)
	if err != nil {
		return err
	}
	job, err := output.ExistingJob(ctx, st)
	if err != nil {
		return err
	}
	p := picker{flags: f, job: &job, columns: columnsOf(&job), groups: map[string]*choose.First[picked]{}}
	if f.where != "" {
		if p.filter, err = parseWhere(f.where, p.columns); err != nil {
			return err
		}
	}
	if f.leastSure > 0 {
		if p.certainty, err = query.Find(p.columns, row.Certainty); err != nil {
			return usagef("--least-sure: answers of the task %s do not tell how sure they are; choose with --where and -n", job.Schema().Task.Name())
		}
	}
	if err := output.Results(ctx, st, p.add); err != nil {
		return err
	}
	chosen := p.chosen()
	if len(chosen) == 0 {
		return config(fmt.Errorf("no image is chosen: of the %d rows in %s, none fulfils the conditions", p.rows, st))
	}
	images, err := f.places.imagesPlace(f.images, &job, f.from)
	if err != nil {
		return err
	}
	from, to, err := f.open(ctx, images, stderr)
	if err != nil {
		return err
	}
	rows := sampleRows{to: to, columns: p.columns, chosen: chosen}
	if err := rows.check(ctx); err != nil {
		return err
	}
	c := copier{from: from, to: to, stderr: stderr, scored: true}
	objects := make([]store.Object, len(chosen))
	for i, one := range chosen {
		objects[i] = one.object
		if f.images != "" { // copies of the images that were scored have other ETags
			objects[i].ETag = ""
		}
	}
	if err := hasObjects(ctx, from); err != nil {
		return config(fmt.Errorf("the images: %w; if they are somewhere else now, name the place with --images", err))
	}
	if err := c.copy(ctx, objects); err != nil {
		return err
	}
	rows.chosen = slices.DeleteFunc(rows.chosen, func(p picked) bool { return c.unread[p.object.Name] != nil })
	if err := rows.write(ctx); err != nil {
		return err
	}
	text := fmt.Sprintf("%s%s; their rows are in %s and %s", c.summary(len(chosen), p.rows), p.fewer(len(chosen)), rowsCSV, rowsJSONL)
	if err := sayLine(stdout, text); err != nil {
		return err
	}
	if err := sayIncomplete(ctx, stdout, st, &job, p.rows); err != nil {
		return err
	}
	return c.complete()
}

// hasObjects returns an error unless a place exists and has an object.
func hasObjects(ctx context.Context, st store.Store) error {
	found := errors.New("there is one")
	err := st.List(ctx, "", func(store.Object) error { return found })
	switch {
	case errors.Is(err, found):
		return nil
	case err == nil:
		return fmt.Errorf("%s is empty", st)
	}
	return err
}

// picked is an image that is chosen. It keeps nothing of the part that its row is in.
type picked struct {
	object store.Object
	key    string  // what orders images of the same certainty
	sure   float64 // 0 unless the least sure are chosen
	record []string
	line   []byte // of JSON
}

func (p picked) before(o picked) bool {
	return p.sure < o.sure || p.sure == o.sure && p.key < o.key
}

// picker chooses images by their rows.
type picker struct {
	flags     *sampleFlags
	job       *output.Job
	columns   []row.Column
	filter    query.Filter
	certainty row.Column // if the least sure are chosen
	// groups are the images chosen so far, by label if there is a limit for each.
	groups map[string]*choose.First[picked]
	rows   int // seen
	fit    int // that fulfil the conditions
}

// add takes one row into account.
func (p *picker) add(e shard.Entry, r row.Row) error {
	p.rows++
	if !p.filter.Match(&r) {
		return nil
	}
	one := picked{key: fmt.Sprintf("%020d", p.rows)}
	if p.certainty.Of == nil {
		sum := choose.Hash(e.Path, p.flags.seed)
		one.key = string(sum[:])
	} else {
		v := p.certainty.Of(&r)
		if v.Unknown {
			return nil
		}
		one.sure = v.Number
	}
	p.fit++
	label, n := "", p.flags.n
	if p.flags.perLabel > 0 {
		n = min(n, p.flags.perLabel)
		if label = r.Status; label == row.StatusOK {
			label = "ok " + p.job.Schema().Shown().Caption(&r)
		}
	}
	group := p.groups[label]
	if group == nil {
		group = &choose.First[picked]{N: n, Less: picked.before}
		p.groups[strings.Clone(label)] = group
	}
	if !group.Takes(one) {
		return nil
	}
	one.object = store.Object{Name: strings.Clone(e.Path), Size: e.Size, ETag: strings.Clone(e.ETag)}
	one.line = jsonLine(p.columns, &r)
	for _, c := range p.columns {
		if c.Tabular() {
			one.record = append(one.record, strings.Clone(c.Field(&r)))
		}
	}
	group.Add(one)
	return nil
}

// chosen returns the images that are chosen, in order.
func (p *picker) chosen() []picked {
	all := choose.First[picked]{N: p.flags.n, Less: picked.before}
	for _, group := range p.groups {
		for _, one := range group.Items {
			all.Add(one)
		}
	}
	return all.Sorted()
}

// fewer says why fewer images are chosen than were asked for; empty if that many are.
func (p *picker) fewer(chosen int) string {
	switch asked := p.flags.n; {
	case !p.flags.numbered || chosen >= asked:
		return ""
	case chosen < p.fit:
		return fmt.Sprintf(" (%d of the %d asked for: there are at most %d of each label)", chosen, asked, p.flags.perLabel)
	default:
		return fmt.Sprintf(" (%d of the %d asked for: no more can be chosen)", chosen, asked)
	}
}

// The files with the rows of a sample.
const (
	rowsCSV   = "rows.csv"
	rowsJSONL = "rows.jsonl"
)

// sampleRows are the rows of a sample, which are written next to the images.
type sampleRows struct {
	to      store.Store
	columns []row.Column
	chosen  []picked
	had     map[string]rowsFile // files of a sample that was made before, by name
}

// rowsFile is a file of rows that exists.
type rowsFile struct {
	object store.Object
	body   []byte
}

// files returns the content of the files.
func (s *sampleRows) files() (map[string][]byte, error) {
	var lines, table bytes.Buffer
	w := csv.NewWriter(&table)
	var header []string
	for _, c := range s.columns {
		if c.Tabular() {
			header = append(header, c.Name)
		}
	}
	if err := w.Write(header); err != nil {
		return nil, err
	}
	for _, one := range s.chosen {
		lines.Write(one.line)
		if err := w.Write(one.record); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return map[string][]byte{rowsCSV: table.Bytes(), rowsJSONL: lines.Bytes()}, w.Error()
}

// check returns an error if the place has rows of another sample: rows that are not
// among the chosen ones.
func (s *sampleRows) check(ctx context.Context) error {
	s.had = map[string]rowsFile{}
	files, err := s.files()
	if err != nil {
		return err
	}
	for name, body := range files {
		if slices.ContainsFunc(s.chosen, func(p picked) bool { return p.object.Name == name }) {
			return config(fmt.Errorf("an image is called %s, as the rows of the sample are: choose with --where 'path!=%s'", name, name))
		}
		have, o, err := store.ReadAll(ctx, s.to, name, int64(len(body)))
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if errors.As(err, new(*store.TooLarge)) { // it has rows that are not among the chosen ones
			return config(fmt.Errorf("%s has the %s of another sample: choose another place, or delete that file", s.to, name))
		}
		if err != nil {
			return fmt.Errorf("read %s of %s: %w", name, s.to, err)
		}
		lines := map[string]bool{}
		for line := range strings.Lines(string(body)) {
			lines[line] = true
		}
		for line := range strings.Lines(string(have)) {
			if !lines[line] {
				return config(fmt.Errorf("%s has the %s of another sample: choose another place, or delete that file", s.to, name))
			}
		}
		s.had[name] = rowsFile{object: o, body: have}
	}
	return nil
}

// write writes the files. Those of a smaller sample are replaced.
func (s *sampleRows) write(ctx context.Context) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	for _, name := range []string{rowsCSV, rowsJSONL} {
		had, ok := s.had[name]
		switch {
		case ok && bytes.Equal(had.body, files[name]):
		case ok:
			_, err = store.Replace(ctx, s.to, name, files[name], had.object.ETag)
		default:
			_, err = s.to.Create(ctx, name, files[name])
		}
		if err != nil {
			return fmt.Errorf("write %s to %s: %w", name, s.to, err)
		}
	}
	return nil
}
