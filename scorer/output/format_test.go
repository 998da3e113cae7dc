package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

var formats = []Format{JSONL, CSV, Parquet}

// forms are the formats in the form of new jobs, and in that of older ones.
var forms = []Form{{JSONL, true}, {CSV, true}, {Parquet, true}, {JSONL, false}, {CSV, false}}

// written is what rows are expected to read back as.
func written(rows []Row) []Row {
	all := make([]Row, len(rows))
	for i, r := range rows {
		all[i] = r.written()
		all[i].TopK = nil
		for _, c := range r.TopK {
			c.Label = shown(c.Label)
			all[i].TopK = append(all[i].TopK, c)
		}
	}
	return all
}

func encodeRows(t testing.TB, rows []Row, f Form) []byte {
	t.Helper()
	body, err := Encode(rows, f)
	if err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	return body
}

// Row 23: names come back exactly, from all formats.
func TestFault23_NamesReadBackEqual(t *testing.T) {
	names := append(storetest.Names(), "double//slash.jpg", "trailing/", "\"", "\"\"", ",", "\r", "\r\n", " ", "", "\uFFFD")
	var rows []Row
	for _, name := range names {
		rows = append(rows, Row{Path: name, Size: 1, Status: StatusOK, Label: name, ClassID: 3, Score: 0.25,
			TopK: []Class{{3, name, 0.25}}, Error: ""})
	}
	for _, f := range forms {
		got, err := Decode(encodeRows(t, rows, f), f)
		if err != nil {
			t.Fatalf("%v: %v", f, err)
		}
		if !reflect.DeepEqual(got, written(rows)) {
			t.Errorf("%v: the rows changed", f)
		}
		for i, name := range names {
			if back, err := got[i].Name(); err != nil || back != name {
				t.Errorf("%v: %q came back as %q, %v", f, name, back, err)
			}
		}
	}
}

// Readers of other makers agree, as far as they can: encoding/json on every
// row, encoding/csv on all but fields with \r\n, which it changes.
func TestFault23_OtherReadersAgree(t *testing.T) {
	var rows []Row
	for _, name := range storetest.Names() {
		if !strings.Contains(name, "\r\n") {
			rows = append(rows, Row{Path: name, Size: 7, Status: StatusOK, Score: 1e-9})
		}
	}
	want := written(rows)
	dec := json.NewDecoder(bytes.NewReader(encodeRows(t, rows, Form{JSONL, true})))
	for i := range want {
		var r Row
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Path != want[i].Path || r.PathBase64 != want[i].PathBase64 || r.Score != 1e-9 {
			t.Errorf("JSON: %+v, want %+v", r, want[i])
		}
	}
	records, err := csv.NewReader(bytes.NewReader(encodeRows(t, rows, Form{CSV, true}))).ReadAll()
	if err != nil || len(records) != len(rows)+1 {
		t.Fatalf("%d CSV records, %v", len(records), err)
	}
	for i, r := range records[1:] {
		if r[0] != want[i].Path || r[1] != want[i].PathBase64 {
			t.Errorf("CSV: %q, want %q", r[0], want[i].Path)
		}
	}
}

func TestFormatsGolden(t *testing.T) {
	rows := []Row{
		{Path: "a,b.jpg", Size: 10, Status: StatusOK, Label: "dog", ClassID: 7, Score: 0.1, TopK: []Class{{7, "dog", 0.1}, {0, "cat", 1e-7}}},
		{Path: "\xff", Size: 0, Status: "empty", ClassID: -1, Error: "zero \"bytes\""},
		{Path: "c", Size: 3, Status: StatusOK, ClassID: 1, Score: 1, TopK: []Class{{1, "", 1}, {2, "", 0}}},
	}
	for _, tt := range []struct {
		form Form
		want string
	}{
		{
			form: Form{JSONL, true},
			want: `{"path":"a,b.jpg","path_base64":"","size":10,"status":"ok","label":"dog","class_id":7,"score":0.1,"topk":[{"class_id":7,"label":"dog","score":0.1},{"class_id":0,"label":"cat","score":1e-07}],"error":""}
{"path":"` + "\uFFFD" + `","path_base64":"/w==","size":0,"status":"empty","label":"","class_id":-1,"score":0.0,"topk":[],"error":"zero \"bytes\""}
{"path":"c","path_base64":"","size":3,"status":"ok","label":"","class_id":1,"score":1.0,"topk":[{"class_id":1,"label":"","score":1.0},{"class_id":2,"label":"","score":0.0}],"error":""}
`,
		},
		{form: Form{CSV, true}, want: `path,path_base64,size,status,label,class_id,score,topk,error
"a,b.jpg",,10,ok,dog,7,0.1,"[{""class_id"":7,""label"":""dog"",""score"":0.1},{""class_id"":0,""label"":""cat"",""score"":1e-07}]",
` + "\uFFFD" + `,/w==,0,empty,,-1,0.0,[],"zero ""bytes"""
c,,3,ok,,1,1.0,"[{""class_id"":1,""label"":"""",""score"":1.0},{""class_id"":2,""label"":"""",""score"":0.0}]",
`},
		// As jobs that were begun before have it, and go on to have it.
		{
			form: Form{JSONL, false},
			want: `{"path":"a,b.jpg","size":10,"status":"ok","label":"dog","class_id":7,"score":0.1,"topk":[{"class_id":7,"label":"dog","score":0.1},{"class_id":0,"label":"cat","score":1e-07}],"error":""}
{"path":"` + "\uFFFD" + `","path_base64":"/w==","size":0,"status":"empty","label":"","class_id":-1,"score":0,"topk":[],"error":"zero \"bytes\""}
{"path":"c","size":3,"status":"ok","label":"","class_id":1,"score":1,"topk":[{"class_id":1,"label":"","score":1},{"class_id":2,"label":"","score":0}],"error":""}
`,
		},
		{form: Form{CSV, false}, want: `path,path_base64,size,status,label,class_id,score,topk,error
"a,b.jpg",,10,ok,dog,7,0.1,"[{""class_id"":7,""label"":""dog"",""score"":0.1},{""class_id"":0,""label"":""cat"",""score"":1e-07}]",
` + "\uFFFD" + `,/w==,0,empty,,-1,0,[],"zero ""bytes"""
c,,3,ok,,1,1,"[{""class_id"":1,""label"":"""",""score"":1},{""class_id"":2,""label"":"""",""score"":0}]",
`},
	} {
		if got := string(encodeRows(t, rows, tt.form)); got != tt.want {
			t.Errorf("%v: got\n%s\nwant\n%s", tt.form, got, tt.want)
		}
	}
}

func drawRows(t *rapid.T) []Row {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom(storetest.Names()),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	finite := rapid.Float32().Filter(func(f float32) bool { return !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) })
	class := rapid.Custom(func(t *rapid.T) Class {
		return Class{int(rapid.Int32().Draw(t, "class")), text.Draw(t, "label"), finite.Draw(t, "score")}
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Row {
		return Row{
			Path: text.Draw(t, "path"), Size: rapid.Int64().Draw(t, "size"), Status: text.Draw(t, "status"),
			Label: text.Draw(t, "label"), ClassID: int(rapid.Int32().Draw(t, "class")), Score: finite.Draw(t, "score"),
			TopK: rapid.SliceOfN(class, 0, 4).Draw(t, "topk"), Error: text.Draw(t, "error"),
		}
	}), 0, 10).Draw(t, "rows")
}

func TestRowsRoundTripInEveryFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		want := written(rows)
		for _, f := range forms {
			body, err := Encode(rows, f)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := Encode(rows, f); err != nil || !bytes.Equal(body, again) {
				t.Fatalf("%v: the same rows made other bytes, %v", f, err)
			}
			got, err := Decode(body, f)
			if err != nil {
				t.Fatalf("%v: %v", f, err)
			}
			if len(got) != len(want) {
				t.Fatalf("%v: %d rows, want %d", f, len(got), len(want))
			}
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("%v: row %d is %+v, want %+v", f, i, got[i], want[i])
				}
			}
			if back, err := Encode(got, f); err != nil || !bytes.Equal(back, body) {
				t.Fatalf("%v: what was read is written otherwise, %v", f, err)
			}
		}
	})
}

// Row 22: a score that is not a number never gets into a part.
func TestFault22_ScoresThatAreNoNumbersAreRefused(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for _, rows := range [][]Row{{{Path: "a", Score: bad}}, {{Path: "a"}, {Path: "b", TopK: []Class{{Score: bad}}}}} {
			for _, f := range forms {
				if _, err := Encode(rows, f); err == nil {
					t.Errorf("%v: %v was written", f, bad)
				}
			}
		}
	}
}

func TestDecodeRefusesWhatWasNotWritten(t *testing.T) {
	rows := []Row{{Path: "a", Size: 1, Status: StatusOK}, {Path: "\xff", Size: 2, Status: StatusOK, TopK: []Class{{1, "x", 0.5}}}}
	for _, f := range forms {
		good := encodeRows(t, rows, f)
		for _, n := range []int{1, len(good) / 3, len(good) / 2, len(good) - 1} {
			if _, err := Decode(good[:n], f); !errors.Is(err, ErrMismatch) {
				t.Errorf("%v: the first %d bytes of %d: %v", f, n, len(good), err)
			}
		}
		if _, err := Decode([]byte("<html>\n"), f); !errors.Is(err, ErrMismatch) {
			t.Errorf("%v: HTML: %v", f, err)
		}
	}
	for _, tt := range []struct {
		form     Form
		old, new string
	}{
		{form: Form{JSONL, true}, old: `"size":1`, new: `"size": 1`},
		{form: Form{JSONL, true}, old: `"size":1`, new: `"size":1,"more":1`},
		{form: Form{JSONL, true}, old: `"topk":[]`, new: `"topk":null`},
		{form: Form{JSONL, true}, old: `"score":0.0,`, new: `"score":0,`},
		{form: Form{JSONL, true}, old: `"path_base64":"",`, new: ``},
		{form: Form{JSONL, true}, old: `"path_base64":""`, new: `"path_base64":null`},
		{form: Form{JSONL, true}, old: `"path":"a"`, new: `"path":1`},
		{form: Form{JSONL, false}, old: `"score":0,`, new: `"score":0.0,`},
		{form: Form{JSONL, false}, old: `"path":"a"`, new: `"path":"a","path_base64":""`},
		{form: Form{CSV, true}, old: "a,,1", new: "a,,one"},
		{form: Form{CSV, true}, old: "a,,1", new: `"a",,1`},
		{form: Form{CSV, true}, old: ",[],", new: ",null,"},
		{form: Form{CSV, true}, old: ",[],", new: ",,"},
		{form: Form{CSV, true}, old: "ok,,0,0.0", new: "ok,,0,0"},
		{form: Form{CSV, true}, old: "ok,,0,0.0", new: "ok,,x,0.0"},
		{form: Form{CSV, true}, old: "a,,1", new: "a,1"},
		{form: Form{CSV, true}, old: "path,", new: "name,"},
		{form: Form{CSV, false}, old: "ok,,0,0,", new: "ok,,0,0.0,"},
	} {
		good := string(encodeRows(t, rows, tt.form))
		body := strings.Replace(good, tt.old, tt.new, 1)
		if body == good {
			t.Errorf("%v: there is no %s in\n%s", tt.form, tt.old, good)
		}
		if _, err := Decode([]byte(body), tt.form); !errors.Is(err, ErrMismatch) {
			t.Errorf("%v: %s: %v", tt.form, tt.new, err)
		}
	}
}

// Damage in any byte of a Parquet part is found before the library sees it,
// which loops on some.
func TestFault28_DamagedParquet(t *testing.T) {
	good := encodeRows(t, []Row{{Path: "a", Size: 1, Status: StatusOK, TopK: []Class{{1, "x", 0.5}}}}, Form{Format: Parquet})
	for i := range good {
		body := bytes.Clone(good)
		body[i] ^= 0x10
		if _, err := Decode(body, Form{Format: Parquet}); !errors.Is(err, ErrMismatch) {
			t.Errorf("flipped in byte %d: %v", i, err)
		}
		if _, err := Decode(good[:i], Form{Format: Parquet}); !errors.Is(err, ErrMismatch) {
			t.Errorf("cut after byte %d: %v", i, err)
		}
	}
	unsealed := bytes.Replace(good, good[bytes.Index(good, []byte(sealMark)):][:sealSize], nil, 1)
	if _, err := Decode(unsealed, Form{Format: Parquet}); !errors.Is(err, ErrMismatch) {
		t.Errorf("without its seal: %v", err)
	}
	if _, err := parquet.OpenFile(bytes.NewReader(unsealed), int64(len(unsealed))); err != nil {
		t.Errorf("the seal is not a mere gap: %v", err)
	}
}

func TestNameRefusesWhatDoesNotGoWithThePath(t *testing.T) {
	for _, r := range []Row{
		{Path: "a", PathBase64: "YQ=="}, // valid UTF-8 needs none
		{Path: "other", PathBase64: "/w=="}, {Path: "\uFFFD", PathBase64: "/w="},
	} {
		if name, err := r.Name(); err == nil {
			t.Errorf("%+v has the name %q", r, name)
		}
	}
	for _, r := range []Row{{Path: "\uFFFD", PathBase64: "/w=="}, {Path: "\xff", PathBase64: "/w=="}, {Path: "\xff"}} {
		if name, err := r.Name(); err != nil || name != "\xff" {
			t.Errorf("%+v has the name %q, %v", r, name, err)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range formats {
		if got, err := ParseFormat(string(f)); err != nil || got != f {
			t.Errorf("%s: %v, %v", f, got, err)
		}
	}
	for _, bad := range []string{"", "JSONL", "xml"} {
		if _, err := ParseFormat(bad); err == nil {
			t.Errorf("%q is a format", bad)
		}
		if _, err := Encode(nil, Form{Format: Format(bad)}); err == nil {
			t.Errorf("encoded as %q", bad)
		}
		if _, err := Decode(nil, Form{Format: Format(bad)}); err == nil {
			t.Errorf("decoded as %q", bad)
		}
	}
}

func FuzzDecodeText(f *testing.F) {
	rows := []Row{{Path: "a\r\n\",", Size: 1, TopK: []Class{{1, "x,\"", 1e-9}}}, {Path: "\xff", Error: "e"}}
	for _, format := range []Form{{JSONL, true}, {CSV, true}, {JSONL, false}, {CSV, false}} {
		body, err := Encode(rows, format)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		f.Add(body[:len(body)-1])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, format := range []Form{{JSONL, true}, {CSV, true}, {JSONL, false}, {CSV, false}} {
			got, err := Decode(body, format)
			if err != nil {
				if !errors.Is(err, ErrMismatch) {
					t.Fatalf("%v is not ErrMismatch", err)
				}
				continue
			}
			w, err := newRowWriter(new(bytes.Buffer), format)
			if err != nil {
				t.Fatal(err)
			}
			text := w.(*textWriter)
			again := []byte(text.header)
			for i := range got {
				again = text.row(again, &got[i], text.typed)
			}
			if !bytes.Equal(again, body) {
				t.Fatalf("%v: accepted %q, which is written %q", format, body, again)
			}
		}
	})
}

func FuzzDecodeParquet(f *testing.F) {
	body, err := Encode([]Row{{Path: "a", Size: 1, TopK: []Class{{1, "x", 0.5}}}}, Form{Format: Parquet})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add(body[:len(body)/2])
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := Decode(body, Form{Format: Parquet}); err != nil && !errors.Is(err, ErrMismatch) {
			t.Fatalf("%v is not ErrMismatch", err)
		}
	})
}

// TestAnOlderJobKeepsItsForm goes on with a job whose record says nothing of the
// form of rows, as records were once: its rows have the form that they had.
func TestAnOlderJobKeepsItsForm(t *testing.T) {
	for _, f := range formats {
		st := new(mem.Store)
		old := testJob(f)
		old.ID = "old"
		body, err := encodeRecord(&old)
		if err != nil || bytes.Contains(body, []byte("row_form")) {
			t.Fatalf("%v\n%s", err, body)
		}
		st.Put(jobName, body)
		r := complete(t, st, testJob(f), 20)
		checkRows(t, st, numbered(20))
		if r.j.form() != (Form{Format: f}) {
			t.Errorf("%s: the form is %v", f, r.j.form())
		}
		var want []Row
		for chunk := range r.c.Count() {
			want = append(want, rowsOf(r.m, r.c, chunk)...)
		}
		for _, to := range []Format{JSONL, CSV} {
			var merged bytes.Buffer
			if err := Merge(t.Context(), st, &merged, to); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(merged.Bytes(), encodeRows(t, want, Form{Format: to})) {
				t.Errorf("%s to %s: the rows do not have the older form", f, to)
			}
		}
	}
}

// TestANewerForm: a program does not take rows for what they are not.
func TestANewerForm(t *testing.T) {
	st := new(mem.Store)
	newer := testJob(JSONL)
	newer.RowForm = rowForm + 1
	body, err := encodeRecord(&newer)
	if err != nil {
		t.Fatal(err)
	}
	st.Put(jobName, body)
	if _, err := ReadJob(t.Context(), st); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "form 2") {
		t.Errorf("%v, want ErrMismatch that names the form", err)
	}
}
