// Corpus decodes pictures for compare.py, which compares them with Pillow's.
//
// It reads lines of a width, a height and a file's path, separated by tabs. It answers
// each with a line of the status, the reason and the number of bytes that follow, which
// are the picture resized to that size, in RGB. At a picture's own size the resize
// changes nothing. With the argument "endings" it prints the endings of picture files.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "endings" {
		fmt.Println(strings.Join(preprocess.Extensions(), "\n"))
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func serve(r io.Reader, w io.Writer) error {
	out := bufio.NewWriter(w)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var width, height int
		fields := strings.SplitN(lines.Text(), "\t", 3)
		if len(fields) != 3 {
			return fmt.Errorf("%q is not a width, a height and a path", lines.Text())
		}
		if _, err := fmt.Sscan(fields[0]+" "+fields[1], &width, &height); err != nil {
			return err
		}
		status, reason, row, err := decode(width, height, fields[2])
		if err != nil {
			return err
		}
		reason = strings.NewReplacer("\t", " ", "\n", " ").Replace(reason)
		if _, err := fmt.Fprintf(out, "%s\t%s\t%d\n", status, reason, len(row)); err != nil {
			return err
		}
		if _, err := out.Write(row); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return lines.Err()
}

func decode(width, height int, path string) (codec.Status, string, []byte, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return "", "", nil, err
	}
	spec := preprocess.Spec{Width: width, Height: height, Layout: preprocess.HWC, DType: preprocess.Uint8,
		Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}
	d, err := preprocess.NewDecoder(spec, preprocess.Options{ForcePortable: os.Getenv("PORTABLE") != ""})
	if err != nil {
		return "", "", nil, err
	}
	defer d.Close()
	row := make([]byte, spec.RowBytes())
	var f *codec.Failure
	switch err := d.Decode(row, src); {
	case errors.As(err, &f):
		return f.Status, f.Reason, nil, nil
	case err != nil:
		return "", "", nil, err
	}
	return codec.StatusOK, "", row, nil
}
