package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/export"
	"github.com/batchscore/batchscore/scorer/review/truth"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/row/query"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

func newExport() *cobra.Command {
	var f exportImages
	cmd := &cobra.Command{
		SuggestFor: []string{"convert", "label-studio", "cvat", "coco"},
		Use:        "export OUT --to FORMAT -o PATH",
		Short:      "Hand images of a result on to the tools that people label and train with",
		Long: `export chooses images of an output folder and writes them, with the answers of the
model, in the form that a tool imports:

` + export.Table() + `
All conditions must hold for an image. --disagree takes images whose label or status
another output has otherwise, and --wrong those whose label is not that of --truth. Of
the images that are left, --per-class and --sample take those whose names have the lowest
hashes: the same ones on any machine, and a larger sample contains a smaller one. Images
that failed have no label; formats to label or train with leave them out.

PATH must not exist, except as an empty folder; it appears once it is whole. csv is
one file, which may be - for standard output or in object storage; the others are folders
of this machine. The same output and flags give the same bytes. Nothing that is written
holds a credential.

An image that was changed or deleted since it was scored is left out, and named; so is a
link that leaves the place of the images, which --follow-links reads. That alone is exit
code 0. If images cannot be read, the exit code is 3.

` + placesHelp,
		Example: `  batchscore export result --to label-studio --score 0.3..0.7 --sample 500 -o to-label
  batchscore export result --to csv --where 'label=Sexy path~2019/' -o rows.csv
  batchscore export result --to cvat --disagree last-week -o differ
  batchscore export result --to yolo --truth labels.csv --per-class 1000 -o dataset`,
		Args: oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := noneEmpty(cmd.Flags()); err != nil {
				return err
			}
			if err := f.check(cmd.Flags().Changed, args[0]); err != nil {
				return err
			}
			f.replace.ask = asker(cmd.InOrStdin(), cmd.ErrOrStderr())
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0])
		},
	}
	f.register(cmd)
	return cmd
}

// exportImages say which images to export, and how.
type exportImages struct {
	places              placeFlags
	to, file, head      string
	images              recordedImages
	status, where       string
	labels              []string
	score, margin       string
	perClass, sample    int
	seed                uint64
	disagree            string
	truth, truthColumns string
	wrong               bool
	options             export.Options
	validation          string
	served              bool // --served was given
	replace             consent

	// What check made of them.
	format    export.Format
	selection row.Selection // nil is all
	choice    export.Selection
}

func (f *exportImages) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.to, "to", "", "write the form `FORMAT`: "+orList(export.Names())+" (required)")
	fs.StringVarP(&f.file, "output", "o", "", "write to `PATH`: a new folder, or for csv a file (required)")
	f.images.register(cmd, "read the images from `PLACE`, for formats that need them (default the one that the job records)")
	fs.BoolVar(&f.replace.given, "force", false, "replace the file of csv if it exists and holds something else")
	groupFlags(cmd, "Which images", func() {
		registerJoined(fs, &f.status, "status", ",", "take only images with this `STATUS`, or with several, separated by commas; failed is all except ok")
		registerJoined(fs, &f.where, "where", " ", "take only images whose row fulfils these `CONDITIONS`, as 'show --where' does")
		fs.StringArrayVar(&f.labels, "label", nil, "take only images with this `LABEL`; again for another one")
		fs.StringVar(&f.score, "score", "", "take only images whose score is in this `RANGE`, such as 0.3..0.7, 0.9.. or ..0.5")
		fs.StringVar(&f.margin, "margin", "", "take only images whose best score is ahead of the second-best by this `RANGE`, such as 0..0.1")
		fs.StringVar(&f.disagree, "disagree", "", "take only images whose label or status is another one in the output in `PLACE`")
		fs.BoolVar(&f.wrong, "wrong", false, "take only images whose label is not that of --truth")
		fs.IntVar(&f.perClass, "per-class", 0, "take at most `N` images of each label")
		fs.IntVar(&f.sample, "sample", 0, "take at most `N` images")
		fs.Uint64Var(&f.seed, "seed", 0, "choose the images of a sample by this `SEED`; another one gives another sample")
	})
	groupFlags(cmd, "Truth", func() {
		registerHead(fs, &f.head)
		fs.StringVar(&f.truth, "truth", "", "write the labels in `FILE` too (a table, or the export of an annotation tool), or folder-names")
		fs.StringVar(&f.truthColumns, "truth-columns", "", "the `COLUMNS` of --truth that hold the image and its label, as in file,class (default by their names)")
	})
	groupFlags(cmd, "Formats", func() {
		fs.StringVar(&f.options.URLs, "urls", "", "give label-studio addresses in this `FORM`: "+orList(export.URLForms)+
			" (default azure-blob for images in object storage, and local-files for a folder)")
		fs.StringVar(&f.options.Served, "served", "/", "the `FOLDER` that Label Studio serves files from, its LOCAL_FILES_DOCUMENT_ROOT")
		fs.IntVar(&f.options.PerFile, "per-file", 0, "put `N` tasks in a file of label-studio (default 10000)")
		fs.BoolVar(&f.options.Link, "link", false, "make symbolic links to the images instead of copies of them")
		fs.StringVar(&f.validation, "validation", "", "the `SHARE` of the images that yolo and hf put aside for validation, such as 0.2 or 20%")
	})
	groupFlags(cmd, "Storage flags", func() {
		f.places.register(cmd)
		f.places.registerCreate(cmd)
	})
	chooseOne(cmd, "to", export.Names())
	chooseOne(cmd, "urls", export.URLForms)
	chooseSome(cmd, "status", append(row.FailureStatuses(), row.StatusOK, row.AnyFailure))
}

// check reads the flags. given reports whether a flag was given.
func (f *exportImages) check(given func(flag string) bool, out string) error {
	if f.to == "" {
		return usagef("--to is missing: the form to write: %s", orList(export.Names()))
	}
	var ok bool
	if f.format, ok = export.Named(f.to); !ok {
		return oneOf("to", f.to, export.Names())
	}
	if f.file == "" {
		return usagef("-o is missing: where to write")
	}
	for _, flag := range []struct {
		name  string
		value int
	}{{"per-class", f.perClass}, {"sample", f.sample}, {"per-file", f.options.PerFile}} {
		if given(flag.name) && flag.value < 1 {
			return invalid(flag.name, flag.value, "a number above zero")
		}
	}
	switch {
	case given("seed") && f.sample == 0 && f.perClass == 0:
		return usagef("--seed chooses a sample: give --sample or --per-class too")
	case f.wrong && f.truth == "":
		return usagef("--wrong compares labels with those of --truth, which is missing")
	case f.truthColumns != "" && f.truth == "":
		return usagef("--truth-columns needs --truth")
	case given("validation") && !f.format.Splits:
		return usagef("--validation is not for %s: it does not tell training and validation apart", f.to)
	case f.options.Link && f.format.Needs != export.Files:
		return usagef("--link is not for %s: it has no files of images", f.to)
	case f.replace.given && !f.format.OneFile:
		return usagef("--force replaces one file, and %s is a folder: name another one, or delete it", f.to)
	}
	if err := f.unused(given); err != nil {
		return err
	}
	f.served = given("served")
	if given("validation") {
		var err error
		if f.options.Validation, err = parseShare("validation", f.validation); err != nil {
			return err
		}
	}
	if given("urls") {
		if err := oneOf("urls", f.options.URLs, export.URLForms); err != nil {
			return err
		}
	}
	if given("status") {
		var err error
		if f.selection, err = parseStatuses("status", f.status, append(row.FailureStatuses(), row.StatusOK)); err != nil {
			return err
		}
	}
	f.choice = export.Selection{Labels: f.labels, Wrong: f.wrong, PerClass: f.perClass, Sample: f.sample, Seed: f.seed}
	var err error
	if f.choice.Score, err = parseRange("score", f.score, given("score")); err != nil {
		return err
	}
	if f.choice.Margin, err = parseRange("margin", f.margin, given("margin")); err != nil {
		return err
	}
	if f.format.OneFile && f.file == "-" {
		return nil
	}
	if !f.format.OneFile {
		if err := localOnly("-o", f.file); err != nil {
			return err
		}
	}
	return notOwnedBy("-o", f.file, out)
}

// parseRange reads a range such as 0.3..0.7, of which either end may be missing.
func parseRange(flag, text string, given bool) (*export.Range, error) {
	if !given {
		return nil, nil
	}
	wrong := invalid(flag, text, "two numbers with two dots between them, such as 0.3..0.7, 0.9.. or ..0.5")
	from, to, ok := strings.Cut(text, "..")
	if !ok || from == "" && to == "" {
		return nil, wrong
	}
	r := export.Range{From: 0, To: 1}
	for _, end := range []struct {
		text string
		to   *float64
	}{{from, &r.From}, {to, &r.To}} {
		if end.text == "" {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(end.text), 64)
		if err != nil || !(v >= 0 && v <= 1) {
			return nil, wrong
		}
		*end.to = v
	}
	if r.From > r.To {
		return nil, invalid(flag, text, "a range that begins with the lower number")
	}
	return &r, nil
}

// takes returns an error if the format has no place for answers of a task, or the flags are
// about others.
func (f *exportImages) takes(st store.Store, task row.Task) error {
	switch {
	case task.Name() == row.Classify.Name():
		return nil
	case task.Name() != row.Detect.Name():
		return config(fmt.Errorf("export takes answers of the tasks %s and %s; those of %s are of the task %s; 'batchscore merge' writes them",
			row.Classify.Name(), row.Detect.Name(), st, task.Name()))
	case f.format.Boxes == nil:
		return config(fmt.Errorf("%s has no boxes, and the answers of %s are of the task %s: export them with --to %s, or write them with 'batchscore merge'",
			f.format.Name, st, task.Name(), orList(export.NamesForBoxes())))
	case f.truth != "" || f.disagree != "":
		return usagef("--truth and --disagree compare labels of whole images, and the answers of %s are boxes", st)
	}
	return nil
}

// run exports images of the output in the place called out.
func (f *exportImages) run(ctx context.Context, stdout, stderr io.Writer, out string) error {
	ctx, st, job, err := openAnswer(ctx, &f.places, out, f.head)
	if err != nil {
		return err
	}
	if err := f.takes(st, job.Schema().Task); err != nil {
		return err
	}
	if f.served && f.options.URLs == "" && !isLocal(job.ImagesPlace()) {
		return usagef("--served is for images in a folder, and these are in %s", job.ImagesPlace())
	}
	r := export.Request{Job: job, Format: f.format, Boxes: job.Schema().Task.Name() == row.Detect.Name(), Select: f.choice, Options: f.options}
	if r.Select.Match, err = f.match(job); err != nil {
		return err
	}
	var known *truth.Set
	if f.truth != "" {
		if known, err = truth.Load(ctx, st, job, f.truth, f.truthColumns); err != nil {
			return fmt.Errorf("--truth: %w", err)
		}
		r.HasTruth = true
		if err := sayTruth(stderr, known); err != nil {
			return err
		}
	}
	var other store.Store
	if f.disagree != "" {
		if other, err = f.places.open("--disagree", f.disagree); err != nil {
			return err
		}
		if _, err := output.ExistingJob(ctx, other); err != nil {
			return fmt.Errorf("--disagree: %w", err)
		}
		r.Select.Differing = true
	}
	r.Rows = func(ctx context.Context, fn func(*export.Item) error) error {
		return rowsToExport(ctx, st, other, known, fn)
	}
	if f.format.Needs > export.Rows {
		if err := f.openImages(&r, out); err != nil {
			return err
		}
	}
	start := time.Now()
	progress := &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}, Bar: newBar(stderr, "exporting")}
	r.Progress = progress
	above := progress.Bar.Above(stderr)
	r.LeftOut = func(e shard.Entry, err error) {
		printf(above, "batchscore: not exported: %s\n", printable.Text(fmt.Sprintf("%q: %v", e.Path, err)))
	}
	report, err := f.write(ctx, stdout, above, &r)
	progress.Finish(time.Since(start))
	if errors.Is(err, export.ErrNone) {
		return config(fmt.Errorf("%w: %s", err, noneWhy(&report, st)))
	}
	if err != nil || f.file == "-" {
		return err
	}
	return f.conclude(ctx, stdout, st, job, &report)
}

// match returns the conditions of --status and --where; nil for none.
func (f *exportImages) match(job *output.Job) (func(*row.Row) bool, error) {
	var filter query.Filter
	if f.where != "" {
		var err error
		if filter, err = parseWhere(f.where, columnsOf(job)); err != nil {
			return nil, err
		}
	}
	if f.selection == nil && filter == nil {
		return nil, nil
	}
	return func(r *row.Row) bool {
		return (f.selection == nil || f.selection.Has(r.Status)) && filter.Match(r)
	}, nil
}

// rowsToExport calls fn for each row of an output, with its truth, and whether it differs in
// another output. Both may be nil.
func rowsToExport(ctx context.Context, st, other store.Store, known *truth.Set, fn func(*export.Item) error) error {
	theirs := func(string) (*row.Row, error) { return nil, nil }
	if other != nil {
		of, stop := review.RowsOf(ctx, other)
		defer stop()
		theirs = of
	}
	return output.Results(ctx, st, func(e shard.Entry, r row.Row) error {
		it := export.Item{Entry: e, Row: r}
		if other != nil {
			o, err := theirs(e.Path)
			if err != nil {
				return fmt.Errorf("--disagree: %w", err)
			}
			it.Differs = o != nil && disagree(&it, &export.Item{Row: *o})
		}
		if known != nil {
			it.Truth, _ = known.Of(e.Path)
		}
		return fn(&it)
	})
}

// disagree reports whether two rows of an image have another status or label.
func disagree(a, b *export.Item) bool {
	mine, _, _ := a.Label()
	theirs, _, _ := b.Label()
	return a.Row.Status != b.Row.Status || mine != theirs
}

// openImages opens the place of the images.
func (f *exportImages) openImages(r *export.Request, out string) error {
	images, err := f.images.open(f.places, r.Job, out)
	if err != nil {
		return err
	}
	if place := cmp.Or(f.images.place, r.Job.ImagesPlace()); f.options.Link && !isLocal(place) {
		return usagef("--link: the images are in %s, and a link needs them in a folder of this machine", place)
	}
	r.Images, r.AnyVersion, r.Decode = images.store, images.copies, images.decode
	return nil
}

// write writes the export to where the user wants it.
func (f *exportImages) write(ctx context.Context, stdout, stderr io.Writer, r *export.Request) (report export.Report, err error) {
	if !f.format.OneFile {
		folder, err := export.NewLocal(f.file)
		if errors.Is(err, export.ErrTaken) {
			return report, config(fmt.Errorf("-o: %w: choose another path", err))
		} else if err != nil {
			return report, err
		}
		defer folder.Close()
		sayPartials(stderr, folder)
		if report, err = export.Run(ctx, r, folder); err != nil {
			return report, err
		}
		return report, folder.Keep()
	}
	write := func(w io.Writer) error {
		report, err = export.Run(ctx, r, &export.One{W: w})
		return err
	}
	if f.file == "-" {
		return report, write(stdout)
	}
	err = f.places.writeWhole(ctx, wholeFile{flag: "-o", file: f.file, replace: &f.replace, write: write,
		held: func(was io.Reader) (bool, error) { return holds(was, write) }})
	return report, err
}

// sayPartials says which folders of other exports to the same path there were.
func sayPartials(stderr io.Writer, folder *export.Local) {
	for _, name := range folder.Removed {
		printf(stderr, "batchscore: removed %s, which an export that was killed had left\n", printable.Text(name))
	}
	for _, name := range folder.Left {
		printf(stderr, "batchscore: %s is of another export to this path; if none is going on, delete it\n", printable.Text(name))
	}
}

// sayTruth says how a truth met the images, if some of it did not.
func sayTruth(stderr io.Writer, known *truth.Set) error {
	n, examples := known.Unmatched()
	if n == 0 {
		return nil
	}
	for i := range examples {
		examples[i] = strconv.Quote(examples[i])
	}
	_, err := printf(stderr, "batchscore: --truth: %s; without an image, such as %s\n",
		printable.Text(known.String()), printable.Text(strings.Join(examples, ", ")))
	return err
}

// noneWhy says why no image is chosen.
func noneWhy(r *export.Report, st store.Store) string {
	if r.Failed > 0 {
		return fmt.Sprintf("of the %d rows in %s, %d fulfil the conditions, all of images that failed and have no label; --to csv writes them", r.Rows, st, r.Failed)
	}
	return fmt.Sprintf("of the %d rows in %s, none fulfils the conditions", r.Rows, st)
}

// conclude says what was written.
func (f *exportImages) conclude(ctx context.Context, stdout io.Writer, st store.Store, job *output.Job, r *export.Report) error {
	text := fmt.Sprintf("%s has %d of %s", printable.Text(f.file), r.Written, images(r.Rows))
	if f.format.File != "" && !f.format.OneFile {
		text += " in " + f.format.File
	}
	if r.Bytes > 0 {
		text += fmt.Sprintf(", %s copied", formatBytes(r.Bytes))
	}
	for _, part := range []struct {
		n    int
		what string
	}{
		{r.Failed, "failed and have no label"}, {r.Changed, "were changed since they were scored"},
		{r.Gone, "are not there any more"}, {r.Outside, "are links that lead out of the place of the images (--follow-links reads them)"},
		{r.Unread, "could not be read"},
	} {
		if part.n > 0 {
			text += fmt.Sprintf("; %d left out: they %s", part.n, part.what)
		}
	}
	if job.Simulated() {
		text += "; its labels are simulated: no model has seen the images"
	}
	if err := sayLine(stdout, text); err != nil {
		return err
	}
	if err := sayIncomplete(ctx, stdout, st, job, r.Rows); err != nil {
		return err
	}
	if r.Unread > 0 {
		return fmt.Errorf("%d %w: each is named above", r.Unread, errLeftOut)
	}
	return nil
}
