package main

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

func newMerge() *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		Use:   "merge OUT -o FILE",
		Short: "Write all rows of an output folder to one file, in manifest order",
		Long: `merge writes the parts of a complete output folder to one file. The file depends only on
the images, the model and the options: with one rank or many, restarted or not, it is
the same, byte for byte. "-o -" writes to standard output. A local file that exists
is replaced; to replace an object in object storage is an error.

` + placesHelp,
		Example: `  batchscore merge result -o labels.csv
  batchscore merge az://acme/labels/2019 -o labels.parquet`,
		Args: oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	f.register(cmd)
	return cmd
}

// mergeFlags say which file to write, and how.
type mergeFlags struct {
	places       placeFlags
	file, format string
}

func (f *mergeFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "output", "o", "", "write to `FILE`: a local file, an object in object storage, or - for standard output (required)")
	cmd.Flags().StringVar(&f.format, "format", "", "write rows as `FORMAT`: jsonl, csv or parquet (default by the file's extension, else that of the parts)")
	groupFlags(cmd, "Storage flags", func() {
		f.places.register(cmd)
		f.places.registerCreate(cmd)
	})
}

// run merges the output folder out.
func (f *mergeFlags) run(ctx context.Context, stdout io.Writer, out string) error {
	if f.file == "" {
		return usagef("-o is missing: the file to write, or - for standard output")
	}
	if _, err := spelled(f.file); err != nil {
		return usagef("-o: %w", err)
	}
	format, err := mergeFormat(f.file, f.format)
	if err != nil {
		return err
	}
	if isPart(out, f.file) {
		return usagef("-o %s: that name belongs to the output folder itself; give another", f.file)
	}
	st, err := f.places.open("OUT", out)
	if err != nil {
		return err
	}
	merge := func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 1<<20)
		if err := output.Merge(ctx, st, buffered, format); err != nil {
			return err
		}
		return buffered.Flush()
	}
	if f.file == "-" {
		return merge(stdout)
	}
	return f.places.create(ctx, "-o", f.file, merge)
}

// isPart reports whether a local file has the place of a part or of _SUCCESS in an
// output folder.
func isPart(out, file string) bool {
	name := filepath.Base(file)
	folder, err := spelled(filepath.Dir(file))
	if own, err2 := spelled(out); err != nil || err2 != nil || own != folder {
		return false
	}
	return name == output.SuccessName || strings.HasPrefix(name, "part-")
}

// mergeFormat returns the format to write: the one given, else the one of the file's
// extension. "" means that of the parts.
func mergeFormat(file, format string) (row.Format, error) {
	if format == "" {
		format = strings.TrimPrefix(filepath.Ext(file), ".")
		f, err := row.ParseFormat(format)
		if err != nil {
			return "", nil
		}
		return f, nil
	}
	f, err := row.ParseFormat(format)
	if err != nil {
		return "", usagef("--format: %v", err)
	}
	return f, nil
}
