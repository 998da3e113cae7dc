package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/row/query"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newShow() *cobra.Command {
	var f showFlags
	show := &cobra.Command{
		Use:   "show OUT",
		Short: "Print, choose and sort rows of a result, and count labels and failures",
		Long: `show prints the first rows of an output folder as a table, and counts labels and
failures. On a terminal, long names are shortened in the middle.

--where chooses rows by their columns. All of several conditions must hold, in one
--where or in several. Several values with commas between them are alternatives. ~
means contains, or with * and ? matches. Quote values that have spaces: --where
'label="hot dog" score<0.6'. An image that failed has no score and no label, so it
matches only conditions on other columns.

Of an output that keeps rows of others, as run --after makes, it shows all rows of the
collection, or with --new-rows those of images that it has scored itself.

--sort puts the rows in order; a minus sign reverses it: --sort -score. The certainty
tells how sure an answer is, from 0 to 1. If an image has one class, it is the margin:
the best score less the second best. If classes are independent, it tells how far all
scores are from 0.5. Sorting keeps --limit rows in memory, and with --limit 0 all rows,
about 1 kB each.

` + placesHelp,
		Example: `  batchscore show result
  batchscore show result --status failed --limit 100
  batchscore show result --where 'label=Sexy score<0.6' --sort certainty
  batchscore show result --histogram
  batchscore show result --columns address,label,score --json --limit 0`,
		Args: oneArg("OUT"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c, args[0])
		},
	}
	fs := show.Flags()
	fs.IntVar(&f.limit, "limit", 20, "show at most `N` rows; 0 shows all")
	registerJoined(fs, &f.status, "status", ",", "show only rows with this `STATUS`, or with several, separated by commas: "+
		strings.Join(append(row.FailureStatuses(), row.StatusOK), ", ")+", or failed for all except ok")
	registerJoined(fs, &f.where, "where", " ", "show only rows for which all `CONDITIONS` hold, such as 'label=Sexy,Neutral score<0.6 path~2019/'; "+
		"operators are =, !=, <, <=, >, >=, ~ (contains) and !~")
	registerJoined(fs, &f.sort, "sort", ",", "sort by these `COLUMNS`, separated by commas; -COLUMN sorts in descending order")
	registerJoined(fs, &f.columns, "columns", ",", "show these `COLUMNS`, separated by commas (default path, status and the answer; with --json all)")
	fs.BoolVar(&f.json, "json", false, "print JSON, one line for each row")
	fs.BoolVar(&f.newRows, "new-rows", false, "show only rows of images that OUT has scored itself, not those that it keeps of other outputs")
	fs.BoolVar(&f.histogram, "histogram", false, "show how scores and certainty are distributed, or the numbers in --columns, instead of rows")
	chooseSome(show, "status", append(row.FailureStatuses(), row.StatusOK, row.AnyFailure))
	completeFlag(show, "columns", completeColumns)
	completeFlag(show, "sort", completeColumns)
	groupFlags(show, "Storage flags", func() { f.places.register(show) })
	return show
}

// showFlags say which rows to show, and how.
type showFlags struct {
	places                       placeFlags
	limit                        int
	status, where, sort, columns string
	json, histogram, newRows     bool
}

func (f *showFlags) run(c *cobra.Command, place string) error {
	if f.limit < 0 {
		return invalid("limit", f.limit, "a number of rows, or 0 for all")
	}
	if f.histogram && (f.sort != "" || c.Flags().Changed("limit")) {
		return usagef("--histogram counts all rows that --where and --status choose: leave out --sort and --limit")
	}
	var chosen row.Selection // nil is all
	if c.Flags().Changed("status") {
		var err error
		if chosen, err = parseStatuses("status", f.status, append(row.FailureStatuses(), row.StatusOK)); err != nil {
			return err
		}
	}
	st, err := f.places.open("OUT", place)
	if err != nil {
		return err
	}
	job, err := output.ExistingJob(c.Context(), st)
	if err != nil {
		return err
	}
	v := view{st: st, job: &job, stdout: c.OutOrStdout(), stderr: c.ErrOrStderr(), limit: f.limit, json: f.json, newRows: f.newRows, selection: chosen}
	v.columns = columnsOf(&job)
	if c.Flags().Changed("where") {
		if v.filter, err = parseWhere(f.where, v.columns); err != nil {
			return err
		}
	}
	if f.sort != "" {
		if v.order, err = query.ParseOrder(f.sort, v.columns); err != nil {
			return usagef("--sort: %w", suggested(err))
		}
	}
	var named []row.Column
	if f.columns != "" {
		if named, err = parseColumns(f.columns, v.columns); err != nil {
			return err
		}
	}
	if f.histogram {
		return v.histogram(c.Context(), named)
	}
	return v.rows(c.Context(), named)
}

// view shows the rows of an output folder.
type view struct {
	st             store.Store
	job            *output.Job
	stdout, stderr io.Writer
	limit          int
	json, newRows  bool
	selection      row.Selection // nil is all
	filter         query.Filter
	order          query.Order
	columns        []row.Column // that there are

	all    int            // rows
	chosen int            // rows that are chosen
	counts map[string]int // of those, by what the answer says, or by status
	values valuesSeen
}

// each calls fn for every chosen row, and counts rows.
func (v *view) each(ctx context.Context, fn func(*row.Row) error) error {
	task := v.job.Schema().Shown()
	v.counts = map[string]int{}
	rows := output.Rows
	if v.newRows {
		rows = output.NewRows
	}
	return rows(ctx, v.st, func(r row.Row) error {
		v.all++
		v.values.add(v.filter, &r)
		if v.selection != nil && !v.selection.Has(r.Status) || !v.filter.Match(&r) {
			return nil
		}
		v.chosen++
		if r.Status == row.StatusOK {
			v.counts[countable(task.Caption(&r))]++
		} else {
			v.counts[printable.Field(r.Status)]++
		}
		return fn(&r)
	})
}

// rows prints the first chosen rows, at most limit, and counts all of them. named are
// the columns that were asked for; none is the default.
func (v *view) rows(ctx context.Context, named []row.Column) error {
	print := v.table(named)
	if v.json {
		if named == nil {
			named = v.columns
		}
		print = jsonLines(v.stdout, named)
	}
	err := v.eachInOrder(ctx, print)
	if err != nil {
		return err
	}
	more := v.chosen - v.limit
	if v.limit == 0 {
		more = 0
	}
	if err := print.end(); err != nil {
		return err
	}
	w := v.stdout
	if v.json {
		w = v.stderr
	}
	if more > 0 {
		if err := sayLine(w, fmt.Sprintf("... and %d more, see --limit", more)); err != nil {
			return err
		}
	}
	return v.conclude(ctx, w)
}

// manyKept is how many rows are sorted in memory without a remark.
const manyKept = 100_000

// eachInOrder prints the chosen rows in order, at most limit.
func (v *view) eachInOrder(ctx context.Context, print printer) error {
	if v.order == nil {
		return v.each(ctx, func(r *row.Row) error {
			if v.limit > 0 && v.chosen > v.limit {
				return nil
			}
			return print.add(print.cells(r))
		})
	}
	type kept struct {
		values []row.Value
		number int // of the row
		cells  []string
	}
	first := choose.First[kept]{N: v.limit, Less: func(a, b kept) bool {
		n := v.order.Compare(a.values, b.values)
		return n < 0 || n == 0 && a.number < b.number
	}}
	if err := v.each(ctx, func(r *row.Row) error {
		k := kept{values: v.order.Values(r), number: v.all}
		if first.Takes(k) {
			k.cells = print.cells(r)
			first.Add(k)
		}
		if len(first.Items) == manyKept && v.limit != manyKept {
			printf(v.stderr, "batchscore: sorting more than %d rows in memory, about 1 kB each; --limit N keeps N of them\n", manyKept)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, k := range first.Sorted() {
		if err := print.add(k.cells); err != nil {
			return err
		}
	}
	return nil
}

// conclude prints what all chosen rows say together, and whether rows may be missing.
func (v *view) conclude(ctx context.Context, w io.Writer) error {
	if v.all == 0 {
		return fmt.Errorf("%w: %s has no part yet", output.ErrIncomplete, v.st)
	}
	sum := images(v.chosen)
	if v.chosen < v.all {
		sum = fmt.Sprintf("%d of %s", v.chosen, images(v.all))
	}
	if v.chosen > 0 {
		sum += ": " + tally(v.counts)
	}
	if err := sayLine(w, sum); err != nil {
		return err
	}
	if v.chosen == 0 {
		for _, line := range v.values.unseen(v.filter, v.job.TopK) {
			if err := sayLine(w, line); err != nil {
				return err
			}
		}
	}
	return sayIncomplete(ctx, w, v.st, v.job, v.all)
}

// sayLine prints a line, wrapped if it is wider than the terminal.
func sayLine(w io.Writer, text string) error {
	p := newPage(w)
	p.wrap("", text, "")
	_, err := io.WriteString(w, p.String())
	return err
}

// printer prints rows. The cells of a row do not keep it in memory.
type printer struct {
	cells func(*row.Row) []string
	add   func(cells []string) error
	end   func() error
}

// table returns a printer of a table with these columns; nil are the default ones.
func (v *view) table(named []row.Column) printer {
	g := newGrid(v.stdout)
	var headings []string
	var cells []func(*row.Row) string
	add := func(c row.Column) {
		g.right[len(headings)] = c.Numeric()
		heading := strings.ToUpper(c.Name)
		if c.Name == "path" {
			heading = "IMAGE"
		}
		headings = append(headings, heading)
		cells = append(cells, c.Cell)
		g.wrap = c.Name == "error"
	}
	if named == nil {
		named = v.besides()
		task := v.job.Schema().Shown()
		headings = append([]string{"IMAGE", "STATUS"}, task.Headings()...)
		cells = append(cells, func(r *row.Row) string { return r.Path }, func(r *row.Row) string { return r.Status })
		for i := range task.Headings() {
			cells = append(cells, func(r *row.Row) string { return task.Cells(r)[i] })
		}
	}
	for _, c := range named {
		add(c)
	}
	g.add(headings...)
	return printer{
		cells: func(r *row.Row) []string {
			line := make([]string, len(cells))
			for i, cell := range cells {
				line[i] = strings.Clone(printable.Field(cell(r)))
			}
			return line
		},
		add: func(cells []string) error { g.add(cells...); return g.flushBlock() },
		end: g.flush,
	}
}

// besides returns the columns that a table shows besides those that it always has:
// those by which rows were chosen and sorted, and the error of images that failed.
func (v *view) besides() []row.Column {
	shown := []string{"path", "status", "error"}
	for _, h := range v.job.Schema().Shown().Headings() {
		shown = append(shown, strings.ToLower(h))
	}
	var all []row.Column
	for _, c := range v.columns {
		if !slices.Contains(shown, c.Name) && (v.filter.Has(c.Name) || v.order.Has(c.Name)) {
			all = append(all, c)
		}
	}
	if v.selection != nil || v.filter.Has("status") || v.filter.Has("error") {
		c, _ := query.Find(v.columns, "error")
		all = append(all, c)
	}
	return all
}

// jsonLines returns a printer of one JSON object for each row.
func jsonLines(w io.Writer, columns []row.Column) printer {
	out := bufio.NewWriter(w)
	return printer{
		cells: func(r *row.Row) []string { return []string{string(jsonLine(columns, r))} },
		add: func(cells []string) error {
			_, err := out.WriteString(cells[0])
			return err
		},
		end: out.Flush,
	}
}

// jsonLine returns a row as a JSON object with a line break. Characters that could move
// the cursor are escaped, which means the same.
func jsonLine(columns []row.Column, r *row.Row) []byte {
	var line []byte
	for i, c := range columns {
		line = append(line, "{,"[min(i, 1)])
		line = append(line, `"`+c.Name+`":`...)
		line = c.AppendJSON(line, r)
	}
	return []byte(printable.Text(string(append(line, "}\n"...))))
}

// sayIncomplete prints a line if the rows that exist may not be all, and one for
// each reason for which they may not be what they should be.
func sayIncomplete(ctx context.Context, stdout io.Writer, st store.Store, job *output.Job, rows int) error {
	if job.DependentRows {
		if err := sayLine(stdout, output.DependentRowsNote); err != nil {
			return err
		}
	}
	s, err := output.ReadSuccess(ctx, st)
	if s.MixedDecoding {
		if err := sayLine(stdout, output.MixedDecodingNote); err != nil {
			return err
		}
	}
	if err == nil {
		_ = s.CountWorkers(ctx, st) // what _SUCCESS says is known without the summaries
	}
	if note := output.MixedGPUsNote(s.GPUKinds); note != "" {
		if err := sayLine(stdout, note); err != nil {
			return err
		}
	}
	if errors.Is(err, store.ErrNotExist) {
		return sayLine(stdout, fmt.Sprintf("There is no %s: the job is not complete.", output.SuccessName))
	}
	if err == nil && s.CollectionSize() != rows {
		err = s.CheckParts(ctx, st)
	}
	return err
}
