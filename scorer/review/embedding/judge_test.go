package embedding

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// ofLabels returns rows with these labels.
func ofLabels(labels []string) Rows {
	return func(fn func(path, label string) error) error {
		for i, label := range labels {
			if err := fn(pathOf(i), label); err != nil {
				return err
			}
		}
		return nil
	}
}

func pathOf(row int) string { return fmt.Sprintf("images/%05d.jpg", row) }

func open(t *testing.T, name string) *Vectors {
	t.Helper()
	v, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// TestAgainstScikitLearn compares all near duplicates and distances with those that
// testdata/reference.py wrote.
func TestAgainstScikitLearn(t *testing.T) {
	body, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	type found struct {
		Images   int
		Pairs    [][3]float64
		Outliers [][2]float64
	}
	var want struct {
		Similar       float64
		Labels        []string
		Vectors, Half found
	}
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatal(err)
	}
	for name, want32 := range map[string]found{"vectors.npy": want.Vectors, "half.npy": want.Half} {
		r, err := Judge(t.Context(), open(t, filepath.Join("testdata", name)), ofLabels(want.Labels), Options{Duplicates: 1000, Outliers: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if r.Images != want32.Images || r.LeftOut != len(want.Labels)-want32.Images || r.Compared != r.Images || r.Similar != want.Similar {
			t.Errorf("%s: %d images, %d left out, %d compared, similar from %v on", name, r.Images, r.LeftOut, r.Compared, r.Similar)
		}
		if r.Pairs != len(want32.Pairs) || len(r.Duplicates) != r.Pairs || r.Pairs < 20 || len(r.Outliers) != len(want32.Outliers) {
			t.Fatalf("%s: %d pairs and %d distances, want %d and %d", name, r.Pairs, len(r.Outliers), len(want32.Pairs), len(want32.Outliers))
		}
		for i, p := range want32.Pairs {
			got := r.Duplicates[i]
			if got.A != pathOf(int(p[0])) || got.B != pathOf(int(p[1])) || math.Abs(got.Similarity-p[2]) > 1e-9 {
				t.Errorf("%s: pair %d is %v, want %v", name, i, got, p)
			}
		}
		for i, o := range want32.Outliers {
			got, row := r.Outliers[i], int(o[0])
			if got.Path != pathOf(row) || got.Label != want.Labels[row] || math.Abs(got.Distance-o[1]) > 1e-9 {
				t.Errorf("%s: outlier %d is %v, want %v", name, i, got, o)
			}
		}
	}
}

// npy returns a file of vectors.
func npy(t testing.TB, dims int, vectors []float32) string {
	t.Helper()
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", len(vectors)/dims, dims)
	head += strings.Repeat(" ", 117-len(head)) + "\n"
	var b bytes.Buffer
	b.WriteString("\x93NUMPY\x01\x00")
	b.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(head))))
	b.WriteString(head)
	if err := binary.Write(&b, binary.LittleEndian, vectors); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "vectors.npy")
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// clusters returns vectors around some directions, many of them near duplicates.
func clusters(rows, dims int, seed uint64) []float32 {
	random := rand.New(rand.NewPCG(seed, 1))
	vectors := make([]float32, rows*dims)
	for row := range rows {
		v := vectors[row*dims : (row+1)*dims]
		if row > 10 && random.IntN(3) == 0 { // nearly a former one
			from := random.IntN(row)
			for i := range v {
				v[i] = vectors[from*dims+i] * (1 + 0.3*float32(random.NormFloat64()))
			}
			continue
		}
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
	}
	return vectors
}

// byHand compares the wanted rows with all in the plainest way.
func byHand(vectors []float32, dims int, similar float64, wanted func(row int) bool) (pairs []Pair) {
	for a := range len(vectors) / dims {
		for b := range a {
			c := cosine(vectors[a*dims:(a+1)*dims], vectors[b*dims:(b+1)*dims])
			if c >= similar && (wanted(a) || wanted(b)) {
				pairs = append(pairs, Pair{A: pathOf(b), B: pathOf(a), Similarity: c})
			}
		}
	}
	return pairs
}

// TestFindsAllPairs: the bounds along axes leave out no near duplicate, with few and many
// dimensions, whether all images or a sample are compared, and with any number of workers.
func TestFindsAllPairs(t *testing.T) {
	for _, c := range []struct{ rows, dims, exact int }{
		{rows: 500, dims: 1, exact: 1000}, {rows: 500, dims: 3, exact: 1000}, {rows: 700, dims: 100, exact: 1000}, {rows: 700, dims: 100, exact: 100},
	} {
		vectors, labels := clusters(c.rows, c.dims, 5), make([]string, c.rows)
		for i := range labels {
			labels[i] = "a"
		}
		v := open(t, npy(t, c.dims, vectors))
		var first *Result
		for _, workers := range []int{1, 3} {
			r, wanted, err := judgeWith(t, v, ofLabels(labels), Options{Duplicates: 1 << 20, Groups: 1 << 20, Workers: workers, Similar: 0.9}, c.exact, 60)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = r
				want := byHand(vectors, c.dims, 0.9, func(row int) bool { return wanted[row] })
				if c.dims > 1 && (r.Pairs != len(want) || r.Crowded > 0) || c.dims == 1 && r.Crowded == 0 {
					t.Errorf("%+v: %d pairs, want %d; %d images have very many", c, r.Pairs, len(want), r.Crowded)
				}
				known := map[Pair]bool{}
				for _, p := range want {
					known[p] = true
				}
				for _, p := range r.Duplicates {
					p.Similarity = cosineOf(t, vectors, c.dims, p)
					if !known[p] {
						t.Errorf("%+v: %v is not a pair", c, p)
					}
				}
				if c.exact < c.rows && (r.Compared != 60 || r.WithDuplicate == 0 || r.WithDuplicate > 60) {
					t.Errorf("%+v: %d of %d have a near duplicate", c, r.WithDuplicate, r.Compared)
				}
			} else if !reflect.DeepEqual(r, first) {
				t.Errorf("%+v: %d workers find something else than one", c, workers)
			}
		}
	}
}

// cosineOf computes the similarity of a pair in the order of byHand.
func cosineOf(t *testing.T, vectors []float32, dims int, p Pair) float64 {
	t.Helper()
	var a, b int
	if _, err := fmt.Sscanf(p.A+" "+p.B, "images/%05d.jpg images/%05d.jpg", &a, &b); err != nil {
		t.Fatal(err)
	}
	return cosine(vectors[b*dims:(b+1)*dims], vectors[a*dims:(a+1)*dims])
}

// judgeWith is Judge with other bounds. It returns also which rows were compared with all.
func judgeWith(t *testing.T, v *Vectors, rows Rows, o Options, exact, sample int) (*Result, map[int]bool, error) {
	t.Helper()
	j := newJudgement(v, o)
	j.exact, j.sample.N = exact, sample
	r, err := j.judge(t.Context(), rows)
	wanted := map[int]bool{}
	for row := range v.rows {
		wanted[row] = v.rows <= exact
	}
	for _, s := range j.sample.Items {
		wanted[s.row] = true
	}
	return r, wanted, err
}

// TestGroups: a chain of near duplicates is one group.
func TestGroups(t *testing.T) {
	const rows = 12
	vectors := make([]float32, 0, 2*rows)
	for i := range rows {
		angle := 0.2 * float64(i) // cos 0.2 is 0.98, and cos 0.4 is 0.92
		if i >= 8 {
			angle = 3 + 0.2*float64(i-8)
		}
		vectors = append(vectors, float32(math.Cos(angle)), float32(math.Sin(angle)))
	}
	labels := strings.Split(strings.Repeat("a,", rows-1)+"a", ",")
	labels[11] = "" // failed
	r, err := Judge(t.Context(), open(t, npy(t, 2, vectors)), ofLabels(labels), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Groups) != 2 || r.Groups[0].Images != 8 || r.Groups[1].Images != 3 || r.Groups[1].Paths[2] != pathOf(10) || r.Pairs != 9 ||
		r.WithDuplicate != 11 || r.LeftOut != 1 {
		t.Errorf("%+v", r)
	}
}

// TestOtherRows: vectors of other images are refused.
func TestOtherRows(t *testing.T) {
	v := open(t, npy(t, 2, make([]float32, 10)))
	for _, n := range []int{0, 4, 6} {
		if _, err := Judge(t.Context(), v, ofLabels(make([]string, n)), Options{}); !errors.Is(err, ErrRows) {
			t.Errorf("%d images and 5 vectors: %v", n, err)
		}
	}
	r, err := Judge(t.Context(), v, ofLabels([]string{"a", "a", "b", "", "c"}), Options{})
	if err != nil || r.Images != 0 || r.LeftOut != 5 || r.Pairs+len(r.Outliers)+r.Compared != 0 {
		t.Errorf("vectors without length: %+v, %v", r, err)
	}
}
