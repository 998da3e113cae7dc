package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// text returns a function that writes a text.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// contents returns the texts of a folder's files, by name.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

func TestWrite(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "labels.csv")
	for _, body := range []string{"first", "", strings.Repeat("third ", 1<<18)} {
		if err := Write(file, 0o666, text(body)); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, folder); len(got) != 1 || got["labels.csv"] != body {
			t.Errorf("the folder holds %d files and %d bytes, want one of %d bytes", len(got), len(got["labels.csv"]), len(body))
		}
	}
}

func TestCreate(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "record")
	if err := Create(file, 0o600, text("first")); err != nil {
		t.Fatal(err)
	}
	if err := Create(file, 0o600, text("second")); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), file+":") {
		t.Errorf("Create again = %v, want ErrExist of %s", err, file)
	}
	if got := contents(t, folder); len(got) != 1 || got["record"] != "first" {
		t.Errorf("the folder holds %q, want the first text", got)
	}
}

// TestErrorsLeaveNothing lets writes fail in several ways: no temporary file stays,
// and no error names one.
func TestErrorsLeaveNothing(t *testing.T) {
	folder := t.TempDir()
	enough := errors.New("enough")
	if err := os.Mkdir(filepath.Join(folder, "taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, file string
		write      func(io.Writer) error
		want       error
	}{
		{name: "the writer fails", file: "new", want: enough, write: func(w io.Writer) error {
			return errors.Join(text("half")(w), enough)
		}},
		{name: "a folder has the name", file: "taken", write: text("x"), want: fs.ErrExist},
		{name: "no folder", file: "none/new", write: text("x"), want: fs.ErrNotExist},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Write(filepath.Join(folder, test.file), 0o644, test.write)
			if !errors.Is(err, test.want) || strings.Contains(err.Error(), ".new.") {
				t.Errorf("Write = %v, want %v", err, test.want)
			}
			if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
				t.Errorf("%d files are left, %v; want the folder alone", len(entries), err)
			}
		})
	}
}

// TestExclusive lets many callers create one name, by links and by renames.
func TestExclusive(t *testing.T) {
	for name, exclusive := range map[string]func(f Folder, temp, final string) error{"link": Folder.LinkExclusive, "rename": Folder.RenameExclusive} {
		t.Run(name, func(t *testing.T) {
			final := filepath.Join(t.TempDir(), "final")
			var mu sync.Mutex
			var won []int
			var group sync.WaitGroup
			for i := range 16 {
				group.Go(func() {
					temp, err := At(filepath.Dir(final)).NewTemp(".temp-", "", 0o644, nil)
					if err != nil {
						t.Error(err)
						return
					}
					defer temp.Remove()
					if _, err := temp.Fill(false, text(fmt.Sprint(i))); err != nil {
						t.Error(err)
					}
					switch err := exclusive(temp.folder, temp.Name(), "final"); {
					case err == nil:
						mu.Lock()
						won = append(won, i)
						mu.Unlock()
					case !errors.Is(err, fs.ErrExist):
						t.Errorf("caller %d: %v", i, err)
					}
				})
			}
			group.Wait()
			if got := contents(t, filepath.Dir(final)); len(won) != 1 || len(got) != 1 || got["final"] != fmt.Sprint(won[0]) {
				t.Errorf("callers %v won, and the folder holds %v; want one winner and its text", won, got)
			}
		})
	}
}

// TestLinks: a link stays, and the file that it leads to is written, even if that does not
// exist yet.
func TestLinks(t *testing.T) {
	for name, write := range map[string]func(string, fs.FileMode, func(io.Writer) error) error{"Write": Write, "Create": Create} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			target := filepath.Join(folder, "far", "target.csv")
			if err := os.Mkdir(filepath.Dir(target), 0o755); err != nil {
				t.Fatal(err)
			}
			for from, to := range map[string]string{"direct.csv": filepath.Join("far", "target.csv"), "twice.csv": filepath.Join(folder, "direct.csv")} {
				if err := os.Symlink(to, filepath.Join(folder, from)); err != nil {
					t.Fatal(err)
				}
			}
			link := filepath.Join(folder, "twice.csv")
			hello := text("hello")
			if err := write(link, 0o644, hello); err != nil {
				t.Fatal(err)
			}
			if body, err := os.ReadFile(target); err != nil || string(body) != "hello" {
				t.Errorf("the target holds %q, %v", body, err)
			}
			if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("the link is gone: %v, %v", info, err)
			}
			if err := write(link, 0o644, hello); name == "Create" && !errors.Is(err, fs.ErrExist) || name == "Write" && err != nil {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

// TestAbandoned: what a killed process left behind goes away, and nothing else does.
func TestAbandoned(t *testing.T) {
	folder := t.TempDir()
	long := time.Now().Add(-2 * abandoned)
	for name, old := range map[string]bool{
		".labels.csv.123.tmp": true, ".labels.csv.456.tmp": false, ".labels.csv.2019": true, ".labels.csv.x.tmp": true, ".other.csv.1.tmp": true,
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if old {
			if err := os.Chtimes(path, long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := Write(filepath.Join(folder, "labels.csv"), 0o644, text("")); err != nil {
		t.Fatal(err)
	}
	var names []string
	files, err := os.ReadDir(folder)
	for _, file := range files {
		names = append(names, file.Name())
	}
	want := ".labels.csv.2019 .labels.csv.456.tmp .labels.csv.x.tmp .other.csv.1.tmp labels.csv"
	if got := strings.Join(names, " "); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

// TestFault27_AbandonedByTheClockOfTheFileSystem: this machine's clock is two days ahead of
// the server's. What another machine is writing stays.
func TestFault27_AbandonedByTheClockOfTheFileSystem(t *testing.T) {
	folder := t.TempDir()
	server := time.Now().Add(-2 * abandoned)
	for name, age := range map[string]time.Duration{".labels.csv.1.tmp": time.Minute, ".labels.csv.2.tmp": 2 * abandoned} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, server.Add(-age), server.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	in := At(folder)
	in.clock = func(created *os.File) (time.Time, error) {
		if now, err := timeOf(created); err != nil || time.Since(now) > time.Hour {
			t.Errorf("a new file has the time %v, %v", now, err)
		}
		return server, nil
	}
	if err := in.put("labels.csv", 0o644, true, text("")); err != nil {
		t.Fatal(err)
	}
	got := contents(t, folder)
	if _, ok := got[".labels.csv.1.tmp"]; len(got) != 2 || !ok {
		t.Errorf("the folder holds %q, want the new file and what is being written", got)
	}
}

// TestFault46_RenameWhoseAnswerWasLost is about a network file system: the server moved the
// file and its answer was lost, so the client's second try finds no file.
func TestFault46_RenameWhoseAnswerWasLost(t *testing.T) {
	folder := t.TempDir()
	for _, text := range []string{"first", "second"} {
		in := At(folder)
		temp, err := in.NewTemp("temp-", "", 0o666, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := temp.Rename("file"); err != nil {
			t.Fatal(err)
		}
		if err := temp.Rename("file"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that was never filled is moved twice: %v, want %v", err, fs.ErrNotExist)
		}
		if temp, err = in.NewTemp("temp-", "", 0o666, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := temp.Fill(true, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := temp.Rename("file"); err != nil {
				t.Errorf("Rename = %v, want success", err)
			}
		}
		if got := contents(t, folder); len(got) != 1 || got["file"] != text {
			t.Errorf("the folder holds %q, want %q", got, text)
		}
		if err := os.WriteFile(filepath.Join(folder, "other"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := temp.Rename("other"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Rename to a name of another file = %v, want %v", err, fs.ErrNotExist)
		}
		if err := os.Remove(filepath.Join(folder, "other")); err != nil {
			t.Fatal(err)
		}
	}
}
