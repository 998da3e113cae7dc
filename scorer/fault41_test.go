package scorer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// hurried makes the pauses before retries short.
func hurried(t *testing.T) {
	t.Helper()
	before := retryPauses
	retryPauses = []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	t.Cleanup(func() { retryPauses = before })
}

// failing returns a folder of n pictures. The first times(name) tries to open a
// picture fail.
func failing(t *testing.T, n int, no syscall.Errno, times func(name string) int) (st store.Store, tries func(name string) int) {
	t.Helper()
	root := t.TempDir()
	plain, err := dir.New(root, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		put(t, plain, pictureName(i), picture(t, i))
	}
	var mu sync.Mutex
	opened := map[string]int{}
	st, err = dir.New(root, dir.Options{OpenFile: func(path string) (dir.File, error) {
		name := path[len(root)+1:]
		mu.Lock()
		opened[name]++
		fails := opened[name] <= times(name)
		mu.Unlock()
		if fails {
			return nil, &fs.PathError{Op: "open", Path: path, Err: no}
		}
		return os.Open(path)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return st, func(name string) int {
		mu.Lock()
		defer mu.Unlock()
		return opened[name]
	}
}

// TestFault41_TriesThatAKindDeserves has one file fail always, or for some tries.
func TestFault41_TriesThatAKindDeserves(t *testing.T) {
	hurried(t)
	const always = 1 << 30
	for _, test := range []struct {
		name         string
		no           syscall.Errno
		times, tries int
		status, says string
	}{
		{name: "a damaged sector", no: syscall.EIO, times: always, tries: 4, status: row.StatusUnreadable, says: "cannot be read: input/output error"},
		{name: "a server that falters", no: syscall.EIO, times: 2, tries: 3, status: row.StatusOK, says: ""},
		{name: "a server that is busy", no: syscall.EAGAIN, times: 3, tries: 4, status: row.StatusOK, says: ""},
		{name: "a server that comes back", no: syscall.EHOSTDOWN, times: 1, tries: 2, status: row.StatusOK, says: ""},
		{name: "a mount that remembers that it was missing", no: syscall.ENOENT, times: 1, tries: 2, status: row.StatusOK, says: ""},
		{name: "no permission", no: syscall.EACCES, times: always, tries: 1, status: row.StatusUnreadable, says: "cannot be read: permission denied"},
		{
			name:   "too large for this system",
			no:     syscall.EOVERFLOW,
			times:  always,
			tries:  1,
			status: row.StatusUnreadable,
			says:   "cannot be read: value too large for defined data type",
		},
		{
			// The store itself looks a second time: a mount may remember that a name was missing.
			name:   "gone",
			no:     syscall.ENOENT,
			times:  always,
			tries:  2,
			status: row.StatusNotFound,
			says:   "not there: deleted after the manifest was frozen, or a link that leads nowhere",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := pictureName(4)
			images, tries := failing(t, 25, test.no, func(n string) int {
				if n == name {
					return test.times
				}
				return 0
			})
			out := new(mem.Store)
			s := mustRun(t, options(t, images, out))
			verified(t, out)
			if r := rows(t, out)[name]; r.Status != test.status || r.Error != test.says {
				t.Errorf("the row is %+v, want status %s and error %q", r, test.status, test.says)
			}
			if s.Statuses[row.StatusOK] < 24 || tries(name) != test.tries {
				t.Errorf("statuses %v after %d tries, want at least 24 ok after %d", s.Statuses, tries(name), test.tries)
			}
		})
	}
}

// TestFault41_ADamagedDisk: if most files of a folder are damaged, each gets its row,
// without pauses for each.
func TestFault41_ADamagedDisk(t *testing.T) {
	hurried(t)
	const n = 400
	good := map[string]bool{}
	for i := range 5 {
		good[pictureName(n-1-i)] = true
	}
	bad := func(name string) int {
		if good[name] {
			return 0
		}
		return 1 << 30
	}
	images, tries := failing(t, n, syscall.EIO, bad)
	out := new(mem.Store)
	o := options(t, images, out)
	o.Job.Chunk = 100
	s := mustRun(t, o)
	verified(t, out)
	if s.Statuses[row.StatusUnreadable] != n-5 || s.Statuses[row.StatusOK] != 5 {
		t.Errorf("statuses %v, want %d unreadable and 5 ok", s.Statuses, n-5)
	}
	total := 0
	for i := range n {
		total += tries(pictureName(i))
	}
	if most := n + mostRetries + 5 + 64; total > most {
		t.Errorf("%d tries, want at most %d", total, most)
	}
}

// TestFault41_OldJobsKeepTheirWords continues a job that was begun before the rows of
// unreadable images had a reason.
func TestFault41_OldJobsKeepTheirWords(t *testing.T) {
	images := collection(t, 15)
	denying := &storetest.Faulty{Store: images, BeforeOpen: func(_ context.Context, _ int, name string) error {
		if name == pictureName(4) {
			return fmt.Errorf("open: %w", &store.Unreadable{Why: "the blob lies in the archive tier", Err: errors.New("HTTP 409")})
		}
		return nil
	}}
	for files, want := range map[listing.Files]string{
		listing.TenEndings: "the store does not let this object be read",
		listing.Pictures:   "cannot be read: the blob lies in the archive tier",
	} {
		out := new(mem.Store)
		o := options(t, denying, out)
		o.Job.Files = files
		mustRun(t, o)
		if r := rows(t, out)[pictureName(4)]; r.Error != want {
			t.Errorf("%q: the row is %+v, want error %q", files, r, want)
		}
	}
}
