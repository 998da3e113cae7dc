package serve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/thumbnail"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

// answerKey is a question about the rows of a time. Readers who ask the same share the answer.
type answerKey struct {
	version, rows int
	question      string
}

// rows answers which rows match.
func (s *Server) rows(w http.ResponseWriter, r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fmt.Errorf("%w: %w", errQuestion, err)
	}
	q, err := parseQuestion(values)
	if err != nil {
		return fmt.Errorf("%w: %w", errQuestion, err)
	}
	key := answerKey{question: r.URL.RawQuery}
	if err := s.watch.with(func(v *shown) error {
		v.rows.mu.RLock()
		defer v.rows.mu.RUnlock()
		key.version, key.rows = v.version, v.rows.version
		return nil
	}); err != nil {
		return err
	}
	a, err := s.answers.get(r.Context(), key, func() (a answer, size int64, err error) {
		ctx, cancel := context.WithTimeout(s.watch.ctx, workTime)
		defer cancel()
		err = s.asking.do(ctx, func() error {
			return s.watch.with(func(v *shown) (err error) {
				a, err = v.rows.ask(ctx, q, v.images)
				a.Edition = v.version
				return err
			})
		})
		return a, int64(len(a.Rows)) + 1, err
	})
	if err != nil {
		return err
	}
	return answerJSON(w, &a)
}

// numberOf returns the row that a request names. If it says in which edition the row has that number,
// and there is another one now, the error is errMoved.
func numberOf(r *http.Request, name string, v *shown) (int, error) {
	q := r.URL.Query()
	n, err := number(q.Get(name), math.MaxInt32)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errQuestion, err)
	}
	if e := q.Get("edition"); e != "" && e != strconv.Itoa(v.version) {
		return 0, errMoved
	}
	if n >= v.images.Len() {
		return 0, fmt.Errorf("%w: the collection has %d images", errQuestion, v.images.Len())
	}
	return n, nil
}

// details are all that a row says.
type details struct {
	Row     int      `json:"row"`
	Path    string   `json:"path"`
	Address string   `json:"address"`
	Bytes   int64    `json:"bytes"`
	Status  string   `json:"status,omitempty"` // empty if the image has no row yet
	Error   string   `json:"error,omitempty"`
	Label   string   `json:"label,omitempty"`
	Score   *float32 `json:"score,omitempty"`
	Margin  *float32 `json:"margin,omitempty"`
	Classes []class  `json:"classes,omitempty"`
	// Values are those of an answer of another kind.
	Values []value `json:"values,omitempty"`
}

type class struct {
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

type value struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type partKey struct {
	version int
	at      output.Spot // its Row is 0
}

// row answers what one row says.
func (s *Server) row(w http.ResponseWriter, r *http.Request) error {
	var d details
	var n, version int
	var at output.Spot
	var job *output.Job
	has := false
	err := s.watch.with(func(v *shown) error {
		var err error
		if n, err = numberOf(r, "row", v); err != nil {
			return err
		}
		e, err := v.images.At(n)
		if err != nil {
			return err
		}
		job, version = v.job, v.version
		d = details{Row: n, Path: e.Path, Address: printable.Line(s.opt.clean(v.job.Address(e.Path))), Bytes: e.Size}
		v.rows.mu.RLock()
		p, _ := v.rows.find(n)
		v.rows.mu.RUnlock()
		if has = p != nil; has {
			at, err = v.spot(n)
		}
		return err
	})
	if err != nil {
		return err
	}
	if has {
		i := at.Row
		at.Row = 0
		rows, err := s.part(r.Context(), partKey{version, at})
		if err != nil {
			return err
		}
		if i < len(rows) {
			d.add(job, &rows[i])
		}
	}
	return answerJSON(w, &d)
}

// spot returns where row n lies.
func (v *shown) spot(n int) (output.Spot, error) {
	if v.whole != nil {
		return v.whole.Find(n)
	}
	c := v.job.Chunks(v.images.Len())
	return output.Spot{Chunk: n / c.Size, Row: n % c.Size}, nil
}

// part returns the rows of a part.
func (s *Server) part(ctx context.Context, key partKey) ([]row.Row, error) {
	return s.parts.get(ctx, key, func() ([]row.Row, int64, error) {
		ctx, cancel := context.WithTimeout(s.watch.ctx, workTime)
		defer cancel()
		var rows []row.Row
		err := s.reading.do(ctx, func() error {
			return s.watch.with(func(v *shown) (err error) {
				switch {
				case v.version != key.version:
					return errMoved
				case v.whole != nil:
					rows, err = v.whole.Rows(ctx, key.at)
				default:
					rows, err = output.RowsOf(ctx, s.opt.Out, v.job, v.images, key.at.Chunk)
				}
				return err
			})
		})
		return rows, weight(rows), err
	})
}

// errMoved means that the rows have changed since they were asked for.
var errMoved = fmt.Errorf("%w: the rows are being replaced; ask again", output.ErrIncomplete)

// add adds what a row says.
func (d *details) add(job *output.Job, r *row.Row) {
	d.Status, d.Error = r.Status, printable.Line(r.Error)
	if r.Status != row.StatusOK {
		return
	}
	a, ok := r.Answer.(*row.Classification)
	if !ok {
		for _, c := range job.Schema().Columns() {
			switch c.Name {
			case "path", "size", "status", "error":
			default:
				d.Values = append(d.Values, value{c.Name, c.Cell(r)})
			}
		}
		return
	}
	d.Label, d.Score = a.Label, finite(a.Score)
	if m, ok := a.Margin(); ok {
		d.Margin = finite(m)
	}
	for _, c := range a.TopK {
		if score := finite(c.Score); score != nil {
			d.Classes = append(d.Classes, class{c.Label, *score})
		}
	}
}

// finite returns nil for what JSON cannot hold.
func finite(v float32) *float32 {
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return &v
}

type pictureKey struct {
	version, row, side int
}

// picture is an image made small, or why there is none. Both are kept: neither changes.
type picture struct {
	jpeg []byte
	why  error
}

// errNoPicture means that an image cannot be shown.
var errNoPicture = errors.New("no picture")

// image answers with the picture of a row.
func (s *Server) image(w http.ResponseWriter, r *http.Request) error {
	key := pictureKey{side: thumbnail.SideSmall}
	switch r.URL.Query().Get("size") {
	case "small":
	case "large":
		key.side = thumbnail.SideLarge
	default:
		return fmt.Errorf("%w: size is small or large", errQuestion)
	}
	var e shard.Entry
	var of Images
	if err := s.watch.with(func(v *shown) (err error) {
		if v.noImages != "" {
			return fmt.Errorf("%w: %s", errNoPicture, v.noImages)
		}
		key.version, of = v.version, v.pictures
		if key.row, err = numberOf(r, "row", v); err != nil {
			return err
		}
		e, err = v.images.At(key.row)
		return err
	}); err != nil {
		return err
	}
	p, err := s.pictures.get(r.Context(), key, func() (picture, int64, error) {
		ctx, cancel := context.WithTimeout(s.watch.ctx, workTime)
		defer cancel()
		var p picture
		err := s.making.do(ctx, func() (err error) {
			p, err = makePicture(ctx, of, e, key.side)
			return err
		})
		return p, int64(len(p.jpeg)) + 200, err
	})
	if err != nil {
		return err
	}
	if p.why != nil {
		return fmt.Errorf("%w: %w", errNoPicture, p.why)
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(p.jpeg)
	return nil
}

// makePicture reads and decodes an image.
func makePicture(ctx context.Context, of Images, e shard.Entry, side int) (picture, error) {
	opt := of.Pictures
	opt.Side, opt.Workers = side, 1
	if of.Copies {
		e.ETag = ""
	}
	var p picture
	err := thumbnail.Make(ctx, of.Store, []shard.Entry{e}, opt, func(_ int, t thumbnail.Thumb) {
		p = picture{jpeg: t.JPEG, why: t.Err}
	})
	return p, err
}
