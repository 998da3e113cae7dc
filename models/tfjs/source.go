package tfjs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// modelFiles are the names that a model file may have: plain JSON, and the module of the
// npm package nsfwjs.
var modelFiles = []string{"model.json", "model.min.js"}

// Limits on what is read into memory.
const (
	maxModelFile = 64 << 20
	maxShard     = 1 << 30
)

// source is the place of a model: the folder dir in files.
type source struct {
	files fs.FS
	dir   string
	pkg   npmPackage // zero if there is none
	// pkgDir is the npm package's folder in files.
	pkgDir string
	folder string    // the base name of a source that is a folder
	sum    hash.Hash // over the lines of sha256sum, in the order of reading
	opened []io.Closer
}

// npmPackage is the part of a package.json that is used here.
type npmPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// openSource opens the folder or .tgz at name and finds the model in it.
func openSource(ctx context.Context, name, dir string) (*source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if dir != "" && !fs.ValidPath(path.Clean(dir)) {
		return nil, bad("the path %q leads out of the source", dir)
	}
	s := &source{sum: sha256.New()}
	if info.IsDir() {
		err = s.openFolder(name, dir)
	} else {
		err = s.openArchive(ctx, name, dir)
	}
	if err == nil {
		err = s.readPackage()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openFolder uses the folder as the source, or the npm package nsfwjs that contains it,
// because that has its class names in another folder. Nothing outside of the source is
// read, whatever a manifest says.
func (s *source) openFolder(name, dir string) error {
	name, err := filepath.Abs(filepath.Join(name, filepath.FromSlash(dir)))
	if err != nil {
		return err
	}
	top, sub := name, "."
	for up, rel := name, "."; up != filepath.Dir(up); up = filepath.Dir(up) {
		if isNSFWJS(filepath.Join(up, "package.json")) {
			top, sub = up, rel
			break
		}
		rel = path.Join(filepath.Base(up), rel)
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return err
	}
	s.opened = append(s.opened, root)
	s.files, s.dir, s.pkgDir, s.folder = regularFiles{root}, sub, ".", filepath.Base(name)
	for _, f := range modelFiles {
		if _, err := fs.Stat(s.files, path.Join(s.dir, f)); err == nil {
			return nil
		}
	}
	return bad("%s holds no %s", name, strings.Join(modelFiles, " and no "))
}

func isNSFWJS(file string) bool {
	f, err := atomicfile.OpenRegular(file)
	if err != nil {
		return false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPackage))
	var p npmPackage
	return err == nil && json.Unmarshal(text, &p) == nil && p.Name == nsfwjs
}

// maxPackage is more bytes than package.json of any npm package has.
const maxPackage = 1 << 20

// regularFiles are the regular files of a folder. What else is there cannot be opened.
type regularFiles struct{ *os.Root }

func (r regularFiles) Open(name string) (fs.File, error) {
	f, err := atomicfile.OpenRegularIn(r.Root, name)
	if errors.Is(err, atomicfile.ErrIrregular) {
		return nil, bad("%w", err)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (r regularFiles) Stat(name string) (fs.FileInfo, error) { return r.Root.Stat(name) }

// openArchive reads the model's folder of a .tgz into memory, together with the files that
// identify the package.
func (s *source) openArchive(ctx context.Context, name, dir string) error {
	a := archive{name, usualBounds}
	dirs, err := a.folders(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(dirs) == 0:
		return bad("the archive holds no %s", strings.Join(modelFiles, " and no "))
	case dir == "" && len(dirs) > 1:
		return bad("the archive holds %d models; name one of the folders %s", len(dirs), some(dirs))
	case dir == "":
		s.dir = dirs[0]
	default:
		s.dir = path.Clean(dir)
		if i := slices.IndexFunc(dirs, func(d string) bool { return d == s.dir || strings.HasSuffix(d, "/"+s.dir) }); i >= 0 {
			s.dir = dirs[i]
		} else {
			return bad("the archive has no model in %s; it has some in %s", dir, some(dirs))
		}
	}
	s.pkgDir, _, _ = strings.Cut(s.dir, "/") // npm puts everything under package/
	s.files, err = a.unpack(ctx, func(file string) bool {
		return path.Dir(file) == s.dir || file == path.Join(s.pkgDir, "package.json") || file == path.Join(s.pkgDir, classTable)
	})
	return err
}

// some lists folders, at most ten of them.
func some(dirs []string) string {
	if more := len(dirs) - 10; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(dirs[:10], ", "), more)
	}
	return strings.Join(dirs, ", ")
}

func (s *source) readPackage() error {
	text, err := s.read(path.Join(s.pkgDir, "package.json"), maxModelFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s.pkg); err != nil {
		return bad("package.json: %w", err)
	}
	return nil
}

// Close closes all files that were opened.
func (s *source) Close() {
	for _, c := range s.opened {
		_ = c.Close() // only read
	}
}

// document is a model file.
type document struct {
	Format   string          `json:"format"`
	Topology json.RawMessage `json:"modelTopology"`
	Manifest json.RawMessage `json:"weightsManifest"`
	// Of a graph model; in older files the signature is among the metadata.
	Signature *signature `json:"signature"`
	Metadata  struct {
		Signature *signature `json:"signature"`
	} `json:"userDefinedMetadata"`
}

// graphModel is the format of a model that is a graph of TensorFlow's operations.
const graphModel = "graph-model"

func (s *source) readModel() (*document, error) {
	for _, name := range modelFiles {
		text, err := s.read(path.Join(s.dir, name), maxModelFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.note(name, text)
		if path.Ext(name) == ".js" {
			if text, err = unwrapJSON(text); err != nil {
				return nil, bad("%s: %w", name, err)
			}
		}
		var d document
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, bad("%s: %w", name, err)
		}
		switch {
		case d.Format != "" && d.Format != "layers-model" && d.Format != graphModel:
			return nil, bad("%s is a %q; only layers models and graph models can be imported;"+
				" convert this one: python3 -m tf2onnx.convert --tfjs model.json --output model.onnx", name, d.Format)
		case len(d.Topology) == 0 || len(d.Manifest) == 0:
			return nil, bad("%s has no modelTopology or no weightsManifest: not a model of TensorFlow.js", name)
		}
		return &d, nil
	}
	return nil, bad("%s: no %s", s.dir, strings.Join(modelFiles, " and no "))
}

// openShard opens the shard of that name in the manifest: a binary file of the same name,
// or a module that exports it in base64.
func (s *source) openShard(name string) (io.ReaderAt, int64, error) {
	if !fs.ValidPath(name) {
		return nil, 0, bad("the weights manifest names the file %q", name)
	}
	f, err := s.files.Open(path.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		text, err := s.read(path.Join(s.dir, name+".min.js"), maxShard)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, 0, bad("the shard %s is missing", name)
		}
		if err != nil {
			return nil, 0, err
		}
		s.note(name+".min.js", text)
		data, err := unwrapBase64(text)
		if err != nil {
			return nil, 0, bad("%s.min.js: %w", name, err)
		}
		return bytes.NewReader(data), int64(len(data)), nil
	}
	if err != nil {
		return nil, 0, err
	}
	s.opened = append(s.opened, f)
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return nil, 0, bad("the shard %s is not a file", name)
	}
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return nil, 0, err
	}
	s.noteSum(name, sum)
	return r, size, nil
}

// read reads a file of at most limit bytes.
func (s *source) read(name string, limit int64) ([]byte, error) {
	f, err := s.files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = bad("%s has more than %d bytes", name, limit)
	}
	return text, err
}

func (s *source) note(name string, text []byte) {
	sum := sha256.New()
	sum.Write(text)
	s.noteSum(name, sum)
}

func (s *source) noteSum(name string, sum hash.Hash) {
	fmt.Fprintf(s.sum, "%x  %s\n", sum.Sum(nil), name)
}

// digest covers the model file and all shards as they are in the source. It is the SHA-256
// of what "sha256sum MODEL SHARD..." prints.
func (s *source) digest() string { return "sha256:" + hex.EncodeToString(s.sum.Sum(nil)) }

// describe identifies the source without naming the user's own folders.
func (s *source) describe() string {
	if s.pkg.Name == "" {
		return "TensorFlow.js layers model"
	}
	dir := strings.TrimPrefix(strings.TrimPrefix(s.dir, s.pkgDir), "/")
	return strings.TrimSpace(fmt.Sprintf("npm %s %s %s", s.pkg.Name, s.pkg.Version, dir))
}

func (s *source) name(given string) string {
	switch {
	case given != "":
		return given
	case s.pkg.Name != "":
		return s.pkg.Name + "-" + path.Base(s.dir)
	case s.dir != ".":
		return path.Base(s.dir)
	}
	return s.folder
}

// nsfwjs is an npm package with a trained Inception V3. classTable is its file with the
// names of the classes.
const (
	nsfwjs     = "nsfwjs"
	classTable = "dist/esm/nsfw_classes.js"
)

var classTableValue = regexp.MustCompile(`NSFW_CLASSES\s*=\s*`)

// labels returns the source's own labels; nil if it has none.
func (s *source) labels() ([]string, error) {
	if s.pkg.Name != nsfwjs {
		return nil, nil
	}
	text, err := s.read(path.Join(s.pkgDir, classTable), maxModelFile)
	if err != nil {
		return nil, fmt.Errorf("read the class names: %w", err)
	}
	at := classTableValue.FindIndex(text)
	if at == nil {
		return nil, bad("%s names no classes", classTable)
	}
	table, err := literal(text[at[1]:])
	if err != nil {
		return nil, bad("%s: %w", classTable, err)
	}
	var byNumber map[int]string
	if err := json.Unmarshal(table, &byNumber); err != nil {
		return nil, bad("%s: %w", classTable, err)
	}
	labels := make([]string, len(byNumber))
	for i := range labels {
		label, ok := byNumber[i]
		if !ok {
			return nil, bad("%s names %d classes, but not class %d", classTable, len(byNumber), i)
		}
		labels[i] = label
	}
	return labels, nil
}
