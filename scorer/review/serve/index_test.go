package serve

import (
	"fmt"
	"math"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

// filled returns an index of n rows in parts of perPart, as a model of 1,000 labels gives them.
func filled(n, perPart int) *index {
	x := newIndex()
	rows := make([]row.Row, perPart)
	answers := make([]row.Classification, perPart)
	labels := make([]string, 1000)
	for i := range labels {
		labels[i] = fmt.Sprint("label ", i)
	}
	for chunk := range n / perPart {
		for i := range rows {
			k := mixed(uint64(chunk*perPart + i))
			rows[i] = row.Row{Path: fmt.Sprint("images/", chunk*perPart+i, ".jpg"), Status: row.StatusOK, Answer: &answers[i]}
			answers[i] = row.Classification{Label: labels[k%1000], Score: float32(k>>10&0xffff) / 0xffff}
			if k%100 == 0 {
				rows[i].Status, rows[i].Answer, rows[i].Error = "truncated", nil, "it ends early"
			}
		}
		x.add(output.SeenPart{Chunk: chunk, First: chunk * perPart, Created: time.Unix(int64(chunk), 0), Rows: rows})
	}
	return x
}

// mixed returns a number mixed well (SplitMix64).
func mixed(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// TestIndexIsSmall bounds what a row costs in memory.
func TestIndexIsSmall(t *testing.T) {
	const n = 500_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := filled(n, 5000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	if each > 12 {
		t.Errorf("a row takes %.1f bytes, want 11 and little more", each)
	}
	if x.rows != n || len(x.failures) != keptFailures || x.failed < n/120 || x.failed > n/80 {
		t.Errorf("%d rows, %d failed, %d of them kept", x.rows, x.failed, len(x.failures))
	}
	if last := x.failures[keptFailures-1]; last.Row < n-5000 {
		t.Errorf("the newest failure is row %d", last.Row)
	}
}

func TestIndexKeepsPartsThatComeInNoOrder(t *testing.T) {
	x := newIndex()
	part := func(chunk, first, n int, seconds int64) {
		rows := make([]row.Row, n)
		for i := range rows {
			rows[i] = row.Row{Status: "empty", Error: "zero bytes", Path: fmt.Sprint(first + i)}
		}
		x.add(output.SeenPart{Chunk: chunk, First: first, Created: time.Unix(seconds, 0), Rows: rows})
	}
	part(2, 16, 3, 10) // the last one, which is shorter
	part(0, 0, 8, 30)
	for row, want := range map[int]bool{0: true, 7: true, 8: false, 15: false, 16: true, 18: true, 19: false, 100: false} {
		if p, i := x.find(row); (p != nil) != want || p != nil && p.first+i != row {
			t.Errorf("row %d: found %v", row, p != nil)
		}
	}
	if first, last := x.failures[0].Row, x.failures[len(x.failures)-1].Row; first != 16 || last != 7 {
		t.Errorf("failures from row %d to row %d, want 16, which is the oldest, to 7", first, last)
	}
	if r := x.rates(time.Unix(0, 0)); len(r) != 2 || math.Abs(r[0].Rate-0.2) > 0.1 || math.Abs(r[1].Rate-0.5) > 0.1 {
		t.Errorf("rates: %v", r)
	}
}

// TestPagesOfSortedRowsEnd: no page begins after the last that can be asked for.
func TestPagesOfSortedRowsEnd(t *testing.T) {
	x := filled(2*mostOffset, 5000)
	q, pages, rows := question{from: math.NaN(), to: math.NaN(), order: surest, limit: mostRows}, 0, 0
	for {
		all, _ := x.test(&q)
		var a answer
		numbers, err := a.sort(t.Context(), x.parts, &all, &q, nil)
		if err != nil || len(numbers) != mostRows {
			t.Fatal(len(numbers), err)
		}
		rows += len(numbers)
		if pages++; a.Next == 0 || pages > mostOffset {
			break
		}
		if q.after = a.Next; q.after > mostOffset {
			t.Fatalf("page %d begins after %d rows, which nobody can ask for", pages+1, q.after)
		}
	}
	if rows != mostOffset+mostRows {
		t.Errorf("%d pages have %d rows, want %d", pages, rows, mostOffset+mostRows)
	}
}

// TestLabelsThatAreNotToldApart counts the rows that a question about a label does not find.
func TestLabelsThatAreNotToldApart(t *testing.T) {
	x := newIndex()
	x.labels.most = 2
	var rows []row.Row
	for _, label := range []string{"Cat", "bobcat", "dog", "cat"} {
		rows = append(rows, row.Row{Path: label, Status: row.StatusOK, Answer: &row.Classification{Label: label, Score: 0.5}})
	}
	x.add(output.SeenPart{Rows: rows})
	for label, want := range map[string]int{"Cat": 1, "cat": 2, "bob": 1, "dog": 0} {
		if set, n := x.labels.like(label); n != want || len(set) != 3 {
			t.Errorf("%s: %d labels of %d, want %d", label, n, len(set), want)
		}
	}
	a, err := x.ask(t.Context(), question{label: "dog", from: math.NaN(), to: math.NaN(), order: inOrder, limit: 5}, new(shard.Manifest))
	if err != nil || a.Untold != 2 || a.Matching != 0 {
		t.Errorf("a label that is not told apart: %+v %v", a, err)
	}
}

// TestBarsLeadToTheirRows compares the histogram of scores with the filters of its bars.
func TestBarsLeadToTheirRows(t *testing.T) {
	x := newIndex()
	var rows []row.Row
	for i := range 2*bins + 1 {
		at := float32(i) / (2 * bins)
		for _, score := range []float32{at, math.Nextafter32(at, 0), min(math.Nextafter32(at, 1), 1)} {
			rows = append(rows, row.Row{Status: row.StatusOK, Answer: &row.Classification{Label: "a", Score: score}})
		}
	}
	x.add(output.SeenPart{Rows: rows})
	sum := 0
	for bin, want := range x.scores {
		ask := url.Values{"from": {fmt.Sprintf("%.2f", float64(bin)/bins)}, "to": {fmt.Sprintf("%.2f", float64(bin+1)/bins)}}
		q, err := parseQuestion(ask)
		if err != nil {
			t.Fatal(err)
		}
		all, _ := x.test(&q)
		var a answer
		if _, err := a.page(t.Context(), x.parts, &all, &q); err != nil || a.Matching != want {
			t.Errorf("%v: %d rows %v, want the %d of the bar", ask, a.Matching, err, want)
		}
		sum += want
	}
	if sum != len(rows) {
		t.Errorf("the bars have %d rows of %d", sum, len(rows))
	}
}

// BenchmarkAsk asks an index of ten million rows.
func BenchmarkAsk(b *testing.B) {
	const n = 10_000_000
	x := filled(n, 5000)
	for name, q := range map[string]question{
		"label": {label: "label 7", order: inOrder}, "failed": {status: failedOnly, order: inOrder}, "least": {order: leastSure}, "sample": {order: sampled},
		"score": {from: 0.4, to: 0.41, order: inOrder},
	} {
		if name != "score" {
			q.from, q.to = math.NaN(), math.NaN()
		}
		q.limit = defaultRows
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				t, _ := x.test(&q)
				var a answer
				var err error
				if q.order == inOrder {
					_, err = a.page(b.Context(), x.parts, &t, &q)
				} else {
					_, err = a.sort(b.Context(), x.parts, &t, &q, nil)
				}
				if err != nil || a.Matching == 0 {
					b.Fatal(a.Matching, err)
				}
			}
		})
	}
}
