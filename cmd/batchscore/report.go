package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/embedding"
	"github.com/batchscore/batchscore/scorer/review/gate"
	reportpage "github.com/batchscore/batchscore/scorer/review/page"
	"github.com/batchscore/batchscore/scorer/review/timeline"
	"github.com/batchscore/batchscore/scorer/review/truth"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newReport() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		SuggestFor: []string{"html", "evaluate", "accuracy", "compare"},
		Use:        "report OUT -o FILE.html",
		Short:      "Show what a result says on one page, with pictures, and judge it",
		Long: `report reads all rows of an output folder once and writes one HTML file, which needs
nothing else: it works from a disk, in an e-mail and on paper. It shows how many images
have which label and how sure the model is, galleries of the least sure, the surest and
the failed ones, what each rank did when, and where the rows come from.

With --truth it also says how often labels are right: a table of names and labels, what
an annotation tool exports, or folder-names if the folder of each image is its label.
With --against it compares the rows with those of another output: which labels changed,
and how far their shares and the scores have moved.

Pictures are read from where the record of OUT says that the images are, or from
--images. A report without access to them has no pictures and says so. Images that are
links out of that place have none either, unless --follow-links is given. The page is at
most --max-megabytes large: beyond that, galleries show fewer pictures.

--json prints the figures for programs instead of a page, or as well. --fail-on makes the
exit code 7 if a figure is not as it should be, so that a night can end before its labels
are used. Damaged rows never pass (10). A job that is not complete passes only if a
condition is about missing images, as in 'missing>100' (else 75). 'batchscore help
figures' lists all figures.

The same output and flags make the same page, byte for byte.

` + placesHelp,
		Example: `  batchscore report result -o report.html
  batchscore report result --truth labels.csv -o report.html
  batchscore report result --truth folder-names --against last-week -o report.html
  batchscore report result --against last-week --fail-on 'drift>0.2,failed>1%'`,
		Args: oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := noneEmpty(cmd.Flags()); err != nil {
				return err
			}
			f.gated = cmd.Flags().Changed("fail-on")
			f.replace.ask = asker(cmd.InOrStdin(), cmd.ErrOrStderr())
			f.given = cmd.Flags().Changed
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0])
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "output", "o", "", "write the page to `FILE`, which ends in .html or .htm: "+
		"a local file, an object in object storage, or - for standard output")
	registerHead(fs, &f.head)
	fs.StringVar(&f.truth, "truth", "", "compare the labels with those in `FILE` (CSV, Parquet, or the export of an annotation tool), or with folder-names")
	fs.StringVar(&f.truthColumns, "truth-columns", "", "the `COLUMNS` of --truth that hold the image and its label, as in file,class (default by their names)")
	fs.StringVar(&f.against, "against", "", "compare the rows with those of the output in `PLACE`")
	fs.StringVar(&f.embeddings, "embeddings", "", "find near duplicates and outliers by the vectors in `FILE`, "+
		"a .npy with a row for each image in the order of the rows")
	fs.BoolVar(&f.json, "json", false, "print the figures as JSON")
	fs.BoolVar(&f.noPictures, "no-pictures", false, "read no images: the page has no pictures")
	fs.BoolVar(&f.noVerify, "no-verify", false, "do not prove that the rows match the manifest, which reads all parts once more; --fail-on says so")
	f.images.register(cmd, "read the pictures from `PLACE` (default the one that the job records)")
	fs.IntVar(&f.perGallery, "per-gallery", 12, "show `N` images in each gallery")
	fs.Float64Var(&f.threshold, "threshold", 0.5, "show images whose score is nearest to `SCORE` in a gallery")
	fs.Float64Var(&f.maxMegabytes, "max-megabytes", 25, "let the page be at most `N` megabytes large")
	fs.Uint64Var(&f.seed, "seed", 1, "`NUMBER` that chooses which images samples have")
	fs.StringVar(&f.failOn, "fail-on", "", "exit with code 7 if one of the `CONDITIONS` holds, as in 'drift>0.2,accuracy<0.9,failed>1%'")
	fs.StringVar(&f.metricsFile, "metrics-file", "", "write the figures to `FILE`, which ends in .prom, for the textfile collector of node_exporter")
	fs.BoolVar(&f.replace.given, "force", false, "replace the file if it exists and holds something else")
	groupFlags(cmd, "Storage flags", func() {
		f.places.register(cmd)
		f.places.registerCreate(cmd)
	})
	return cmd
}

// figuresTopic is what 'help figures' prints.
func figuresTopic() string {
	return `The figures of a result, for 'report --fail-on'. Conditions have commas between them, such
as 'failed>1%' or 'recall[cat]<0.8'. Operators are <, <=, > and >=. A condition that holds
makes the exit code 7. A figure that the result does not have is wrong usage, never a pass.
Figures and percentages are of the images that have a row. Rows that verify finds damaged
make it 10, whatever the conditions. A job that is not complete makes it 75, unless a
condition is about 'missing'.

` + gate.List() + `
'report --json' prints them all, and --metrics-file writes them for Prometheus.`
}

// reportFlags say what to report, and where to write it.
type reportFlags struct {
	places                             placeFlags
	file, truth, truthColumns, against string
	head                               string
	images                             recordedImages
	json, noPictures, noVerify         bool
	perGallery                         int
	threshold, maxMegabytes            float64
	seed                               uint64
	replace                            consent
	embeddings                         string
	failOn, metricsFile                string
	conditions                         gate.Conditions // of failOn, if it was given
	gated                              bool
	given                              func(flag string) bool // reports whether a flag was given
	damage                             error                  // that verify found, if it was asked
}

// mostPerGallery is how many images a gallery has at most: a page is to be looked at.
const mostPerGallery = 500

func (f *reportFlags) check(out string) error {
	switch {
	case f.file == "" && !f.json && !f.gated && f.metricsFile == "":
		return usagef("-o is missing: the file to write the page to, or --json for the figures alone")
	case f.file == "-" && f.json:
		return usagef("-o - and --json would both write to standard output: name a file for the page")
	case f.file != "" && f.file != "-" && !isSpecial(f.file) && !slices.Contains([]string{".html", ".htm"}, strings.ToLower(filepath.Ext(f.file))):
		return usagef("-o %s: the page is HTML: end the name in .html", f.file)
	case f.perGallery < 1 || f.perGallery > mostPerGallery:
		return invalid("per-gallery", f.perGallery, fmt.Sprintf("a number from 1 to %d", mostPerGallery))
	case math.IsNaN(f.threshold) || math.IsInf(f.threshold, 0):
		return invalid("threshold", f.threshold, "a score")
	case !(f.maxMegabytes > 0) || math.IsInf(f.maxMegabytes, 0):
		return invalid("max-megabytes", f.maxMegabytes, "a number above 0")
	case f.truthColumns != "" && f.truth == "":
		return usagef("--truth-columns needs --truth")
	}
	if err := f.unused(f.given); err != nil {
		return err
	}
	if err := f.checkGate(); err != nil || f.file == "" || f.file == "-" {
		return err
	}
	return notOwnedBy("-o", f.file, out)
}

func (f *reportFlags) run(ctx context.Context, stdout, stderr io.Writer, out string) error {
	if err := f.check(out); err != nil {
		return err
	}
	ctx, st, job, err := openAnswer(ctx, &f.places, out, f.head)
	if err != nil {
		return err
	}
	opt := review.Options{PerGallery: f.perGallery, Seed: f.seed, Threshold: f.threshold, Sample: sampledSides}
	var known *truth.Set
	if f.truth != "" {
		if known, err = truth.Load(ctx, st, job, f.truth, f.truthColumns); err != nil {
			return fmt.Errorf("--truth: %w", err)
		}
		opt.Truth = known
	}
	if f.against != "" {
		if opt.Against, err = f.places.open("--against", f.against); err != nil {
			return err
		}
	}
	if f.embeddings != "" {
		if opt.Vectors, err = f.judgeVectors(ctx, st); err != nil {
			return err
		}
	}
	found, entries, err := f.collect(ctx, stderr, st, opt)
	if err != nil {
		return err
	}
	if known != nil {
		describeTruth(found, known)
	}
	if err := readTimeline(ctx, st, found); err != nil {
		return err
	}
	if !f.noVerify {
		if err := f.addVerdict(ctx, st, found); err != nil {
			return err
		}
	}
	var seen thumbs
	if f.file != "" {
		if seen, err = f.readPictures(ctx, stderr, job, out, found, entries); err != nil {
			return err
		}
	}
	found.Conclude()
	f.addFigures(found)
	if f.file != "" {
		if err := seen.fit(found, int64(f.maxMegabytes*1e6)); err != nil {
			return err
		}
		if err := f.write(ctx, stdout, found, seen); err != nil {
			return err
		}
	}
	if f.json {
		if err := printJSON(stdout, found); err != nil {
			return err
		}
	}
	if err := f.sayJudgement(stdout, stderr, found, known); err != nil {
		return err
	}
	verdict := f.judge(found)
	if err := f.writeMetrics(found, verdict); err != nil {
		return err
	}
	if verdict != nil {
		return verdict
	}
	return f.sayPassed(stdout, stderr, found)
}

// collect reads all rows, with a progress bar.
func (f *reportFlags) collect(ctx context.Context, stderr io.Writer, st store.Store, opt review.Options) (*review.Findings, review.Entries, error) {
	total := 0
	if s, err := output.ReadSuccess(ctx, st); err == nil {
		total = s.CollectionSize()
	}
	bar := newSteps(stderr, "reading rows", total)
	opt.Progress = bar.to
	found, entries, err := review.Collect(ctx, st, opt)
	bar.end()
	return found, entries, err
}

// judgeVectors finds near duplicates and outliers.
func (f *reportFlags) judgeVectors(ctx context.Context, st store.Store) (*embedding.Result, error) {
	if err := localOnly("--embeddings", f.embeddings); err != nil {
		return nil, err
	}
	v, err := embedding.Open(f.embeddings)
	if err != nil {
		return nil, config(fmt.Errorf("--embeddings: %w", err))
	}
	defer v.Close()
	r, err := embedding.Judge(ctx, v, review.LabelsOf(ctx, st), embedding.Options{Seed: f.seed})
	if errors.Is(err, embedding.ErrRows) {
		return nil, config(fmt.Errorf("--embeddings %s: %w", f.embeddings, err))
	}
	return r, err
}

// readTimeline reads which rank did what when. A report is as good without it.
func readTimeline(ctx context.Context, st store.Store, found *review.Findings) error {
	t, err := timeline.Read(ctx, st, timeline.Options{})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		found.NoTimeline = redact(err.Error())
	default:
		found.Timeline = t
	}
	return nil
}

// addVerdict proves that the rows match the manifest.
func (f *reportFlags) addVerdict(ctx context.Context, st store.Store, found *review.Findings) error {
	r, err := output.Verify(ctx, st)
	if err != nil {
		return err
	}
	if !r.OnlyLacksParts() {
		f.damage = r.Err()
	}
	found.Verified = &review.Verdict{OK: r.OK(), Text: r.String()}
	return nil
}

// pageOptions are how the page shows findings. thumb is nil for a page without pictures.
func pageOptions(thumb func(int) ([]byte, int, int)) reportpage.Options {
	return reportpage.Options{Thumb: thumb, Program: "batchscore " + version}
}

// write writes the page.
func (f *reportFlags) write(ctx context.Context, stdout io.Writer, found *review.Findings, seen thumbs) error {
	write := func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 1<<16)
		if err := reportpage.Write(buffered, found, pageOptions(seen.thumb)); err != nil {
			return err
		}
		return buffered.Flush()
	}
	if f.file == "-" {
		return write(stdout)
	}
	if err := f.places.writeWhole(ctx, wholeFile{flag: "-o", file: f.file, replace: &f.replace, write: write,
		held: func(r io.Reader) (bool, error) { return holds(r, write) }}); err != nil || isSpecial(f.file) || f.json {
		return err
	}
	return sayLine(stdout, fmt.Sprintf("%s shows what %s of %s say%s", printable.Text(f.file), images(found.Images), found.Output, seen.note()))
}
