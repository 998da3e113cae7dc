package dir

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

// listed returns the names under prefix, sorted, and what was passed over.
func listed(t *testing.T, s *Store, prefix string) ([]string, map[string]store.Reason) {
	t.Helper()
	var names []string
	passed := map[string]store.Reason{}
	ctx := store.OnPassed(t.Context(), func(name string, why store.Reason) {
		if passed[name] != "" {
			t.Errorf("%q is passed over twice", name)
		}
		passed[name] = why
	})
	err := s.List(ctx, prefix, func(o store.Object) error {
		names = append(names, o.Name)
		return nil
	})
	if err != nil {
		t.Errorf("list %q: %v", prefix, err)
	}
	slices.Sort(names)
	return names, passed
}

// grow creates files, folders (whose names end in a slash) and links.
func grow(t *testing.T, root string, files []string, links map[string]string) {
	t.Helper()
	for _, name := range files {
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		write(t, root+"/"+name, name)
	}
	for _, name := range slices.Sorted(maps.Keys(links)) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(links[name], path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFault40_LinkedFolders(t *testing.T) {
	for _, test := range []struct {
		name  string
		files []string
		links map[string]string
		want  []string
		// elsewhere are the folders that are listed under another name.
		elsewhere []string
	}{
		{
			name:  "one next to the root",
			files: []string{"images/dog/1", "images/dog/2", "real/cat/1", "real/cat/deep/2"},
			links: map[string]string{"images/cat": "../real/cat"},
			want:  []string{"cat/1", "cat/deep/2", "dog/1", "dog/2"},
		},
		{
			name:  "nothing but links",
			files: []string{"real/a/1", "real/b/2"},
			links: map[string]string{"images/x": "../real/a", "images/y": "../real/b"},
			want:  []string{"x/1", "y/2"},
		},
		{
			name:      "circles",
			files:     []string{"images/a/1", "real/2"},
			links:     map[string]string{"images/self": ".", "images/a/up": "..", "images/out": "../real", "real/back": "../images", "real/own": "."},
			want:      []string{"a/1", "out/2"},
			elsewhere: []string{"a/up", "out/back", "out/own", "self"},
		},
		{
			name:      "the real path wins",
			files:     []string{"images/zoo/1"},
			links:     map[string]string{"images/a": "zoo", "images/b": "zoo/../zoo"},
			want:      []string{"zoo/1"},
			elsewhere: []string{"a", "b"},
		},
		{
			name:      "of several links the first name wins",
			files:     []string{"real/1"},
			links:     map[string]string{"images/c": "../real", "images/b": "../real", "images/d/a": "../../real"},
			want:      []string{"b/1"},
			elsewhere: []string{"c", "d/a"},
		},
		{
			name:      "a link to a link",
			files:     []string{"real/1"},
			links:     map[string]string{"images/a": "b", "images/b": "../real"},
			want:      []string{"a/1"},
			elsewhere: []string{"b"},
		},
		{
			name:      "a tree within another's",
			files:     []string{"real/top", "real/in/1"},
			links:     map[string]string{"images/a": "../real/in", "images/b": "../real"},
			want:      []string{"a/1", "b/top"},
			elsewhere: []string{"b/in"},
		},
		{
			name:      "a tree around another's",
			files:     []string{"real/top", "real/in/1"},
			links:     map[string]string{"images/a": "../real", "images/b": "../real/in"},
			want:      []string{"a/in/1", "a/top"},
			elsewhere: []string{"b"},
		},
		{
			name:      "the folder above",
			files:     []string{"images/1", "next/2"},
			links:     map[string]string{"images/up": ".."},
			want:      []string{"1", "up/next/2"},
			elsewhere: []string{"up/images"},
		},
		{
			name:  "links beneath linked folders",
			files: []string{"real/1", "far/2", "far/down/3"},
			links: map[string]string{"images/a": "../real", "real/b": "../far"},
			want:  []string{"a/1", "a/b/2", "a/b/down/3"},
		},
		{
			name:  "a volume of Kubernetes",
			files: []string{"images/..2024_01_01_00_00_00.123/x", "images/..2024_01_01_00_00_00.123/sub/y"},
			links: map[string]string{"images/..data": "..2024_01_01_00_00_00.123", "images/x": "..data/x", "images/sub": "..data/sub"},
			want:  []string{"sub/y", "x"}, elsewhere: []string{"..2024_01_01_00_00_00.123", "..data"},
		},
		{
			name:  "a folder that is called like Kubernetes' own",
			files: []string{"images/..2024_01/x"},
			want:  []string{"..2024_01/x"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			grow(t, root, test.files, test.links)
			s := open(t, root+"/images")
			got, passed := listed(t, s, "")
			if !slices.Equal(got, test.want) {
				t.Errorf("listed %q, want %q", got, test.want)
			}
			var elsewhere []string
			for name, why := range passed {
				if why != store.ElsewhereFolder {
					t.Errorf("%q is passed over as %s, want %s", name, why, store.ElsewhereFolder)
				}
				elsewhere = append(elsewhere, name)
			}
			slices.Sort(elsewhere)
			if !slices.Equal(elsewhere, test.elsewhere) {
				t.Errorf("listed under other names: %q, want %q", elsewhere, test.elsewhere)
			}
			if n := names(t, s, ""); !slices.Equal(n, got) {
				t.Errorf("named %q, want %q", n, got)
			}
			// Every prefix lists the names that begin with it, and every name can be opened.
			for _, name := range got {
				for end := range len(name) + 1 {
					prefix := name[:end]
					want := slices.DeleteFunc(slices.Clone(got), func(n string) bool { return !strings.HasPrefix(n, prefix) })
					if under, _ := listed(t, s, prefix); !slices.Equal(under, want) {
						t.Errorf("prefix %q: %q, want %q", prefix, under, want)
					}
				}
				r, _, err := s.Open(t.Context(), name, "")
				if err != nil {
					t.Error(err)
					continue
				}
				r.Close()
			}
		})
	}
}

func TestFault40_NotRegularFiles(t *testing.T) {
	root := t.TempDir()
	grow(t, root, []string{"images/1.jpg", "images/" + tempPrefix + "9", "images/folder.jpg/"},
		map[string]string{"images/null.jpg": "/dev/null", "images/zero.jpg": "/dev/zero", "images/to-pipe.jpg": "pipe.jpg"})
	if err := syscall.Mkfifo(root+"/images/pipe.jpg", 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root + "/images") // the path of a socket is short
	l, err := net.Listen("unix", "socket.jpg")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got, passed := listed(t, open(t, "."), "")
	if !slices.Equal(got, []string{"1.jpg"}) {
		t.Errorf("listed %q, want %q", got, "1.jpg")
	}
	want := map[string]store.Reason{
		"null.jpg": store.Device, "zero.jpg": store.Device, "pipe.jpg": store.Pipe, "to-pipe.jpg": store.Pipe,
		"socket.jpg": store.Socket, tempPrefix + "9": store.Unfinished,
	}
	if !maps.Equal(passed, want) {
		t.Errorf("passed over %q, want %q", passed, want)
	}
}

func TestFault40_LinkedIsMarked(t *testing.T) {
	root := t.TempDir()
	grow(t, root, []string{"images/own", "real/1"}, map[string]string{"images/a": "../real", "images/file": "../real/1"})
	err := open(t, root+"/images").List(t.Context(), "", func(o store.Object) error {
		if o.Linked != (o.Name == "a/1") {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
