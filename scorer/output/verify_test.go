package output

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

func TestFinish(t *testing.T) {
	clk := newClock()
	st := clk.store()
	begun := clk.now
	r := begin(t, st, testJob(row.JSONL), numbered(20))
	if _, err := ReadSuccess(t.Context(), st); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("ReadSuccess() before the end = %v, want store.ErrNotExist", err)
	}
	if _, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{}); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "part-00000.jsonl") {
		t.Errorf("Finish() without parts = %v, want ErrIncomplete", err)
	}
	for chunk := range r.c.Count() {
		clk.now = clk.now.Add(3 * time.Second)
		r.commit(t, chunk)
	}
	w := WorkerSummary{
		Worker: elsewhere(1), Device: "cpu", Started: begun.Add(-time.Second), Seconds: 11, Images: 20,
		Statuses: map[string]int{row.StatusOK: 20}, Chunks: 3, End: "done",
	}
	writeSummary(t, st, w)
	if err := WriteSummary(t.Context(), st, &r.j, w); !errors.Is(err, store.ErrExist) {
		t.Errorf("WriteSummary() again = %v, want store.ErrExist", err)
	}
	opt := FinishOptions{Drift: func(*shard.Manifest) *Drift { return &Drift{Added: 2} }, Versions: map[string]string{"onnxruntime": "1.30.0"}}
	s, err := Finish(t.Context(), st, r.j, r.m, opt)
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[string]int{}
	for i := range r.m.Len() {
		e, err := r.m.At(i)
		if err != nil {
			t.Fatal(err)
		}
		statuses[score(e).Status]++
	}
	all := objects(t, st)
	want := Success{
		Version: 1, Job: r.j.ID, Images: 20, ImagesPlace: r.j.Images, Statuses: statuses, Failed: statuses["truncated"],
		See: "batchscore show memory --status truncated", Chunks: 3, ChunkSize: 8, Format: row.JSONL, PartForm: 1, JPEGDecoder: "libjpeg-turbo",
		Digests: Digests{Manifest: r.m.Digest(), Model: "sha256:m", Preprocess: "sha256:p", Labels: "sha256:l",
			Parts: digest([]byte(all[digestsName]))},
		Started: begun.Add(-time.Second), Ended: begun.Add(10 * time.Second), MakespanSeconds: 11, ImagesPerSecond: 20. / 11,
		WorkedSeconds: 11, WorkedImagesPerSecond: 20. / 11, Hours: &cost.Hours{Device: 0.00305556, Node: 0.00305556},
		Drift: &Drift{Added: 2}, Workers: 1, Devices: []string{"cpu"}, Versions: opt.Versions, Checksum: s.Checksum,
	}
	if s.Answers == nil || s.Answers.Certainty == nil || len(s.Answers.Labels) == 0 {
		t.Fatalf("Finish() says of the answers %+v, want labels and a certainty", s.Answers)
	}
	want.FailedDigest = s.FailedDigest // its own tests check it
	s.Answers, want.Mine = nil, true
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	if statuses[row.StatusOK] == 20 || statuses[row.StatusOK] == 0 {
		t.Fatalf("the sample has no row of some kind: %v", statuses)
	}
	again, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{})
	again.Answers, s.Mine = nil, false // the first call wrote it
	if err != nil || !reflect.DeepEqual(again, s) {
		t.Errorf("Finish() again = %+v, %v, want the same", again, err)
	}
	checkRows(t, st, numbered(20))
}

// TestMakespanWithoutSummaries: killed workers leave no summary, but the times of the
// objects include them.
func TestMakespanWithoutSummaries(t *testing.T) {
	clk := newClock()
	r := begin(t, clk.store(), testJob(row.JSONL), numbered(20))
	for chunk := range r.c.Count() {
		clk.now = clk.now.Add(time.Minute)
		r.commit(t, chunk)
	}
	clk.now = clk.now.Add(time.Hour)
	if s := r.finish(t); s.MakespanSeconds != 180 || math.Abs(s.ImagesPerSecond-20./180) > 1e-12 || s.Workers != 0 {
		t.Errorf("%+v", s)
	}
}

func TestFinishRefusesAPartThatDoesNotFit(t *testing.T) {
	st := new(mem.Store)
	r := begin(t, st, testJob(row.CSV), numbered(20))
	for chunk := range r.c.Count() {
		r.commit(t, chunk)
	}
	st.Put("part-00001.csv", []byte(objects(t, st)["part-00002.csv"]))
	if _, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{}); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "part-00001.csv") {
		t.Errorf("Finish() = %v, want ErrMismatch that names the part", err)
	}
	if all := objects(t, st); all[SuccessName] != "" || all[digestsName] != "" {
		t.Error("Finish() wrote something")
	}
}

// TestFault01_FinishGoesOnWhereItWasKilled: Finish was killed between the digests and _SUCCESS.
func TestFault01_FinishGoesOnWhereItWasKilled(t *testing.T) {
	st := new(mem.Store)
	r := complete(t, st, testJob(row.JSONL), 20)
	st.Remove(SuccessName)
	r.finish(t)
	checkRows(t, st, numbered(20))
	st.Remove(SuccessName)
	st.Put(digestsName, []byte("something else\n"))
	if _, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{}); !errors.Is(err, ErrMismatch) {
		t.Errorf("Finish() with other digests = %v, want ErrMismatch", err)
	}
}

// TestFault16_DriftIsReported: images that were added after the listing are not scored, but reported.
func TestFault16_DriftIsReported(t *testing.T) {
	images := new(mem.Store)
	for _, name := range []string{"a.jpg", "b.jpg", "c.jpg", "d.jpg", "notes.txt"} {
		images.Put(name, []byte("pixels"))
	}
	pictures := func(fn func(o store.Object) error) error {
		return images.List(t.Context(), "", func(o store.Object) error {
			if !strings.HasSuffix(o.Name, ".jpg") {
				return nil
			}
			return fn(o)
		})
	}
	first := func(most int) *shard.Manifest {
		b := shard.Builder{Room: room}
		if err := pictures(func(o store.Object) error {
			return b.Add(shard.Entry{Path: o.Name, Size: o.Size, ETag: o.ETag})
		}); err != nil {
			t.Fatal(err)
		}
		m, _, err := b.Build(most)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m, head := first(0), first(2)
	measure := func(m *shard.Manifest, truncated bool) Drift {
		d, err := MeasureDrift(m, truncated, pictures)
		if err != nil {
			t.Fatal(err)
		}
		if (d.Names == nil) != (d == Drift{}) {
			t.Errorf("MeasureDrift() = %+v with the names %+v", d, d.Names)
		}
		return d.Counts()
	}
	if d := measure(m, false); d != (Drift{}) {
		t.Errorf("MeasureDrift() of an unchanged place = %+v", d)
	}
	if d := measure(head, true); d != (Drift{}) {
		t.Errorf("MeasureDrift() of the first 2 images of an unchanged place = %+v", d)
	}
	images.Put("b.jpg", []byte("other"))
	images.Remove("c.jpg")
	images.Put("a1.jpg", nil)
	images.Put("z.jpg", nil)
	images.Put("more.txt", nil)
	if d := measure(m, false); d != (Drift{Added: 2, Removed: 1, Changed: 1}) {
		t.Errorf("MeasureDrift() of a changed place = %+v", d)
	}
	if d := measure(head, true); d != (Drift{Added: 1, Changed: 1}) {
		t.Errorf("MeasureDrift() of the first 2 images of a changed place = %+v", d)
	}
}

// TestFault26_MoreRanksThanWork: more ranks than chunks, more ranks than images, and no images.
func TestFault26_MoreRanksThanWork(t *testing.T) {
	for _, images := range []int{0, 1, 5, 20} {
		var merged [][]byte
		for _, ranks := range []int{1, 3, 40} {
			st := new(mem.Store)
			r := begin(t, st, testJob(row.JSONL), numbered(images))
			for rank := range ranks {
				lo, hi := r.c.Share(rank, ranks)
				for chunk := lo; chunk < hi; chunk++ {
					if res := r.commit(t, chunk); res.Outcome != Created {
						t.Errorf("%d images, %d ranks: two ranks have chunk %d", images, ranks, chunk)
					}
				}
			}
			r.finish(t)
			checkRows(t, st, numbered(images))
			var out bytes.Buffer
			if err := Merge(t.Context(), st, &out, MergeOptions{}); err != nil {
				t.Fatal(err)
			}
			merged = append(merged, out.Bytes())
		}
		if !bytes.Equal(merged[0], merged[1]) || !bytes.Equal(merged[0], merged[2]) {
			t.Errorf("%d images: the merged bytes depend on the ranks", images)
		}
	}
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	const second = "part-00001.jsonl"
	lines := func(body string, order ...int) string {
		all := strings.SplitAfter(body, "\n")
		var out strings.Builder
		for _, i := range order {
			out.WriteString(all[i])
		}
		return out.String()
	}
	type tamper func(t *testing.T, st *mem.Store, all map[string]string)
	put := func(name string, change func(all map[string]string) string) tamper {
		return func(t *testing.T, st *mem.Store, all map[string]string) {
			body := change(all)
			if body == all[name] {
				t.Fatal("nothing was changed")
			}
			st.Put(name, []byte(body))
		}
	}
	remove := func(name string) tamper {
		return func(_ *testing.T, st *mem.Store, _ map[string]string) { st.Remove(name) }
	}
	for _, tt := range []struct {
		name   string
		tamper tamper
		found  map[Kind]int
		says   []string
	}{
		{name: "part missing", tamper: remove(second), found: map[Kind]int{Missing: 1},
			says: []string{"missing: part-00001.jsonl", "images/000008.jpg", "8 images"}},
		{name: "row missing", tamper: put(second, func(a map[string]string) string { return lines(a[second], 0, 1, 2, 4, 5, 6, 7) }),
			found: map[Kind]int{Missing: 1, Misplaced: 4, Altered: 1}, says: []string{"images/000011.jpg", "this image has no row"}},
		{name: "row doubled", tamper: put(second, func(a map[string]string) string { return lines(a[second], 0, 1, 2, 2, 3, 4, 5, 6, 7) }),
			found: map[Kind]int{Doubled: 1, Misplaced: 5, Altered: 1}, says: []string{`doubled: part-00001.jsonl, "images/000010.jpg"`}},
		{name: "rows swapped", tamper: put(second, func(a map[string]string) string { return lines(a[second], 1, 0, 2, 3, 4, 5, 6, 7) }),
			found: map[Kind]int{Misplaced: 2, Altered: 1}, says: []string{"belongs in part-00001.jsonl as row 1"}},
		{name: "row of another chunk", tamper: put(second, func(a map[string]string) string {
			return lines(a[second], 0, 1, 2, 3, 4, 5, 6) + lines(a["part-00002.jsonl"], 0)
		}), found: map[Kind]int{Misplaced: 1, Doubled: 1, Missing: 1, Altered: 1}, says: []string{"belongs in part-00002.jsonl", "images/000015.jpg"}},
		{name: "row of no image", tamper: put(second, func(a map[string]string) string {
			return strings.Replace(a[second], "000009", "990009", 1)
		}), found: map[Kind]int{Surplus: 1, Missing: 1, Altered: 1}, says: []string{`surplus: part-00001.jsonl, "images/990009.jpg"`}},
		{name: "size changed", tamper: put(second, func(a map[string]string) string {
			return strings.Replace(a[second], `"size":109`, `"size":1`, 1)
		}), found: map[Kind]int{Altered: 2}, says: []string{"the size is 1, in the manifest 109"}},
		{name: "label changed", tamper: put(second, func(a map[string]string) string {
			return strings.Replace(a[second], "class, ", "clasp, ", 1)
		}), found: map[Kind]int{Altered: 1}, says: []string{"altered: part-00001.jsonl", "digest"}},
		{name: "status without class", tamper: put(second, func(a map[string]string) string {
			return strings.Replace(a[second], `"status":"ok"`, `"status":"no"`, 1)
		}), found: nil, says: []string{`status "no" with class`}},
		{name: "part cut", tamper: put(second, func(a map[string]string) string { return a[second][:100] }),
			found: nil, says: []string{"damaged: part-00001.jsonl", "cut off"}},
		{name: "part surplus", tamper: put("part-00003.jsonl", func(a map[string]string) string { return a[second] }),
			found: map[Kind]int{Surplus: 1}, says: []string{"surplus: part-00003.jsonl", "3 chunks"}},
		{name: "part of another format", tamper: put("part-00001.csv", func(map[string]string) string { return "x" }),
			found: map[Kind]int{Surplus: 1}, says: []string{"surplus: part-00001.csv"}},
		{name: "digests out of order", tamper: put(digestsName, func(a map[string]string) string { return lines(a[digestsName], 1, 0, 2) }),
			found: map[Kind]int{Damaged: 1, Altered: 1}, says: []string{"damaged: _batchscore/parts.sha256"}},
		{name: "digest forged", tamper: func(t *testing.T, st *mem.Store, all map[string]string) {
			body := strings.Replace(all[second], "class, ", "clasp, ", 1)
			st.Put(second, []byte(body))
			st.Put(digestsName, []byte(strings.Replace(all[digestsName], hexDigest([]byte(all[second])), hexDigest([]byte(body)), 1)))
		}, found: map[Kind]int{Altered: 1}, says: []string{"digest of the parts"}},
		{name: "manifest missing", tamper: remove(manifestName), found: map[Kind]int{Missing: 1}, says: []string{"manifest"}},
		{name: "record changed", tamper: put(jobName, func(a map[string]string) string {
			return strings.Replace(a[jobName], `"topk": 2`, `"topk": 3`, 1)
		}), found: map[Kind]int{Damaged: 1}, says: []string{"job.json", "checksum"}},
		{name: "_SUCCESS changed", tamper: put(SuccessName, func(a map[string]string) string {
			return strings.Replace(a[SuccessName], `"images": 20`, `"images": 21`, 1)
		}), found: map[Kind]int{Damaged: 1}, says: []string{"_SUCCESS", "checksum"}},
		{name: "_SUCCESS of another job", tamper: func(t *testing.T, st *mem.Store, all map[string]string) {
			other := new(mem.Store)
			complete(t, other, testJob(row.JSONL), 17)
			st.Put(SuccessName, []byte(objects(t, other)[SuccessName]))
		}, found: nil, says: []string{"job: it says", "images: it says 17, there is 20", "digest of the manifest", "digest of the parts"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := new(mem.Store)
			complete(t, st, testJob(row.JSONL), 20)
			tt.tamper(t, st, objects(t, st))
			report, err := Verify(t.Context(), st)
			if err != nil {
				t.Fatal(err)
			}
			text := report.String()
			if report.OK() || !errors.Is(report.Err(), ErrMismatch) {
				t.Fatalf("Verify() found nothing:\n%s", text)
			}
			if tt.found != nil && !reflect.DeepEqual(report.Found, tt.found) {
				t.Errorf("Verify() found %v, want %v\n%s", report.Found, tt.found, text)
			}
			for _, want := range append(tt.says, "NOT OK") {
				if !strings.Contains(text, want) {
					t.Errorf("the report does not say %q:\n%s", want, text)
				}
			}
			if _, err := json.Marshal(report); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifyReportGolden(t *testing.T) {
	st := new(mem.Store)
	r := begin(t, st, testJob(row.JSONL), numbered(20))
	r.commit(t, 0)
	r.commit(t, 2)
	report, err := Verify(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i, s := range []string{row.StatusOK, "truncated"} {
		lines = append(lines, fmt.Sprintf("%d %s", report.Statuses[s], s))
		if report.Statuses[s] == 0 {
			t.Fatalf("sample %d does not have %s", i, s)
		}
	}
	want := `memory: incomplete: there is no _SUCCESS
20 images in 3 chunks; 2 parts with 12 rows: ` + strings.Join(lines, ", ") + `
missing: part-00001.jsonl, "images/000008.jpg": no part for 8 images, from this path on
NOT OK: 1 missing
`
	if got := report.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	wantErr := "memory: incomplete: 1 of 3 parts missing; run the job again to complete it"
	if err := report.Err(); fmt.Sprint(err) != wantErr || !errors.Is(err, ErrMismatch) {
		t.Errorf("Err() = %v, want ErrMismatch that says %q", err, wantErr)
	}
	if report.Missing != 1 || report.MissingImages != 8 || report.Complete {
		t.Errorf("%+v", report)
	}
	r.commit(t, 1)
	if report, err = Verify(t.Context(), st); err != nil || !report.OK() || report.Err() != nil || report.Complete {
		t.Errorf("every part exists, not finished: %v\n%s", err, report.String())
	}
	r.finish(t)
	if report, err = Verify(t.Context(), st); err != nil || !report.Complete || !strings.HasSuffix(report.String(), "OK: rows equal manifest\n") {
		t.Errorf("%v\n%s", err, report.String())
	}
}

// TestVerifyWithoutTheFileOfDigests: the digest in _SUCCESS still proves the parts.
func TestVerifyWithoutTheFileOfDigests(t *testing.T) {
	st := new(mem.Store)
	complete(t, st, testJob(row.JSONL), 20)
	st.Remove(digestsName)
	checkRows(t, st, numbered(20))
	st.Put("part-00000.jsonl", []byte(strings.Replace(objects(t, st)["part-00000.jsonl"], "class, ", "clasp, ", 1)))
	if report, err := Verify(t.Context(), st); err != nil || report.OK() || !strings.Contains(report.String(), "digest of the parts") {
		t.Errorf("%v\n%s", err, report.String())
	}
}

func TestVerifyOfWhatIsNoOutput(t *testing.T) {
	st := new(mem.Store)
	if _, err := Verify(t.Context(), st); !errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), "not an output folder") {
		t.Errorf("got %v", err)
	}
	if err := Merge(t.Context(), st, io.Discard, MergeOptions{}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Merge() = %v, want store.ErrNotExist", err)
	}
}

func TestReportIsBounded(t *testing.T) {
	var r Report
	for i := range 5000 {
		r.add(Problem{Kind: Doubled, Chunk: i})
	}
	if len(r.Problems) != maxProblems || r.Found[Doubled] != 5000 || !strings.Contains(r.String(), "and 4000 more") {
		t.Errorf("the report lists %d problems and found %v", len(r.Problems), r.Found)
	}
}

// TestDigestsSatisfySha256sum: sha256sum -c reads the file of digests.
func TestDigestsSatisfySha256sum(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("there is no sha256sum")
	}
	root := t.TempDir()
	st, err := dir.New(root, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	complete(t, st, testJob(row.JSONL), 20)
	cmd := exec.CommandContext(t.Context(), tool, "-c", "--strict", digestsName)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMerge(t *testing.T) {
	for _, from := range formats {
		st := new(mem.Store)
		r := complete(t, st, testJob(from), 20)
		var want []row.Row
		for chunk := range r.c.Count() {
			want = append(want, rowsOf(r.m, r.c, chunk)...)
		}
		for _, to := range append(slices.Clone(formats), "") {
			var out bytes.Buffer
			if err := Merge(t.Context(), st, &out, MergeOptions{Format: to}); err != nil {
				t.Fatalf("Merge() of %s to %s = %v", from, to, err)
			}
			if to == "" {
				to = from
			}
			schema := row.Schema{Task: row.Classify, Format: to, Form: row.Newest}
			got, err := schema.Decode(out.Bytes(), 1<<20)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Merge() of %s to %s wrote %d rows, %v", from, to, len(got), err)
			}
			if once, err := schema.Encode(want); err != nil || to != row.Parquet && !bytes.Equal(out.Bytes(), once) {
				t.Errorf("Merge() of %s to %s did not write the bytes of one file", from, to)
			}
		}
		if err := Merge(t.Context(), st, io.Discard, MergeOptions{Format: "xml"}); err == nil {
			t.Error("Merge() to xml succeeded")
		}
	}
}

func TestMergeRefusesWhatIsIncompleteOrAltered(t *testing.T) {
	st := new(mem.Store)
	job, _, err := Join(t.Context(), st, testJob(row.JSONL))
	if err != nil {
		t.Fatal(err)
	}
	if err := Merge(t.Context(), st, io.Discard, MergeOptions{}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("Merge() without a manifest = %v, want ErrIncomplete", err)
	}
	r := begin(t, st, job, numbered(20))
	r.commit(t, 0)
	r.commit(t, 2)
	var out bytes.Buffer
	if err := Merge(t.Context(), st, &out, MergeOptions{}); !errors.Is(err, ErrIncomplete) || out.Len() != 0 {
		t.Errorf("Merge() with a part missing = %v after %d bytes, want ErrIncomplete after none", err, out.Len())
	}
	r.commit(t, 1)
	st.Put("part-00001.jsonl", []byte(objects(t, st)["part-00000.jsonl"]))
	if err := Merge(t.Context(), st, io.Discard, MergeOptions{}); !errors.Is(err, ErrMismatch) {
		t.Errorf("Merge() with a part altered = %v, want ErrMismatch", err)
	}
}

// TestFault28_PartGoneFromACompleteOutput removes a part of a complete job. The job is
// then not complete, and running it again does not create the part.
func TestFault28_PartGoneFromACompleteOutput(t *testing.T) {
	st := new(mem.Store)
	r := complete(t, st, testJob(row.JSONL), 20)
	s := r.finish(t)
	if err := s.CheckParts(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	st.Remove("part-00001.jsonl")
	for what, err := range map[string]error{
		"list":  s.CheckParts(t.Context(), st),
		"merge": Merge(t.Context(), st, io.Discard, MergeOptions{}),
	} {
		if !errors.Is(err, ErrMismatch) || !strings.Contains(fmt.Sprint(err), "part-00001.jsonl") || !strings.Contains(fmt.Sprint(err), "batchscore repair memory") {
			t.Errorf("%s = %v, want ErrMismatch that names the part and repair", what, err)
		}
	}
}

// TestFault28_MergeComparesPartsWithTheirDigests alters a label in a part, which only its
// digest shows.
func TestFault28_MergeComparesPartsWithTheirDigests(t *testing.T) {
	st := new(mem.Store)
	complete(t, st, testJob(row.JSONL), 20)
	if err := Merge(t.Context(), st, io.Discard, MergeOptions{}); err != nil {
		t.Fatal(err)
	}
	body := objects(t, st)["part-00001.jsonl"]
	altered := strings.Replace(body, `"label":"`, `"label":"X`, 1)
	if altered == body {
		t.Fatal("the part has no label")
	}
	st.Put("part-00001.jsonl", []byte(altered))
	if err := Merge(t.Context(), st, io.Discard, MergeOptions{}); !errors.Is(err, ErrMismatch) {
		t.Errorf("Merge() with a label altered = %v, want ErrMismatch", err)
	}
}

func TestReadSummariesInOrderOfRank(t *testing.T) {
	st := new(mem.Store)
	if all, err := ReadSummaries(t.Context(), st); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	for _, rank := range []int{2, 0, 1} {
		writeSummary(t, st, WorkerSummary{Worker: elsewhere(rank)})
	}
	all, err := ReadSummaries(t.Context(), st)
	if err != nil || len(all) != 3 || all[0].Worker.Rank != 0 || all[2].Worker.Rank != 2 {
		t.Errorf("%v, %v", all, err)
	}
	st.Put(workerFolder+"w9.json", []byte("{}"))
	if _, err := ReadSummaries(t.Context(), st); !errors.Is(err, ErrMismatch) {
		t.Errorf("ReadSummaries() of a damaged one = %v, want ErrMismatch", err)
	}
}

// opens is a store that fails the test after a number of reads.
type opens struct {
	store.Store
	t    *testing.T
	left int
}

func (o *opens) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	if o.left--; o.left < 0 {
		o.t.Fatal("Verify() does not end")
	}
	return o.Store.Open(ctx, name, etag)
}

// TestVerifyEndsWithoutRecords removes the records that Verify reads first from an output
// whose images were scored again.
func TestVerifyEndsWithoutRecords(t *testing.T) {
	for _, test := range []struct {
		name, object string
		body         []byte // nil deletes the object
		kind         Kind
	}{
		{name: "no manifest", object: manifestName, body: nil, kind: Missing},
		{name: "damaged manifest", object: manifestName, body: []byte("x"), kind: Damaged},
		{name: "damaged job record", object: jobName, body: []byte("x"), kind: Damaged},
	} {
		t.Run(test.name, func(t *testing.T) {
			st, r := retried(t, row.JSONL)
			r.finish(t)
			st.Remove(test.object)
			if test.body != nil {
				st.Put(test.object, test.body)
			}
			report, err := Verify(t.Context(), &opens{st, t, 100})
			if err != nil || len(report.Problems) != 1 || report.Problems[0].Kind != test.kind {
				t.Errorf("Verify() = %+v, %v, want one problem of kind %s", report.Problems, err, test.kind)
			}
			if _, err := openFolder(t.Context(), st); !errors.Is(err, ErrMismatch) {
				t.Errorf("openFolder() = %v, want ErrMismatch", err)
			}
		})
	}
}
