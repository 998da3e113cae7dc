package dir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
)

// readAtOnce is how many names of a folder are read at a time.
const readAtOnce = 1024

// walker is one walk through a Store.
//
// It lists every folder once: under its real path, if that is beneath the root,
// or else under one link. First it walks without following links to folders, and
// collects them. Then it follows these in order of their names, then the links
// that it found meanwhile, and so on. It passes over links to a tree that was
// walked before. So names do not depend on the order in which the operating system
// lists them, and a walk ends even if links form a circle.
type walker struct {
	s      *Store
	ctx    context.Context //nolint:containedctx // it is that of the one call of List that the walker serves
	prefix string
	fn     listing
	// linkedOnly leaves out everything that is not beneath a link.
	linkedOnly bool

	// from is the link that is being followed; zero while none is. Its name ends
	// in a slash.
	from  link
	links []link // still to be followed
	// trees are the real paths of folders that were walked, with all beneath them;
	// nil until links are followed. closed are those of folders that were not
	// entered.
	trees, closed map[string]bool
}

// link is a link to a folder.
type link struct {
	name string
	real string // the folder's path without links
}

// follow walks the folders that links lead to.
func (w *walker) follow() error {
	if len(w.links) == 0 {
		return nil
	}
	root, err := filepath.EvalSymlinks(w.s.root)
	if err != nil {
		return classify("list", w.s.root, 0, err)
	}
	w.trees = map[string]bool{root: true}
	for len(w.links) > 0 {
		links := w.links
		w.links = nil
		slices.SortFunc(links, func(a, b link) int { return strings.Compare(a.name, b.name) })
		for _, l := range links {
			if w.walked(l.real) {
				w.pass(l.name, store.ElsewhereFolder)
				continue
			}
			w.trees[l.real] = true
			w.from = link{l.name + "/", l.real}
			if err := w.tree(w.from.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// walked reports whether a folder is in a tree that was walked.
func (w *walker) walked(real string) bool {
	for {
		switch above := filepath.Dir(real); {
		case w.trees[real]:
			return true
		case w.closed[real], above == real:
			return false
		default:
			real = above
		}
	}
}

// real returns the path without links of a folder that is being walked.
func (w *walker) real(at string) string {
	if w.from.name == "" {
		root, err := filepath.EvalSymlinks(w.s.root)
		if err != nil {
			root = w.s.root
		}
		return filepath.Join(root, at)
	}
	return filepath.Join(w.from.real, at[len(w.from.name):])
}

// tree lists the folder named at ("" or ending in a slash) and those beneath it.
func (w *walker) tree(at string) error {
	path := w.s.root + "/" + at
	d, err := os.Open(path)
	if err != nil {
		switch {
		case at != "" && errors.Is(err, fs.ErrNotExist):
			return nil // removed since it was seen
		case at != "" && isDenied(err):
			w.passFolder(at, store.ClosedFolder)
			return nil
		}
		return classify("list the folder", path, 0, err)
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(readAtOnce)
		for _, e := range entries {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			if err := w.visit(at, e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return classify("list the folder", path, 0, err)
		}
	}
}

// passFolder passes over a folder and everything in it.
func (w *walker) passFolder(at string, why store.Reason) {
	if w.closed == nil {
		w.closed = map[string]bool{}
	}
	w.closed[w.real(at)] = true
	w.pass(strings.TrimSuffix(at, "/"), why)
}

// visit lists one entry of the folder at, and everything beneath it.
func (w *walker) visit(at string, e fs.DirEntry) error {
	name := at + e.Name()
	if strings.HasPrefix(e.Name(), tempPrefix) {
		w.pass(name, store.Unfinished)
		return nil
	}
	if e.IsDir() {
		return w.folder(at, e.Name())
	}
	if e.Type() == fs.ModeSymlink {
		return w.link(at, e)
	}
	if !w.wants(name) {
		return nil
	}
	if w.fn.name != nil && e.Type().IsRegular() {
		return w.fn.name(name)
	}
	info, err := e.Info()
	if err != nil {
		return w.nameOnly(name, err)
	}
	return w.entry(name, info)
}

// folder walks the folder base of the folder at.
func (w *walker) folder(at, base string) error {
	below := at + base + "/"
	switch {
	case !w.leads(below):
		return nil
	case w.copied(at, base):
		w.passFolder(below, store.ElsewhereFolder)
		return nil
	case w.trees != nil && w.trees[w.real(below)]:
		w.pass(below[:len(below)-1], store.ElsewhereFolder)
		return nil
	}
	return w.tree(below)
}

// copied reports whether a folder is one where Kubernetes keeps the files of a
// volume. The names that users see are links to these files.
func (w *walker) copied(at, base string) bool {
	if !strings.HasPrefix(base, "..2") {
		return false
	}
	now, err := os.Readlink(w.s.root + "/" + at + "..data")
	return err == nil && strings.HasPrefix(now, "..2")
}

// link lists the file that a link leads to. It collects a link to a folder.
func (w *walker) link(at string, e fs.DirEntry) error {
	name := at + e.Name()
	if !w.leads(name+"/") && !w.wants(name) {
		return nil
	}
	path := w.s.root + "/" + name
	info, err := os.Stat(path)
	switch {
	case isNotExist(err):
		// A link to nothing is a missing file, which is listed as empty.
		own, err := e.Info()
		if err != nil {
			return w.nameOnly(name, err)
		}
		return w.list(object(name, empty{own}))
	case err != nil:
		return w.nameOnly(name, err)
	case !info.IsDir():
		return w.entry(name, info)
	case !w.leads(name + "/"):
		return nil
	case e.Name() == "..data" && w.copied(at, "..2"):
		w.pass(name, store.ElsewhereFolder)
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return w.nameOnly(name, err)
	}
	w.links = append(w.links, link{name, real})
	return nil
}

// empty is a file's description without its size.
type empty struct{ fs.FileInfo }

func (empty) Size() int64 { return 0 }

// entry lists a regular file, and passes over everything else.
func (w *walker) entry(name string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return w.list(object(name, info))
	case mode&fs.ModeNamedPipe != 0:
		w.pass(name, store.Pipe)
	case mode&fs.ModeSocket != 0:
		w.pass(name, store.Socket)
	default:
		w.pass(name, store.Device)
	}
	return nil
}

// nameOnly lists an entry of which only the name is known, since the file may not
// be looked at or is damaged. If the whole place has failed, it returns an error.
func (w *walker) nameOnly(name string, err error) error {
	if isNotExist(err) {
		return nil // removed since it was seen
	}
	if isShort(err) {
		return classify("list", w.s.root+"/"+name, 0, err)
	}
	if gone := w.s.gone(); gone != nil {
		return gone
	}
	return w.list(store.Object{Name: name, ETag: "unknown"})
}

// list calls the function of the listing with an object.
func (w *walker) list(o store.Object) error {
	if !w.wants(o.Name) {
		return nil
	}
	o.Linked = w.from.name != ""
	return w.fn.call(o)
}

func (w *walker) pass(name string, why store.Reason) {
	if w.wants(name) {
		store.Pass(w.ctx, name, why)
	}
}

// wants reports whether an entry of that name is to be listed now.
func (w *walker) wants(name string) bool {
	return strings.HasPrefix(name, w.prefix) && (!w.linkedOnly || w.from.name != "")
}

// leads reports whether something beneath a folder may have the prefix. The
// folder's name ends in a slash.
func (w *walker) leads(below string) bool {
	return w.linkedOnly || strings.HasPrefix(below, w.prefix) || strings.HasPrefix(w.prefix, below)
}
