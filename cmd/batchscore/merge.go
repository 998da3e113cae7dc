package main

import (
	"bufio"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

func newMerge() *cobra.Command {
	var places placeFlags
	var file, format string
	cmd := &cobra.Command{
		Use:   "merge OUT -o FILE",
		Short: "Write all rows of an output folder to one file, in manifest order",
		Long: `merge writes one file from the parts of a complete output folder. The file depends
on the images, the model and the options alone: one rank or many, restarted or
not, it is the same file, byte for byte. "-o -" writes to standard output.
A blob that exists already is left as it is, and that is an error.

` + placesHelp,
		Example: "  batchscore merge result -o labels.csv",
		Args:    oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return usagef("-o is missing: the file to write, or - for standard output")
			}
			if _, err := spelled(file); err != nil {
				return usagef("-o: %w", err)
			}
			f, err := mergeFormat(file, format)
			if err != nil {
				return err
			}
			if isPart(args[0], file) {
				return usagef("-o %s: that name belongs to the output folder itself; give another", file)
			}
			st, err := places.open("OUT", args[0])
			if err != nil {
				return err
			}
			merge := func(w io.Writer) error {
				buffered := bufio.NewWriterSize(w, 1<<20)
				if err := output.Merge(cmd.Context(), st, buffered, f); err != nil {
					return err
				}
				return buffered.Flush()
			}
			if file == "-" {
				return merge(cmd.OutOrStdout())
			}
			return places.create(cmd.Context(), "-o", file, merge)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "file or blob to write, or - for standard output (required)")
	places.register(cmd)
	cmd.Flags().StringVar(&format, "format", "", "jsonl, csv or parquet; by default from the file's ending, else that of the parts")
	return cmd
}

// isPart reports whether a local file would stand where parts and _SUCCESS of an
// output folder do.
func isPart(out, file string) bool {
	name := filepath.Base(file)
	folder, err := spelled(filepath.Dir(file))
	if own, err2 := spelled(out); err != nil || err2 != nil || own != folder {
		return false
	}
	return name == output.SuccessName || strings.HasPrefix(name, "part-")
}

// mergeFormat is the format asked for, or the one that the file's ending names.
// Empty means that of the parts.
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
