package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// pseudoTerminal returns a terminal for a program in this process, and a function that ends it
// and returns what was written there.
func pseudoTerminal(t testing.TB) (*os.File, func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200}); err != nil {
		t.Fatal(err)
	}
	settings, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Oflag &^= unix.OPOST // what is written is what is read
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(&text, master) }) // ends with EIO once the other side is closed
	return slave, func() string {
		_ = slave.Close()
		reading.Wait()
		_ = master.Close()
		return text.String()
	}
}

// ownSequences are the escape sequences of the program itself: the live screen, the progress bar and
// the colours of the log.
var ownSequences = regexp.MustCompile(`\x1b\[(?:[0-9]*m|\?1049[hl]|\?25[hl]|[HKJ]|[0-9]+A)|\r`)

// checkShown fails the test if a text for people would give a terminal a command or shows a
// line of an attacker.
func checkShown(t *testing.T, what, text string, terminal, exact bool) {
	t.Helper()
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if terminal {
		text = ownSequences.ReplaceAllString(text, "")
	}
	if at := strings.IndexFunc(text, printable.Hidden); at >= 0 {
		t.Errorf("%s shows %q in %q", what, text[at:min(at+12, len(text))], around(text, at))
	}
	if !exact {
		checkLines(t, what, text)
	}
}

// checkLines fails the test if a text has a line or a cell of an attacker.
func checkLines(t *testing.T, what, text string) {
	t.Helper()
	if at := strings.Index("\n"+text, "\n"+forged); at >= 0 {
		t.Errorf("%s has a forged line: %q", what, around(text, at))
	}
	if at := strings.Index(text, "\t"+forged); at >= 0 {
		t.Errorf("%s has a forged cell: %q", what, around(text, at))
	}
}

func around(text string, at int) string { return text[max(0, at-100):min(at+100, len(text))] }

// checkCommand runs a command line in this process, in a terminal and in pipes, and checks
// what it shows. exact says
// that its output in a pipe is data, which may have lines of an attacker inside of quotation marks.
func checkCommand(t *testing.T, what string, exact bool, args ...string) {
	t.Helper()
	what += ": " + strings.Join(args[:min(len(args), 2)], " ")
	var stdout, stderr bytes.Buffer
	Main(args, &stdout, &stderr)
	checkShown(t, what+", standard error", stderr.String(), false, false)
	if !exact {
		checkLines(t, what+", in a pipe", stdout.String())
	}
	w, end := pseudoTerminal(t)
	Main(args, w, w)
	checkShown(t, what+", in a terminal", end(), true, exact)
}

// hostileResult returns the folder of a complete result of images with hostile names.
func hostileResult(t *testing.T, images string) string {
	t.Helper()
	out := t.TempDir()
	must(t, 0, "run", "--images", images, "--out", out, "--model", tiny(t, graphtest.Options{}), "--max-errors", "100%", "--chunk", "2")
	return out
}

func hostileImages(t *testing.T) string {
	t.Helper()
	images := t.TempDir()
	for i := range 3 {
		writeFile(t, filepath.Join(images, fmt.Sprint(i)+planted+".jpg"), picture(t, i))
	}
	writeFile(t, filepath.Join(images, planted, "broken"+planted+".jpg"), picture(t, 3)[:200])
	return images
}

// resultReaders are the commands that read a result OUT.
var resultReaders = [][]string{
	{"jobs", "status", "OUT"}, {"jobs", "status", "--json", "OUT"}, {"jobs", "status", "--watch", "OUT"},
	{"show", "OUT"}, {"show", "--json", "OUT"}, {"show", "--histogram", "OUT"}, {"show", "OUT", "--columns", "path,label,error", "--sort", "path"},
	{"verify", "OUT"}, {"verify", "--json", "OUT"}, {"merge", "OUT", "-o", "-"}, {"repair", "OUT"},
	{"sample", "--from", "OUT", "-n", "1", "--out", "NEW"},
}

// TestHostileRecords plants texts in each string of each record of a result: one at a time for
// verify, and for all commands that read a result in all strings at once that may hold any text.
func TestHostileRecords(t *testing.T) {
	images := hostileImages(t)
	out := hostileResult(t, images)
	result, err := dir.New(out, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	summaries, err := filepath.Glob(filepath.Join(out, "_batchscore", "workers", "*.json"))
	if err != nil || len(summaries) != 1 {
		t.Fatal(summaries, err)
	}
	read := func(what string, readers [][]string) {
		for _, args := range readers {
			line := make([]string, len(args))
			for i, arg := range args {
				line[i] = strings.NewReplacer("OUT", out, "NEW", filepath.Join(t.TempDir(), "new")).Replace(arg)
			}
			checkCommand(t, what, args[0] == "merge", line...)
		}
	}
	read("names", resultReaders)
	records := []struct {
		file string
		of   any
		read func() error
		body []byte
	}{
		{file: filepath.Join(out, "_batchscore", "job.json"), of: new(output.Job), read: func() error {
			_, err := output.ReadJob(t.Context(), result)
			return err
		}},
		{file: filepath.Join(out, output.SuccessName), of: new(output.Success), read: func() error {
			_, err := output.ReadSuccess(t.Context(), result)
			return err
		}},
		{file: summaries[0], of: new(output.WorkerSummary), read: func() error {
			all, err := output.ReadSummaries(t.Context(), result)
			if err == nil && len(all) == 0 {
				return errors.New("the summary is passed over")
			}
			return err
		}},
	}
	for i := range records {
		if records[i].body, err = os.ReadFile(records[i].file); err != nil {
			t.Fatal(err)
		}
	}
	done := 0
	for _, r := range records {
		of := reflect.TypeOf(r.of).Elem()
		plantIn := func(leaves []leaf) {
			record := reflect.New(of)
			if err := json.Unmarshal(r.body, record.Interface()); err != nil {
				t.Fatal(err)
			}
			for _, whole := range records { // a repair makes some again
				writeFile(t, whole.file, whole.body)
			}
			for _, l := range leaves {
				plantAt(record.Elem(), l.steps, planted)
			}
			writeFile(t, r.file, resealed(t, record.Interface()))
		}
		var taken []leaf // those with which the record is still read
		for _, l := range stringsOf(of) {
			done++
			plantIn([]leaf{l})
			read(of.Name()+"."+l.name, [][]string{{"verify", "OUT"}})
			if r.read() == nil {
				taken = append(taken, l)
			}
		}
		plantIn(taken)
		if err := r.read(); err != nil {
			t.Errorf("%s with all of these texts: %v", of.Name(), err)
		}
		read(fmt.Sprintf("%s, %d fields", of.Name(), len(taken)), resultReaders)
	}
	if done < 60 {
		t.Errorf("%d strings of records were planted, want 60 at least", done)
	}
}
