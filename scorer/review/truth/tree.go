package truth

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
)

// folder is a folder that a tool exported: one with a file of another form in it, or with a
// folder for each label, as torchvision and YOLO's classifiers load them.
func folder() form {
	return form{
		name: "a folder with one of these in it, or with a folder for each label", unit: "line or file",
		is:   func(in *input) bool { return in.dir },
		read: readFolder,
	}
}

// knownFiles are the files in an exported folder that say which image has which label. The first
// pattern that any file matches counts.
var knownFiles = []string{
	"samples.json", "annotations/instances_*.json", "annotations/*.json", "annotations.xml",
	"metadata.jsonl", "metadata.csv", "metadata.parquet", "*/metadata.jsonl", "*/metadata.csv", "*/metadata.parquet",
	"data/*.parquet", "*.parquet",
}

// readFolder reads the files that are known, or else the names of folders.
func readFolder(ctx context.Context, in *input, add adder) error {
	root := os.DirFS(in.path)
	for _, pattern := range knownFiles {
		files, err := fs.Glob(root, pattern)
		if err != nil {
			return err
		}
		for _, name := range files {
			src, err := open(filepath.Join(in.path, filepath.FromSlash(name)), in.columns)
			left := 0
			if err == nil {
				left, err = src.read(ctx, add)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			in.left += left
		}
		if files != nil {
			return nil
		}
	}
	return readTree(ctx, in, add)
}

// splits are the names of folders above those of labels.
var splits = []string{"train", "val", "valid", "validation", "test"}

// The tables that 'export' writes next to folders of labels, and their first columns.
const (
	treeImages = "images.csv" // file, path, path_base64, label, label_of
	treeNames  = "names.csv"  // folder, label
)

// treeLabelOf is the number of the column that says whether a label is the model's. The label is
// before it.
const treeLabelOf = 4

// readTree takes the name of the folder that a file is in for its label. If 'export' made the
// folders, tables there say which image a file is, wherever it was moved to, and which label a
// folder stands for. A file that is where the label of the model put it is left out: nobody moved
// it, and whether anybody looked at it is not known.
func readTree(ctx context.Context, in *input, add adder) error {
	root := in.path
	labels, err := treeLabels(root)
	if err != nil {
		return err
	}
	t := tree{seed: maphash.MakeSeed(), labels: labels, files: map[uint64]string{}}
	switch table, err := os.Open(filepath.Join(root, treeImages)); {
	case err == nil:
		defer table.Close()
		if err := t.walk(ctx, root, func(_ int, name, label string) error { return t.learn(name, label) }); err != nil {
			return err
		}
		if err := t.named(table, in, add); err != nil {
			return fmt.Errorf("%s: %w", treeImages, err)
		}
		// What is left was added by people.
		return t.walk(ctx, root, func(n int, name, label string) error {
			if _, ok := t.files[t.hash(name)]; !ok {
				return nil
			}
			return add(name, label, n)
		})
	case errors.Is(err, fs.ErrNotExist):
		return t.walk(ctx, root, func(n int, name, label string) error { return add(name, label, n) })
	default:
		return err
	}
}

// tree is a folder with a folder for each label.
type tree struct {
	seed   maphash.Seed
	labels map[string]string // by folder
	files  map[uint64]string // labels by the hash of the last component of a file's name
}

func (t *tree) hash(name string) uint64 { return maphash.String(t.seed, path.Base(name)) }

// learn takes down which label a file has.
func (t *tree) learn(name, label string) error {
	h := t.hash(name)
	if was, ok := t.files[h]; ok && was != label {
		return fmt.Errorf("%w: the file %.200q is in the folders of %.200q and of %.200q", ErrContradiction, path.Base(name), was, label)
	}
	t.files[h] = label
	return nil
}

// named adds the labels of the files that a table names.
func (t *tree) named(table io.Reader, in *input, add adder) error {
	return eachRecord(table, 3, func(line int, record []string) error {
		h := t.hash(record[0])
		label, ok := t.files[h]
		if !ok {
			return nil // it was deleted
		}
		delete(t.files, h)
		if len(record) > treeLabelOf && record[treeLabelOf] == ofModel && record[treeLabelOf-1] == label && in.columns == "" {
			in.left++
			return nil
		}
		name, err := exact(record[1], record[2])
		if err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrForm, line, err)
		}
		return add(name, label, line)
	})
}

// walk calls fn for each image, with its number, its name below the folder of its label, and the
// label.
func (t *tree) walk(ctx context.Context, root string, fn func(n int, name, label string) error) error {
	top, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	above := []string{""}
	if slices.ContainsFunc(top, func(e fs.DirEntry) bool { return e.IsDir() && slices.Contains(splits, e.Name()) }) {
		above = splits
	}
	n := 0
	for _, split := range above {
		err := filepath.WalkDir(filepath.Join(root, split), func(file string, e fs.DirEntry, err error) error {
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) && split != "" {
					return nil
				}
				return err
			}
			if e.IsDir() || !isPicture(file) {
				return ctx.Err()
			}
			rel, err := filepath.Rel(filepath.Join(root, split), file)
			if err != nil {
				return err
			}
			label, name, ok := strings.Cut(filepath.ToSlash(rel), "/")
			if !ok {
				return nil // in no folder of a label
			}
			if known, ok := t.labels[label]; ok {
				label = known
			}
			n++
			return fn(n, name, label)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isPicture reports whether a file has the ending of a picture, or none.
func isPicture(name string) bool {
	return filepath.Ext(name) == "" || preprocess.KnownExtension(name)
}

// treeLabels reads which labels folders stand for; none if there is no table of them.
func treeLabels(root string) (map[string]string, error) {
	labels := map[string]string{}
	table, err := os.Open(filepath.Join(root, treeNames))
	if errors.Is(err, fs.ErrNotExist) {
		return labels, nil
	}
	if err != nil {
		return nil, err
	}
	defer table.Close()
	if err := eachRecord(table, 2, func(_ int, record []string) error {
		labels[record[0]] = record[1]
		return nil
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", treeNames, err)
	}
	return labels, nil
}

// eachRecord calls fn for each line of a table but the first, which have least columns or more.
func eachRecord(table io.Reader, least int, fn func(line int, record []string) error) error {
	src := &bounded{r: table, what: "a line", most: longestLine + 8192}
	r := csv.NewReader(src)
	r.ReuseRecord = true
	for first := true; ; first = false {
		src.mark(r.InputOffset())
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return tableError(err)
		}
		line, _ := r.FieldPos(0)
		if len(record) < least {
			return fmt.Errorf("%w: line %d has %d columns, and %d are needed", ErrForm, line, len(record), least)
		}
		if first {
			continue
		}
		if err := fn(line, record); err != nil {
			return err
		}
	}
}
