package row

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// schemas are those of Classify in every format, as new jobs have them and as
// older ones do.
var schemas = map[string]Schema{
	"jsonl":         {Task: Classify, Format: JSONL, Form: Newest},
	"csv":           {Task: Classify, Format: CSV, Form: Newest},
	"parquet":       {Task: Classify, Format: Parquet, Form: Newest},
	"jsonl typed":   {Task: Classify, Format: JSONL, Form: Typed},
	"csv typed":     {Task: Classify, Format: CSV, Form: Typed},
	"parquet typed": {Task: Classify, Format: Parquet, Form: Typed},
	"jsonl untyped": {Task: Classify, Format: JSONL},
	"csv untyped":   {Task: Classify, Format: CSV},
}

// inEach runs a test with each of schemas.
func inEach(t *testing.T, test func(t *testing.T, s Schema)) {
	t.Helper()
	for name, s := range schemas {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

// answered is a row of an image that has classes.
func answered(path string, size int64, classes ...Class) Row {
	best := classes[0]
	return Row{Path: path, Size: size, Status: StatusOK,
		Answer: &Classification{Label: best.Label, ClassID: best.ClassID, Score: best.Score, TopK: classes}}
}

// written returns what rows are expected to read back as.
func written(rows []Row) []Row {
	all := make([]Row, len(rows))
	for i, r := range rows {
		all[i] = r.written()
		a := Classification{ClassID: -1}
		if r.Answer != nil {
			a = *r.Answer.(*Classification)
		}
		a.Label = validText(a.Label)
		a.TopK = slices.Clone(a.TopK)
		for j := range a.TopK {
			a.TopK[j].Label = validText(a.TopK[j].Label)
		}
		if len(a.TopK) == 0 {
			a.TopK = nil
		}
		all[i].Answer = &a
	}
	return all
}

func encode(t testing.TB, rows []Row, s Schema) []byte {
	t.Helper()
	body, err := s.Encode(rows)
	if err != nil {
		t.Fatalf("Encode() = %v", err)
	}
	return body
}

// TestFault23_NamesReadBackEqual: names come back exactly, from all formats.
func TestFault23_NamesReadBackEqual(t *testing.T) {
	names := append(storetest.Names(), "double//slash.jpg", "trailing/", "\"", "\"\"", ",", "\r", "\r\n", " ", "", "\uFFFD")
	var rows []Row
	for _, name := range names {
		rows = append(rows, answered(name, 1, Class{ClassID: 3, Label: name, Score: 0.25}))
	}
	inEach(t, func(t *testing.T, s Schema) {
		got, err := s.Decode(encode(t, rows, s), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if want := written(rows); !reflect.DeepEqual(got, want) {
			t.Errorf("Decode() = %+v, want %+v", got, want)
		}
		for i, name := range names {
			if back, err := got[i].Name(); err != nil || back != name {
				t.Errorf("Name() = %q, %v, want %q", back, err, name)
			}
		}
	})
}

// TestFault23_OtherReadersAgree reads what is written with other readers, as far as
// they can: encoding/json every row, encoding/csv all but fields with \r\n, which
// it changes.
func TestFault23_OtherReadersAgree(t *testing.T) {
	var rows []Row
	for _, name := range storetest.Names() {
		if !strings.Contains(name, "\r\n") {
			rows = append(rows, answered(name, 7, Class{Score: 1e-9}))
		}
	}
	want := written(rows)
	dec := json.NewDecoder(bytes.NewReader(encode(t, rows, schemas["jsonl"])))
	for i := range want {
		var got struct {
			Path       string
			PathBase64 string `json:"path_base64"`
			Score      float32
		}
		if err := dec.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.Path != want[i].Path || got.PathBase64 != want[i].PathBase64 || got.Score != 1e-9 {
			t.Errorf("encoding/json read %+v, want %+v", got, want[i])
		}
	}
	records, err := csv.NewReader(bytes.NewReader(encode(t, rows, schemas["csv"]))).ReadAll()
	if err != nil || len(records) != len(rows)+1 {
		t.Fatalf("encoding/csv read %d records, %v, want %d", len(records), err, len(rows)+1)
	}
	for i, got := range records[1:] {
		if got[0] != want[i].Path || got[1] != want[i].PathBase64 {
			t.Errorf("encoding/csv read %q, want %q", got[0], want[i].Path)
		}
	}
}

func TestFormatsGolden(t *testing.T) {
	rows := []Row{
		answered("a,b.jpg", 10, Class{ClassID: 7, Label: "dog", Score: 0.1}, Class{Label: "cat", Score: 1e-7}),
		{Path: "\xff", Status: "empty", Error: "zero \"bytes\""},
		answered("c", 3, Class{ClassID: 1, Score: 1}, Class{ClassID: 2}),
		answered("d", 4, Class{Label: "cow"}), // of a job that keeps one class
	}
	want := map[string]string{
		"jsonl": `{"path":"a,b.jpg","path_base64":"","size":10,"status":"ok","label":"dog","class_id":7,"score":0.1,` +
			`"label_2":"cat","score_2":1e-07,"margin":0.099999905,` +
			`"topk":[{"class_id":7,"label":"dog","score":0.1},{"class_id":0,"label":"cat","score":1e-07}],"error":""}
{"path":"` + "\uFFFD" + `","path_base64":"/w==","size":0,"status":"empty","label":"","class_id":null,"score":null,` +
			`"label_2":"","score_2":null,"margin":null,"topk":[],"error":"zero \"bytes\""}
{"path":"c","path_base64":"","size":3,"status":"ok","label":"","class_id":1,"score":1.0,` +
			`"label_2":"","score_2":0.0,"margin":1.0,` +
			`"topk":[{"class_id":1,"label":"","score":1.0},{"class_id":2,"label":"","score":0.0}],"error":""}
{"path":"d","path_base64":"","size":4,"status":"ok","label":"cow","class_id":0,"score":0.0,` +
			`"label_2":"","score_2":null,"margin":null,"topk":[{"class_id":0,"label":"cow","score":0.0}],"error":""}
`,
		"csv": `path,path_base64,size,status,label,class_id,score,label_2,score_2,margin,topk,error
"a,b.jpg",,10,ok,dog,7,0.1,cat,1e-07,0.099999905,"[{""class_id"":7,""label"":""dog"",""score"":0.1},{""class_id"":0,""label"":""cat"",""score"":1e-07}]",
` + "\uFFFD" + `,/w==,0,empty,,,,,,,[],"zero ""bytes"""
c,,3,ok,,1,1.0,,0.0,1.0,"[{""class_id"":1,""label"":"""",""score"":1.0},{""class_id"":2,""label"":"""",""score"":0.0}]",
d,,4,ok,cow,0,0.0,,,,"[{""class_id"":0,""label"":""cow"",""score"":0.0}]",
`,
		// As jobs that were begun before have them, and keep them.
		"jsonl typed": `{"path":"a,b.jpg","path_base64":"","size":10,"status":"ok","label":"dog","class_id":7,"score":0.1,` +
			`"topk":[{"class_id":7,"label":"dog","score":0.1},{"class_id":0,"label":"cat","score":1e-07}],"error":""}
{"path":"` + "\uFFFD" + `","path_base64":"/w==","size":0,"status":"empty","label":"","class_id":-1,"score":0.0,` +
			`"topk":[],"error":"zero \"bytes\""}
{"path":"c","path_base64":"","size":3,"status":"ok","label":"","class_id":1,"score":1.0,` +
			`"topk":[{"class_id":1,"label":"","score":1.0},{"class_id":2,"label":"","score":0.0}],"error":""}
{"path":"d","path_base64":"","size":4,"status":"ok","label":"cow","class_id":0,"score":0.0,"topk":[{"class_id":0,"label":"cow","score":0.0}],"error":""}
`,
		"csv typed": `path,path_base64,size,status,label,class_id,score,topk,error
"a,b.jpg",,10,ok,dog,7,0.1,"[{""class_id"":7,""label"":""dog"",""score"":0.1},{""class_id"":0,""label"":""cat"",""score"":1e-07}]",
` + "\uFFFD" + `,/w==,0,empty,,-1,0.0,[],"zero ""bytes"""
c,,3,ok,,1,1.0,"[{""class_id"":1,""label"":"""",""score"":1.0},{""class_id"":2,""label"":"""",""score"":0.0}]",
d,,4,ok,cow,0,0.0,"[{""class_id"":0,""label"":""cow"",""score"":0.0}]",
`,
		"jsonl untyped": `{"path":"a,b.jpg","size":10,"status":"ok","label":"dog","class_id":7,"score":0.1,` +
			`"topk":[{"class_id":7,"label":"dog","score":0.1},{"class_id":0,"label":"cat","score":1e-07}],"error":""}
{"path":"` + "\uFFFD" + `","path_base64":"/w==","size":0,"status":"empty","label":"","class_id":-1,"score":0,` +
			`"topk":[],"error":"zero \"bytes\""}
{"path":"c","size":3,"status":"ok","label":"","class_id":1,"score":1,` +
			`"topk":[{"class_id":1,"label":"","score":1},{"class_id":2,"label":"","score":0}],"error":""}
{"path":"d","size":4,"status":"ok","label":"cow","class_id":0,"score":0,"topk":[{"class_id":0,"label":"cow","score":0}],"error":""}
`,
		"csv untyped": `path,path_base64,size,status,label,class_id,score,topk,error
"a,b.jpg",,10,ok,dog,7,0.1,"[{""class_id"":7,""label"":""dog"",""score"":0.1},{""class_id"":0,""label"":""cat"",""score"":1e-07}]",
` + "\uFFFD" + `,/w==,0,empty,,-1,0,[],"zero ""bytes"""
c,,3,ok,,1,1,"[{""class_id"":1,""label"":"""",""score"":1},{""class_id"":2,""label"":"""",""score"":0}]",
d,,4,ok,cow,0,0,"[{""class_id"":0,""label"":""cow"",""score"":0}]",
`,
	}
	for name, want := range want {
		t.Run(name, func(t *testing.T) {
			if got := string(encode(t, rows, schemas[name])); got != want {
				t.Errorf("Encode() =\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// someRows returns n rows of all kinds, the same ones at every call.
func someRows(n int) []Row {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	labels := []string{"cat", "dog, small", "say \"cheese\"", "日本", "", "line\nbreak", "bad\xffbytes"}
	rows := make([]Row, n)
	for i := range rows {
		path := fmt.Sprintf("folder %d/%06d%s.jpg", i/100, i, []string{"", ",", "\"", "\xfe", "é"}[rng.IntN(5)])
		if rng.IntN(6) == 0 {
			rows[i] = Row{Path: path, Size: rng.Int64N(1 << 40), Status: "truncated", Error: "ends early, at \"SOS\""}
			continue
		}
		size := rng.Int64N(1 << 40)
		var classes []Class
		for range 1 + rng.IntN(5) {
			class := rng.IntN(len(labels))
			score := []float32{0, 1, rng.Float32(), 1e-9 * rng.Float32(), -0.03}[rng.IntN(5)]
			classes = append(classes, Class{ClassID: class, Label: labels[class], Score: score})
		}
		rows[i] = answered(path, size, classes...)
	}
	return rows
}

// TestBytesStayAsTheyWere compares files of someRows with those that earlier
// releases wrote, by the first 8 bytes of their SHA-256.
func TestBytesStayAsTheyWere(t *testing.T) {
	sizes := []int{0, 1, 3, 1000, 70_000} // rows; the last are more than a row group of Parquet holds
	want := map[string][]string{
		"jsonl":         {"e3b0c44298fc1c14", "7c1dc880a8917f7c", "7816fe7f55dce055", "be29880491bf7f41", "9e3d39bc23922379"},
		"csv":           {"e7e91a699904b3f4", "8e9cad0702d001b3", "d2295ce68e7dd6d6", "0e82b7b927247c54", "cb7e975f403e780f"},
		"parquet":       {"21699aa7481e3922", "9914713db39d6f0f", "e52012213d321324", "d08545964bc8bb0b", "db124b9cfea33f6e"},
		"jsonl typed":   {"e3b0c44298fc1c14", "3fec7278f94629e9", "4fcf15c871f2e09a", "a89fc99ae70640d1", "d60c811bd920139b"},
		"csv typed":     {"07f0dddab4006384", "648065cb9458ffb1", "211416bf2a184f29", "c6720986ed004620", "7f5ae55e14198d61"},
		"parquet typed": {"a05e04cebd755a7b", "cadac307223ca576", "f756784f5929887a", "546d13ff05928389", "18a3457ef70d5cff"},
		"jsonl untyped": {"e3b0c44298fc1c14", "b8fc70c2489aecd5", "266510b0d9b2cc18", "52ededb943a79bf7", "5b3e5eb0cbfa4a8c"},
		"csv untyped":   {"07f0dddab4006384", "8f464aa0a024c606", "651bed7266688d2d", "0e910609ae27f1dc", "beb8e4c3a9ad1a8f"},
	}
	for name, want := range want {
		t.Run(name, func(t *testing.T) {
			for i, n := range sizes {
				sum := sha256.Sum256(encode(t, someRows(n), schemas[name]))
				if got := hex.EncodeToString(sum[:8]); got != want[i] {
					t.Errorf("%d rows have the digest %s, want %s", n, got, want[i])
				}
			}
		})
	}
}

func drawRows(t *rapid.T) []Row {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom(storetest.Names()),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	number := rapid.Float32().Filter(finite)
	class := rapid.Custom(func(t *rapid.T) Class {
		return Class{ClassID: int(rapid.Int32().Draw(t, "class")), Label: text.Draw(t, "label"), Score: number.Draw(t, "score")}
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Row {
		return Row{
			Path: text.Draw(t, "path"), Size: rapid.Int64().Draw(t, "size"), Status: text.Draw(t, "status"),
			Answer: &Classification{
				Label: text.Draw(t, "label"), ClassID: int(rapid.Int32().Draw(t, "class")), Score: number.Draw(t, "score"),
				TopK: rapid.SliceOfN(class, 0, 4).Draw(t, "topk"),
			},
			Error: text.Draw(t, "error"),
		}
	}), 0, 10).Draw(t, "rows")
}

func TestRowsRoundTripInEveryFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		want := written(rows)
		for name, s := range schemas {
			body, err := s.Encode(rows)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := s.Encode(rows); err != nil || !bytes.Equal(body, again) {
				t.Fatalf("%s: the same rows made other bytes, %v", name, err)
			}
			got, err := s.Decode(body, 1<<20)
			if err != nil {
				t.Fatalf("%s: Decode() = %v", name, err)
			}
			if len(got) != len(want) {
				t.Fatalf("%s: Decode() = %d rows, want %d", name, len(got), len(want))
			}
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("%s: row %d is %+v, want %+v", name, i, got[i], want[i])
				}
				if !s.Equal(&got[i], &want[i]) {
					t.Fatalf("%s: row %d is not equal to what it was written from", name, i)
				}
			}
			if back, err := s.Encode(got); err != nil || !bytes.Equal(back, body) {
				t.Fatalf("%s: what was read is written differently, %v", name, err)
			}
		}
	})
}

// TestEqualComparesEveryColumn changes one thing of a row at a time.
func TestEqualComparesEveryColumn(t *testing.T) {
	s := schemas["jsonl"]
	make := func() Row { return answered("a", 1, Class{ClassID: 1, Label: "x", Score: 0.5}) }
	a, same := make(), make()
	if !s.Equal(&a, &same) {
		t.Errorf("Equal(%+v, %+v) = false, want true", a, same)
	}
	for name, change := range map[string]func(r *Row, c *Classification){
		"path":     func(r *Row, _ *Classification) { r.Path = "b" },
		"size":     func(r *Row, _ *Classification) { r.Size++ },
		"status":   func(r *Row, _ *Classification) { r.Status = "empty" },
		"error":    func(r *Row, _ *Classification) { r.Error = "e" },
		"label":    func(_ *Row, c *Classification) { c.Label = "y" },
		"class":    func(_ *Row, c *Classification) { c.ClassID++ },
		"score":    func(_ *Row, c *Classification) { c.Score = 0.25 },
		"topk":     func(_ *Row, c *Classification) { c.TopK = []Class{{ClassID: 1, Label: "x", Score: 0.25}} },
		"no topk":  func(_ *Row, c *Classification) { c.TopK = nil },
		"answered": func(r *Row, _ *Classification) { r.Answer = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := make()
			change(&b, b.Answer.(*Classification))
			if s.Equal(&a, &b) {
				t.Errorf("Equal(%+v, %+v) = true, want false", a, b)
			}
		})
	}
}

// TestFault22_ScoresThatAreNoNumbersAreRefused: a score that is not finite never
// gets into a part.
func TestFault22_ScoresThatAreNoNumbersAreRefused(t *testing.T) {
	inEach(t, func(t *testing.T, s Schema) {
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			for _, rows := range [][]Row{
				{{Path: "a", Answer: &Classification{Score: bad}}},
				{{Path: "a"}, {Path: "b", Answer: &Classification{TopK: []Class{{Score: bad}}}}},
			} {
				if _, err := s.Encode(rows); err == nil {
					t.Errorf("Encode() wrote the score %v", bad)
				}
			}
		}
	})
}

func TestDecodeRefusesWhatWasNotWritten(t *testing.T) {
	unanswered := Row{Path: "a", Size: 1, Status: StatusOK, Answer: &Classification{}}
	rows := []Row{unanswered, answered("\xff", 2, Class{ClassID: 1, Label: "x", Score: 0.5})}
	inEach(t, func(t *testing.T, s Schema) {
		good := encode(t, rows, s)
		for _, n := range []int{1, len(good) / 3, len(good) / 2, len(good) - 1} {
			if _, err := s.Decode(good[:n], 1<<20); !errors.Is(err, ErrDamaged) {
				t.Errorf("Decode(the first %d bytes of %d) = %v, want ErrDamaged", n, len(good), err)
			}
		}
		if _, err := s.Decode([]byte("<html>\n"), 1<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("Decode(HTML) = %v, want ErrDamaged", err)
		}
	})
	for _, tt := range []struct{ schema, old, new string }{
		{schema: "jsonl", old: `"size":1`, new: `"size": 1`},
		{schema: "jsonl", old: `"size":1`, new: `"size":1,"more":1`},
		{schema: "jsonl", old: `"topk":[]`, new: `"topk":null`},
		{schema: "jsonl", old: `"score":0.0,`, new: `"score":0,`},
		{schema: "jsonl", old: `"path_base64":"",`, new: ``},
		{schema: "jsonl", old: `"path_base64":""`, new: `"path_base64":null`},
		{schema: "jsonl", old: `"path":"a"`, new: `"path":1`},
		{schema: "jsonl untyped", old: `"score":0,`, new: `"score":0.0,`},
		{schema: "jsonl untyped", old: `"path":"a"`, new: `"path":"a","path_base64":""`},
		{schema: "csv", old: "a,,1", new: "a,,one"},
		{schema: "csv", old: "a,,1", new: `"a",,1`},
		{schema: "csv", old: ",[],", new: ",null,"},
		{schema: "csv", old: ",[],", new: ",,"},
		{schema: "csv typed", old: "ok,,0,0.0", new: "ok,,0,0"},
		{schema: "csv", old: "ok,,0,0.0", new: "ok,,x,0.0"},
		{schema: "csv", old: "a,,1", new: "a,1"},
		{schema: "csv", old: "path,", new: "name,"},
		{schema: "csv untyped", old: "ok,,0,0,", new: "ok,,0,0.0,"},
		{schema: "jsonl", old: `"class_id":0`, new: `"class_id":null`},
		{schema: "jsonl", old: `"score":0.0`, new: `"score":null`},
		{schema: "jsonl", old: `"margin":null`, new: `"margin":0.0`},
		{schema: "jsonl", old: `"label_2":""`, new: `"label_2":"y"`},
		{schema: "jsonl", old: `,"margin":null`, new: ``},
		{schema: "jsonl typed", old: `"class_id":0`, new: `"class_id":null`},
		{schema: "jsonl typed", old: `"topk":[]`, new: `"margin":null,"topk":[]`},
		{schema: "csv", old: "ok,,0,0.0", new: "ok,,,"},
		{schema: "csv", old: "ok,,0,0.0,,,", new: "ok,,0,0.0,,,0.0"},
		{schema: "csv typed", old: "ok,,0,0.0", new: "ok,,,"},
	} {
		t.Run(tt.schema+" "+tt.new, func(t *testing.T) {
			s := schemas[tt.schema]
			good := string(encode(t, rows, s))
			body := strings.Replace(good, tt.old, tt.new, 1)
			if body == good {
				t.Fatalf("there is no %s in\n%s", tt.old, good)
			}
			if _, err := s.Decode([]byte(body), 1<<20); !errors.Is(err, ErrDamaged) {
				t.Errorf("Decode() = %v, want ErrDamaged", err)
			}
		})
	}
}

// TestParquetLeavesNumbersOut reads a file as other programs do: the numbers of an image
// that failed are null, and so is the margin where one class was kept.
func TestParquetLeavesNumbersOut(t *testing.T) {
	rows := []Row{
		answered("a", 1, Class{ClassID: 7, Label: "dog", Score: 0.75}, Class{Label: "cat", Score: 0.25}),
		{Path: "b", Status: "empty", Error: "no bytes"},
		answered("c", 1, Class{Label: "cow"}),
	}
	type stored struct {
		Label   string   `parquet:"label"`
		ClassID *int32   `parquet:"class_id"`
		Score   *float32 `parquet:"score"`
		Label2  string   `parquet:"label_2"`
		Score2  *float32 `parquet:"score_2"`
		Margin  *float32 `parquet:"margin"`
	}
	body := encode(t, rows, schemas["parquet"])
	got, err := parquet.Read[stored](bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	dog, cow, zero := int32(7), int32(0), float32(0)
	high, low, margin := float32(0.75), float32(0.25), float32(0.5)
	want := []stored{
		{Label: "dog", ClassID: &dog, Score: &high, Label2: "cat", Score2: &low, Margin: &margin},
		{},
		{Label: "cow", ClassID: &cow, Score: &zero},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Read() = %+v, want %+v", got, want)
	}
}

// TestNumbersOfAFailedRowThatHasSome: what an altered row says is kept, for verify to
// find.
func TestNumbersOfAFailedRowThatHasSome(t *testing.T) {
	inEach(t, func(t *testing.T, s Schema) {
		odd := answered("a", 1, Class{ClassID: 1, Score: 0.5})
		odd.Status, odd.Error = "empty", "no bytes"
		got, err := s.Decode(encode(t, []Row{odd}, s), 1<<20)
		if err != nil || !s.Equal(&got[0], &odd) || s.Check(&got[0]) == nil {
			t.Errorf("Decode() = %+v, %v, want %+v, which Check refuses", got, err, odd)
		}
	})
}

// TestFault28_DamagedParquet: damage in any byte of a Parquet part is found before
// parquet-go reads it, which loops on some.
func TestFault28_DamagedParquet(t *testing.T) {
	s := schemas["parquet"]
	good := encode(t, []Row{answered("a", 1, Class{ClassID: 1, Label: "x", Score: 0.5})}, s)
	for i := range good {
		body := bytes.Clone(good)
		body[i] ^= 0x10
		if _, err := s.Decode(body, 1<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("Decode(a bit of byte %d flipped) = %v, want ErrDamaged", i, err)
		}
		if _, err := s.Decode(good[:i], 1<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("Decode(the first %d bytes) = %v, want ErrDamaged", i, err)
		}
	}
	unsealed := bytes.Replace(good, good[bytes.Index(good, []byte(sealMark)):][:sealSize], nil, 1)
	if _, err := s.Decode(unsealed, 1<<20); !errors.Is(err, ErrDamaged) {
		t.Errorf("Decode(without the seal) = %v, want ErrDamaged", err)
	}
	if _, err := parquet.OpenFile(bytes.NewReader(unsealed), int64(len(unsealed))); err != nil {
		t.Errorf("OpenFile(without the seal) = %v: the seal is more than a gap", err)
	}
}

func TestNameRefusesWhatContradictsThePath(t *testing.T) {
	for _, r := range []Row{
		{Path: "a", PathBase64: "YQ=="}, // valid UTF-8 needs none
		{Path: "other", PathBase64: "/w=="}, {Path: "\uFFFD", PathBase64: "/w="},
	} {
		if name, err := r.Name(); err == nil {
			t.Errorf("Name() of %+v = %q, want an error", r, name)
		}
	}
	for _, r := range []Row{{Path: "\uFFFD", PathBase64: "/w=="}, {Path: "\xff", PathBase64: "/w=="}, {Path: "\xff"}} {
		if name, err := r.Name(); err != nil || name != "\xff" {
			t.Errorf("Name() of %+v = %q, %v, want %q", r, name, err, "\xff")
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range []Format{JSONL, CSV, Parquet} {
		if got, err := ParseFormat(string(f)); err != nil || got != f {
			t.Errorf("ParseFormat(%q) = %v, %v", f, got, err)
		}
	}
	for _, bad := range []string{"", "JSONL", "xml"} {
		if got, err := ParseFormat(bad); err == nil {
			t.Errorf("ParseFormat(%q) = %v, want an error", bad, got)
		}
		s := Schema{Task: Classify, Format: Format(bad)}
		if _, err := s.Encode(nil); err == nil {
			t.Errorf("Encode() as %q succeeded", bad)
		}
		if _, err := s.Decode(nil, 1<<20); err == nil {
			t.Errorf("Decode() as %q succeeded", bad)
		}
	}
}

func FuzzDecodeText(f *testing.F) {
	rows := []Row{
		{Path: "a\r\n\",", Size: 1, Answer: &Classification{TopK: []Class{{ClassID: 1, Label: "x,\"", Score: 1e-9}}}},
		{Path: "\xff", Error: "e", Answer: &Classification{}},
	}
	texts := []Schema{schemas["jsonl"], schemas["csv"], schemas["jsonl untyped"], schemas["csv untyped"]}
	for _, s := range texts {
		body := encode(f, rows, s)
		f.Add(body)
		f.Add(body[:len(body)-1])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, s := range texts {
			got, err := s.Decode(body, 1<<20)
			if err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("Decode(%q) = %v, want ErrDamaged", body, err)
				}
				continue
			}
			w, err := s.NewWriter(new(bytes.Buffer))
			if err != nil {
				t.Fatal(err)
			}
			text := w.(*textWriter)
			again := []byte(text.header)
			for i := range got {
				again = text.appendRow(again, &got[i], &text.schema)
			}
			if !bytes.Equal(again, body) {
				t.Fatalf("Decode() accepted %q, which is written as %q", body, again)
			}
		}
	})
}

func FuzzDecodeParquet(f *testing.F) {
	s := schemas["parquet"]
	body := encode(f, []Row{answered("a", 1, Class{ClassID: 1, Label: "x", Score: 0.5})}, s)
	f.Add(body)
	f.Add(body[:len(body)/2])
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := s.Decode(body, 1<<20); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("Decode(%q) = %v, want ErrDamaged", body, err)
		}
	})
}
