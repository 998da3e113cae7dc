package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

const (
	mostObjects = 200_000 // that are counted
	mostRecords = 60      // that are added
	mostErrors  = 100     // texts of errors
	mostRows    = 1000    // of failed images, and known names of images
)

// addOutput adds the records of an output folder, and what is wrong with its images.
func (r *bugReport) addOutput(ctx context.Context, s *scrubber, f *bugReportFlags) error {
	ctx, cancel := context.WithTimeout(ctx, bugReportLimit)
	defer cancel()
	st, err := f.places.open("--out", f.out)
	if err != nil {
		return err
	}
	records, counts, err := ownObjects(ctx, st)
	if err != nil {
		return err
	}
	if len(records) == 0 && counts["part"] == 0 && counts["manifest.jsonl"] == 0 {
		return fmt.Errorf("%s has no records of batchscore", f.out)
	}
	r.output = st
	r.add("output/objects.txt", "how many objects of each kind there are", tally(counts)+"\n")
	// First the names of images, which the records of errors may hold.
	reading, stop := context.WithTimeout(ctx, bugReportLimit/2)
	failures := failuresOf(reading, st)
	stop()
	if !f.withNames {
		s.names = failures.names()
	}
	for i, name := range records {
		if i == mostRecords {
			r.leave("records of workers", fmt.Sprintf("%d of %d", len(records)-i, len(records)))
			break
		}
		body, _, err := store.ReadAll(ctx, st, name, mostOfFile)
		if err != nil {
			r.leave(name, reason(s, err))
			continue
		}
		r.add("output/"+entryName(name), "a record", s.named(strings.ToValidUTF8(string(body), "\uFFFD"), f.withNames))
	}
	if p, err := output.Observe(st).Look(ctx); err != nil {
		r.leave("progress", reason(s, err))
	} else if text, err := json.MarshalIndent(p, "", "  "); err == nil {
		r.add("output/status.json", "jobs status OUT --json", s.named(string(text)+"\n", f.withNames))
	}
	r.add("output/errors.txt", "failed images by status and error", s.text(failures.text()))
	if f.withNames {
		r.addNames(ctx, s, st, failures)
	}
	return nil
}

// ownObjects lists the small records in an output folder, and counts what is in it by kind.
func ownObjects(ctx context.Context, st store.Store) (records []string, counts map[string]int, err error) {
	counts = map[string]int{}
	enough := errors.New("enough")
	all := 0
	err = st.List(ctx, "", func(o store.Object) error {
		if all++; all > mostObjects {
			return enough
		}
		kind := "other"
		switch base := path.Base(o.Name); {
		case output.IsPart(o.Name):
			kind = "part"
		case !output.IsOwn(o.Name):
		case base == output.SuccessName || base == "job.json" || base == "manifest.jsonl" || base == "parts.sha256":
			kind = base
		default:
			kind = path.Base(path.Dir(o.Name))
		}
		counts[kind]++
		if small := kind == output.SuccessName || kind == "job.json" || kind == "workers"; small && output.IsOwn(o.Name) {
			records = append(records, o.Name)
		}
		return nil
	})
	if errors.Is(err, enough) {
		counts["more, not counted"]++
		err = nil
	}
	// The records of the job before those of its workers.
	slices.SortFunc(records, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "/workers/"), strings.Count(b, "/workers/")), cmp.Compare(a, b))
	})
	return records, counts, err
}

// failed is what an output says of images that have no answer.
type failed struct {
	statuses, errors map[string]int
	rows             []row.Row
	err              error // why not all parts were read
}

func failuresOf(ctx context.Context, st store.Store) *failed {
	f := &failed{statuses: map[string]int{}, errors: map[string]int{}}
	f.err = output.Rows(ctx, st, func(one row.Row) error {
		f.statuses[one.Status]++
		if one.Status == row.StatusOK {
			return nil
		}
		if len(f.rows) < mostRows {
			f.rows = append(f.rows, one)
		}
		text := one.Status + ": " + one.Error
		if one.Path != "" {
			text = strings.ReplaceAll(strings.ReplaceAll(text, one.Path, "IMAGE"), path.Base(one.Path), "IMAGE")
		}
		if len(f.errors) >= mostErrors && f.errors[text] == 0 {
			text = one.Status + ": other errors"
		}
		f.errors[text]++
		return nil
	})
	return f
}

// names returns the names of images that failed, the longest first.
func (f *failed) names() []string {
	var names []string
	for _, one := range f.rows {
		for _, name := range []string{one.Path, path.Base(one.Path)} {
			if len(name) > 5 {
				names = append(names, name)
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(names)
}

func (f *failed) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rows by status: %s\n", tally(f.statuses))
	for _, text := range slices.Sorted(maps.Keys(f.errors)) {
		fmt.Fprintf(&b, "%8d  %s\n", f.errors[text], printable.Field(text))
	}
	if f.err != nil {
		fmt.Fprintf(&b, "not all rows were read: %s\n", printable.Field(f.err.Error()))
	}
	return b.String()
}

// addNames adds the beginning of the manifest, and the rows of failed images.
func (r *bugReport) addNames(ctx context.Context, s *scrubber, st store.Store, f *failed) {
	var rows strings.Builder
	for _, one := range f.rows {
		if line, err := json.Marshal(map[string]any{"path": one.Path, "size": one.Size, "status": one.Status, "error": one.Error}); err == nil {
			fmt.Fprintf(&rows, "%s\n", line)
		}
	}
	r.add("output/failed.jsonl", fmt.Sprintf("rows of failed images, %d at most", mostRows), s.text(rows.String()))
	const manifest = output.Folder + "manifest.jsonl"
	body, _, err := st.Open(ctx, manifest, "")
	if err != nil {
		r.leave(manifest, reason(s, err))
		return
	}
	defer body.Close()
	text := make([]byte, mostOfFile)
	n := 0
	for n < len(text) && err == nil {
		var more int
		more, err = body.Read(text[n:])
		n += more
	}
	what := fmt.Sprintf("the first %s of the list of images", formatBytes(mostOfFile))
	r.add("output/manifest.jsonl", what, s.text(strings.ToValidUTF8(string(text[:n]), "\uFFFD")))
}
