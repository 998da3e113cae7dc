package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

const (
	viewReaders = 50
	viewPairs   = 3
	viewImages  = 2400
	viewRate    = 100 // images per second of the simulated device
	viewMost    = 0.02
)

// TestViewLoad measures how much the readers of a live page change the rate of the job. 'make
// view-check' asks for it: it takes minutes.
func TestViewLoad(t *testing.T) {
	if os.Getenv("BATCHSCORE_VIEW_CHECK") == "" {
		return // a measurement and no test: its result depends on the machine
	}
	images, model := scenes(t, viewImages), tiny(t, graphtest.Options{})
	var alone, with, share float64
	for pair := range viewPairs {
		a, _ := viewedJob(t, images, model, 0)
		w, s := viewedJob(t, images, model, viewReaders)
		t.Logf("pair %d: alone %.2f images/s, with %d readers %.2f (%+.2f%%)", pair+1, a, viewReaders, w, 100*(w/a-1))
		alone, with, share = alone+a, with+w, share+s/viewPairs
	}
	change := with/alone - 1
	t.Logf("alone %.2f images/s, with %d readers %.2f: %+.2f%%; the server took %.2f%% of %d processors",
		alone/viewPairs, viewReaders, with/viewPairs, 100*change, 100*share, runtime.NumCPU())
	if change < -viewMost {
		t.Errorf("the readers change the rate by %+.2f%%, want less than %.0f%%", 100*change, 100*viewMost)
	}
	// The device bounds this job. One that the processors bound loses at most what the server takes of them.
	if share > viewMost {
		t.Errorf("the server takes %.2f%% of the processors, want less than %.0f%%", 100*share, 100*viewMost)
	}
}

// scenes returns a folder with n pictures of 640 by 480 pixels, some of which are the same.
func scenes(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("%05d.jpg", i))
		if i >= 8 {
			if err := os.Link(filepath.Join(dir, fmt.Sprintf("%05d.jpg", i%8)), name); err != nil {
				t.Fatal(err)
			}
			continue
		}
		img := image.NewRGBA(image.Rect(0, 0, 640, 480))
		for y := range 480 {
			for x := range 640 {
				img.Set(x, y, color.RGBA{uint8(x + i*40), uint8(y), uint8(x*y>>8) ^ uint8(rnd.IntN(16)), 255})
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, b.Bytes())
	}
	return dir
}

// viewedJob runs a job while so many readers have its page open, and returns its rate, and the
// share of the processors that the server took meanwhile.
func viewedJob(t *testing.T, images, model string, readers int) (rate, share float64) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "result")
	job := []string{
		"run", "--images", images, "--out", out, "--model", model, "--provider", fmt.Sprintf("simulate:rate=%d,batch=16", viewRate),
		"--chunk", "64", "--log-level", "error", "--yes",
	}
	if readers == 0 {
		must(t, 0, job...)
		return partRate(t, out), 0
	}
	cmd, address, _ := startView(t, out)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	r := viewReader{address: strings.TrimSpace(address)}
	for i := range readers {
		all.Go(func() { r.read(ctx, i) })
	}
	began := time.Now()
	must(t, 0, job...)
	took := time.Since(began)
	cancel()
	all.Wait()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if r.answers.Load() < int64(readers) || r.pictures.Load() == 0 || r.bad.Load() > 0 {
		t.Errorf("%d answers, %d pictures, %d bad: the readers do not read", r.answers.Load(), r.pictures.Load(), r.bad.Load())
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.Logf("the server took %.2f s of CPU in %.0f s for %d answers, %d of them pictures", used.Seconds(), took.Seconds(), r.answers.Load(), r.pictures.Load())
	return partRate(t, out), used.Seconds() / took.Seconds() / float64(runtime.NumCPU())
}

// partRate returns the images per second between the tenth part and the last but one, by the
// times of the parts.
func partRate(t *testing.T, out string) float64 {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, "part-*"))
	if err != nil || len(names) < 20 {
		t.Fatalf("%d parts: %v", len(names), err)
	}
	type part struct {
		at   time.Time
		rows int
	}
	var parts []part
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part{info.ModTime(), strings.Count(readFile(t, name), "\n")})
	}
	slices.SortFunc(parts, func(a, b part) int { return a.at.Compare(b.at) })
	parts = parts[9 : len(parts)-1]
	rows := 0
	for _, p := range parts[1:] {
		rows += p.rows
	}
	return float64(rows) / parts[len(parts)-1].at.Sub(parts[0].at).Seconds()
}

// viewReader counts what readers of a page do.
type viewReader struct {
	address                string
	answers, pictures, bad atomic.Int64
}

// read does what a browser does: it asks for the progress every two seconds, and every twenty
// seconds for rows and their pictures.
func (v *viewReader) read(ctx context.Context, number int) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.bad.Add(1)
		return
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	var base string // where the page is, without the token
	get := func(address, etag string) string {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			v.bad.Add(1)
			return ""
		}
		if etag != "" {
			r.Header.Set("If-None-Match", etag)
		}
		a, err := client.Do(r)
		if err == nil {
			_, err = io.Copy(io.Discard, a.Body)
			a.Body.Close()
			if base == "" {
				base = a.Request.URL.String()
			}
		}
		switch {
		case ctx.Err() != nil:
		case err != nil, a.StatusCode == http.StatusUnauthorized, a.StatusCode == http.StatusForbidden, a.StatusCode >= 500:
			v.bad.Add(1)
		case a.StatusCode == http.StatusOK && strings.Contains(address, "/image"):
			v.pictures.Add(1)
			fallthrough
		default: // before the job has begun there are no rows
			v.answers.Add(1)
			return a.Header.Get("ETag")
		}
		return ""
	}
	wait := func(d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d):
			return true
		}
	}
	if !wait(time.Duration(number) * 2 * time.Second / viewReaders) {
		return
	}
	get(v.address, "")
	get(base+"page.css", "")
	get(base+"page.js", "")
	etag := ""
	for k := 0; ; k++ {
		if now := get(base+"progress", etag); now != "" {
			etag = now
		}
		if k%10 == number%10 {
			get(base+"rows?order=sample&limit=20", "")
			for row := range 20 {
				get(base+"image?size=small&row="+strconv.Itoa(row), "")
			}
		}
		if !wait(2 * time.Second) {
			return
		}
	}
}
