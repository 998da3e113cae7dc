package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// listedRun is one run of a folder of them. What is not known of a run that is not complete is nil.
type listedRun struct {
	Run   string `json:"run"`
	State string `json:"state"` // complete, incomplete or damaged
	// Images and Failed are those of the whole collection, New the images that were new or had
	// changed.
	Images *int       `json:"images,omitempty"`
	New    *int       `json:"new,omitempty"`
	Failed *int       `json:"failed,omitempty"`
	Ended  *time.Time `json:"ended,omitempty"`
}

// runsAtOnce is how many runs are read at once.
const runsAtOnce = 16

// listRuns returns the runs of a place that is a folder of them, the newest last, and nil of any
// other place.
func listRuns(ctx context.Context, st store.Store) ([]listedRun, error) {
	if _, err := output.ReadJob(ctx, st); !errors.Is(err, store.ErrNotExist) {
		return nil, nil //nolint:nilerr // who reads the output says so
	}
	var names []string
	if err := store.Folders(ctx, st, "", func(name string) error {
		names = append(names, name)
		return nil
	}); err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	slices.Sort(names)
	runs := make([]*listedRun, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runsAtOnce)
	for i, name := range names {
		g.Go(func() (err error) {
			runs[i], err = readRun(ctx, store.NewSub(st, name+"/"), name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var all []listedRun
	for _, r := range runs {
		if r != nil {
			all = append(all, *r)
		}
	}
	return all, nil
}

// readRun returns what is known of a run; nil of a folder that is none.
func readRun(ctx context.Context, st store.Store, name string) (*listedRun, error) {
	_, err := output.ReadJob(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil //nolint:nilnil // documented
	}
	r := &listedRun{Run: name, State: "damaged"}
	var s output.Success
	if err == nil {
		s, err = output.ReadSuccess(ctx, st)
	}
	switch {
	case errors.Is(err, store.ErrNotExist):
		r.State = "incomplete"
		return r, nil
	case errors.Is(err, output.ErrMismatch):
		return r, nil
	case err != nil:
		return nil, err
	}
	images, failed := s.AllImages(), row.Failed(s.AllStatuses())
	fresh, _ := s.Judged()
	r.State, r.Images, r.New, r.Failed, r.Ended = string(output.Complete), &images, &fresh, &failed, knownTime(s.Ended)
	return r, nil
}

// printRuns prints runs as a table, or as JSON.
func printRuns(w io.Writer, runs []listedRun, asJSON bool) error {
	if asJSON {
		return printJSON(w, runs)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join([]string{"RUN", "STATE", "IMAGES", "NEW", "FAILED", "ENDED"}, "\t"))
	number := func(n *int) string {
		if n == nil {
			return "-"
		}
		return strconv.Itoa(*n)
	}
	for _, r := range runs {
		ended := "-"
		if r.Ended != nil {
			ended = r.Ended.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintln(table, strings.Join([]string{printable.Field(r.Run), r.State, number(r.Images), number(r.New), number(r.Failed), ended}, "\t"))
	}
	return table.Flush()
}
