package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// hostile is the name of an image that does no harm.
const hostile = "\"><script>alert(1)</script>\u202egpj.exe"

// counting counts the calls of a store, which may be exchanged for another.
type counting struct {
	now   atomic.Pointer[store.Store]
	calls atomic.Int64
}

func count(st store.Store) *counting {
	c := new(counting)
	c.now.Store(&st)
	return c
}

func (c *counting) String() string { return (*c.now.Load()).String() }

func (c *counting) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	return (*c.now.Load()).Create(ctx, name, body)
}

func (c *counting) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	c.calls.Add(1)
	return (*c.now.Load()).List(ctx, prefix, fn)
}

func (c *counting) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	c.calls.Add(1)
	return (*c.now.Load()).Open(ctx, name, etag)
}

// Neighbor implements store.Neighborly.
func (c *counting) Neighbor(place string) (store.Store, error) {
	return store.Neighbor(*c.now.Load(), place)
}

// job is a job of a test.
type job struct {
	t      testing.TB
	out    *counting
	images *counting
	record output.Job
	m      *shard.Manifest
	chunks shard.Chunks
}

// perChunk is how many images a chunk of a test has.
const perChunk = 8

// begin begins a job on n images and one with a hostile name. Image number i has label i%3 and
// score i/n; every seventh fails.
func begin(t testing.TB, n int) *job {
	t.Helper()
	j := &job{t: t, out: count(new(mem.Store)), images: count(new(mem.Store))}
	j.begin(n)
	return j
}

func (j *job) begin(n int) {
	t := j.t
	t.Helper()
	b := shard.Builder{Room: scratch.Room()}
	for i := range n {
		name := fmt.Sprintf("images/%05d.jpg", i)
		if i == 0 {
			name = hostile // which is the first of the manifest
		}
		body := "<html><script>alert(1)</script>"
		if !fails(i) {
			body = string(photo(t, i))
		}
		o, err := j.images.Create(t.Context(), name, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Add(shard.Entry{Path: name, Size: int64(len(body)), ETag: o.ETag}); err != nil {
			t.Fatal(err)
		}
	}
	m, _, err := b.Build(0)
	if err != nil {
		t.Fatal(err)
	}
	j.join(nil)
	j.freeze(m)
}

// join writes the record of a job.
func (j *job) join(after *output.After) {
	t := j.t
	t.Helper()
	var err error
	j.record, _, err = output.Join(t.Context(), j.out, output.Job{
		Images: "/data/images", Model: "tiny.onnx", ModelDigest: "sha256:m", PreprocessDigest: "sha256:p", LabelsDigest: "sha256:l",
		JPEGDecoder: "libjpeg-turbo", Precision: "fp32", Device: "cpu", Batch: 4, Chunk: perChunk, TopK: 2, Format: row.JSONL, After: after,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// freeze freezes the images of a job.
func (j *job) freeze(m *shard.Manifest) {
	t := j.t
	t.Helper()
	var err error
	j.m, err = output.Freeze(t.Context(), j.out, func(context.Context) (*shard.Manifest, error) { return m, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.m.Close() })
	j.chunks = j.record.Chunks(j.m.Len())
}

// fails reports whether image i fails.
func fails(i int) bool { return i%7 == 3 }

// photo returns a picture.
func photo(t testing.TB, i int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 320, 40))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.RGBA{uint8(40 * i), uint8(90 * i), uint8(70 * i), 255}), image.Point{}, draw.Src)
	draw.Draw(img, image.Rect(10*i%300, 5, 10*i%300+20, 35), image.White, image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// commit commits the part of a chunk.
func (j *job) commit(chunk int) {
	j.t.Helper()
	first, last := j.chunks.Range(chunk)
	entries, err := j.m.Entries(nil, first, last)
	if err != nil {
		j.t.Fatal(err)
	}
	var rows []row.Row
	for k, e := range entries {
		i := first + k
		r := row.Row{Path: e.Path, Size: e.Size, Status: row.StatusOK}
		if fails(i) {
			r.Status, r.Error, r.Answer = "not_image", "it is <b>HTML</b>", &row.Classification{ClassID: -1}
		} else {
			score := float32(i) / float32(j.m.Len())
			label := fmt.Sprint("label ", i%3)
			r.Answer = &row.Classification{ClassID: i % 3, Label: label, Score: score, TopK: []row.Class{
				{ClassID: i % 3, Label: label, Score: score}, {ClassID: 9, Label: "other", Score: score / 2},
			}}
		}
		rows = append(rows, r)
	}
	if _, err := output.Commit(j.t.Context(), j.out, &j.record, j.m, chunk, rows); err != nil {
		j.t.Fatal(err)
	}
}

// finish commits all parts from a chunk on, and ends the job.
func (j *job) finish(from int) {
	j.t.Helper()
	for chunk := from; chunk < j.chunks.Count(); chunk++ {
		j.commit(chunk)
	}
	if _, err := output.Finish(j.t.Context(), j.out, j.record, j.m, output.FinishOptions{}); err != nil {
		j.t.Fatal(err)
	}
}

// served is a server of a test and a client that has its cookie.
type served struct {
	*Server
	t      testing.TB
	base   string // its address without a slash at the end
	client *http.Client
	end    func() error // ends the server, and returns its error
}

// start serves an output, and opens the page.
func start(t testing.TB, opt Options, change ...func(*Server)) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if opt.Every == 0 {
		opt.Every = 20 * time.Millisecond
	}
	s := &served{Server: New(l, opt), t: t, base: "http://" + l.Addr().String()}
	for _, c := range change {
		c(s.Server)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	done := false
	s.end = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	s.client = s.visitor()
	if r := s.do(s.client, s.request(http.MethodGet, "/?token="+s.guard.token)); r.code != http.StatusOK {
		t.Fatalf("open the page: %d %s", r.code, r.body)
	}
	return s
}

// startJob serves the output of a job, with its images.
func startJob(j *job) *served {
	return start(j.t, Options{Out: j.out, Images: func(*output.Job) (Images, error) { return Images{Store: j.images}, nil }})
}

// visitor returns a client without a cookie, which keeps those that it gets.
func (s *served) visitor() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true}, Timeout: 30 * time.Second}
	s.t.Cleanup(c.CloseIdleConnections)
	return c
}

// request returns a request for something below the folder of the page, or for the page with a token.
func (s *served) request(method, target string) *http.Request {
	if !strings.HasPrefix(target, "/?token=") {
		target = "/" + s.guard.folder + target
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+target, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// response is what a server answered.
type response struct {
	code   int
	header http.Header
	body   string
}

func (s *served) do(c *http.Client, r *http.Request) response {
	s.t.Helper()
	got, err := c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response{got.StatusCode, got.Header, string(body)}
}

// get asks for something with the cookie.
func (s *served) get(target string) response {
	s.t.Helper()
	return s.do(s.client, s.request(http.MethodGet, target))
}

// decode asks for something that is JSON.
func decode[T any](s *served, target string) T {
	s.t.Helper()
	r := s.get(target)
	var v T
	if r.code != http.StatusOK {
		s.t.Fatalf("%s: %d %s", target, r.code, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		s.t.Fatalf("%s: %v: %s", target, err, r.body)
	}
	return v
}

// await asks how far the job is until that is so.
func (s *served) await(what string, is func(seen) bool) seen {
	s.t.Helper()
	var last seen
	for range 500 {
		if last = decode[seen](s, "/progress"); is(last) {
			return last
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Fatalf("it is never so: %s; the last answer: %+v", what, last)
	return last
}

func pathsOf(a answer) string {
	var all []string
	for _, r := range a.Rows {
		all = append(all, fmt.Sprint(r.Row))
	}
	return strings.Join(all, " ")
}
