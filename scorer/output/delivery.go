package output

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

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
	d := Delivery{Digest: digest, Parts: s.Digests.Parts, Format: opt.Format, Absolute: opt.Absolute}
	if d.Format == "" {
		d.Format = s.Format
	}
	return d
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
		body, _, err := store.ReadAll(ctx, st, name)
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
