package output

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// MergeOptions say how Merge writes rows.
type MergeOptions struct {
	// Format is that of the file; empty is that of the parts. row.Npy writes the vectors
	// alone, see row.Schema.NewVectorWriter.
	Format row.Format
	// Bare leaves out the columns of vectors.
	Bare bool
	// Absolute gives each image its full address instead of its name. The address is
	// that of the job record, so it does not depend on where the parts are merged.
	Absolute bool
	// OnlyNew leaves out the rows that an increment keeps: those of images that it did not score.
	OnlyNew bool
	// Head is the only answer to write of rows with several, as a job with it alone has it; empty
	// is all of them. It is ErrNoHead if they have none of that name.
	Head string
}

// Merge writes the rows of all parts to w as one file, in manifest order. If a part is missing, it writes nothing
// and returns ErrIncomplete, or ErrMismatch if the output was complete. It compares
// each part with the manifest and, if the job is complete, all of them with their
// digests; ErrMismatch means that one differs. It holds a few parts in memory at a
// time, and for Parquet one row group.
//
// The rows of an increment are those of its whole collection, and the bytes those that a job
// which scored the whole collection would have.
//
// Rows are typed as the job's parts are, so an output always merges to the same
// bytes.
//
// After an error the caller must throw away what was written.
func Merge(ctx context.Context, st store.Store, w io.Writer, opt MergeOptions) error {
	in, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer in.Close()
	return in.undisturbed(ctx, in.merge(ctx, w, opt))
}

func (f *folder) merge(ctx context.Context, w io.Writer, opt MergeOptions) error {
	if missing := missingParts(f.st, f.done, f.job.PartNames(f.chunks)); missing != nil && f.state.success != nil {
		return goneParts(f.st, missing)
	} else if missing != nil {
		return unfinished(missing)
	}
	job, head := f.job, -1
	if opt.Head != "" {
		var err error
		if head, err = job.keepHead(f.st, opt.Head); err != nil {
			return err
		}
	}
	schema := job.Schema()
	schema.Format, schema.Bare = cmp.Or(opt.Format, schema.Format), opt.Bare
	out, err := f.writer(ctx, schema, w, opt)
	if err != nil {
		return err
	}
	if err := f.everyRow(ctx, opt.OnlyNew, func(_ []shard.Entry, rows []row.Row) error {
		for i := range rows {
			if head >= 0 {
				rows[i].Answer = row.AnswerOf(rows[i].Answer, head)
			}
		}
		if opt.Absolute {
			if err := f.job.address(rows); err != nil {
				return fmt.Errorf("merge %s: %w", f.st, err)
			}
		}
		if err := out.Write(rows); err != nil {
			return fmt.Errorf("merge %s: %w", f.st, err)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	return nil
}

// writer returns what writes the rows.
func (f *folder) writer(ctx context.Context, schema row.Schema, w io.Writer, opt MergeOptions) (row.Writer, error) {
	if schema.Format != row.Npy {
		return schema.NewWriter(w)
	}
	n := f.chunks.Entries
	switch {
	case f.job.Increments() && opt.OnlyNew:
		n = 0
		if err := f.everyRow(ctx, true, func(_ []shard.Entry, rows []row.Row) error { n += len(rows); return nil }); err != nil {
			return nil, err
		}
	case f.job.Increments():
		images, err := readCollection(ctx, f.st)
		if err != nil {
			return nil, err
		}
		n = images.Len()
		images.Close()
	}
	out, err := schema.NewVectorWriter(w, n)
	if err != nil {
		return nil, fmt.Errorf("merge %s: %w", f.st, err)
	}
	return out, nil
}

// address gives rows the full addresses of their images.
func (j *Job) address(rows []row.Row) error {
	for i := range rows {
		name, err := rows[i].Name()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMismatch, err)
		}
		// The exact bytes, if they are not UTF-8, are kept where the row is written.
		rows[i].Path, rows[i].PathBase64 = j.Address(name), ""
	}
	return nil
}

// deliveryFolder has the records of the files that the rows were written to.
const deliveryFolder = Folder + "deliveries/"

// Delivery is the record of a file that holds all rows. It is stored before the file
// gets its name, so a file with that digest is the job's own, and one that has no record
// is not.
type Delivery struct {
	Version int    `json:"version"`
	Digest  string `json:"digest"` // of the file
	// Parts is Digests.Parts of the rows in it.
	Parts    string     `json:"parts"`
	Format   row.Format `json:"format"`
	Absolute bool       `json:"absolute,omitempty"`
	Checksum string     `json:"checksum"`
}

func (d *Delivery) seal() (*int, *string) { return &d.Version, &d.Checksum }

// Delivers returns the record of a file with that digest, which holds the rows of a
// complete job.
func (s *Success) Delivers(digest string, opt MergeOptions) Delivery {
	return Delivery{Digest: digest, Parts: s.Digests.Parts, Format: cmp.Or(opt.Format, s.Format), Absolute: opt.Absolute}
}

// RecordDelivery stores a record, unless it is stored already.
func RecordDelivery(ctx context.Context, st store.Store, d Delivery) error {
	body, err := encodeRecord(&d)
	if err != nil {
		return err
	}
	// Its name depends on its content alone.
	_, _, _, err = createOrRead(ctx, st, deliveryFolder+strings.TrimPrefix(d.Checksum, "sha256:")[:16]+".json", body)
	if err != nil {
		return fmt.Errorf("record the file of all rows: %w", err)
	}
	return nil
}

// Deliveries returns the records of files with that digest. A damaged record counts for
// nothing.
func Deliveries(ctx context.Context, st store.Store, digest string) ([]Delivery, error) {
	var names []string
	err := store.Names(ctx, st, deliveryFolder, func(name string) error {
		names = append(names, name)
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the files of all rows: %w", err)
	}
	var all []Delivery
	for _, name := range names {
		body, _, err := readWhole(ctx, st, name, recordMost)
		if errors.Is(err, ErrMismatch) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var d Delivery
		if decodeRecord(body, &d) == nil && d.Digest == digest {
			d.Version, d.Checksum = 0, ""
			all = append(all, d)
		}
	}
	return all, nil
}
