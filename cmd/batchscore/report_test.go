package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/review"
)

// TestReport writes pages of a small output, and judges it.
func TestReport(t *testing.T) {
	t.Parallel()
	images, out := scoredOnce(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "report.html")
	read := func() []byte {
		t.Helper()
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}

	r := must(t, 0, "report", out, "-o", file)
	says(t, r, file+" shows what ")
	first := read()
	if n := bytes.Count(first, []byte("data:image/jpeg;base64,")); n == 0 {
		t.Error("the page has no picture")
	}
	must(t, 0, "report", out, "-o", file) // it holds that already
	if !bytes.Equal(first, read()) {
		t.Error("the same output gives another page")
	}
	says(t, must(t, 78, "report", out, "-o", file, "--no-pictures"), "exists already and holds something else", "--force")
	says(t, must(t, 0, "report", out, "-o", file, "--no-pictures", "--force"), "it has no pictures: they were not asked for")
	if bytes.Contains(read(), []byte("data:image/jpeg")) {
		t.Error("the page has pictures that were not asked for")
	}
	says(t, must(t, 0, "report", out, "-o", file, "--max-megabytes", "0.001", "--force"), "its text alone", "is more than --max-megabytes")
	says(t, must(t, 0, "report", out, "-o", file, "--max-megabytes", fmt.Sprint(float64(len(first)-1)/1e6), "--force"),
		"left out to keep it below --max-megabytes")
	if n := len(read()); n >= len(first) {
		t.Errorf("a page that may have %d bytes has %d", len(first)-1, n)
	}

	// The images are somewhere else, or nowhere.
	moved := filepath.Join(folder, "moved")
	if err := os.Rename(images, moved); err != nil {
		t.Fatal(err)
	}
	says(t, must(t, 0, "report", out, "-o", file, "--force"), "it has no pictures: ")
	must(t, 0, "report", out, "-o", file, "--force", "--images", moved)
	if !bytes.Contains(read(), []byte("data:image/jpeg;base64,")) {
		t.Error("the page has no picture of the images that were moved")
	}

	var found review.Findings
	if err := json.Unmarshal([]byte(must(t, 0, "report", out, "--json", "--against", out, "--truth", "folder-names").stdout), &found); err != nil {
		t.Fatal(err)
	}
	if found.Images == 0 || found.Figures["images"] != float64(found.Images) || found.Against.Both != found.Images || found.Truth == nil || found.Verified == nil {
		t.Errorf("the figures are %+v", found)
	}
}

// TestReportFailsOn checks the exit codes of --fail-on, and the figures for Prometheus.
func TestReportFailsOn(t *testing.T) {
	t.Parallel()
	out := animals(t, crafted{})
	says(t, must(t, 0, "report", out, "--fail-on", "failed>1,images<40"), "is good enough: failed is 1, images is 40")
	r := must(t, 7, "report", out, "--fail-on", "failed>1%, share[dog]>0.9 ,images>=40", "--json")
	says(t, processResult{stdout: r.stderr}, "failed is 1, which is 2.5% of images, above 1%; images is 40, not below 40")
	if !json.Valid([]byte(r.stdout)) {
		t.Error("with a condition that holds, the figures are no JSON")
	}
	must(t, 0, "report", out, "--against", out, "--fail-on", "drift>0,flips>0,js>0")
	for conditions, want := range map[string]string{
		"accurac<1":        "accuracy",
		"accuracy<0.9":     "accuracy needs --truth",
		"drift>0.1":        "drift needs --against",
		"share[zebra]<0.1": "no share for that label",
		"failed":           "failed",
		"failed>":          "failed",
		"mean_score<200%":  "mean_score",
	} {
		says(t, must(t, 64, "report", out, "--fail-on", conditions), "--fail-on: ", want)
	}

	file := filepath.Join(t.TempDir(), "report.prom")
	must(t, 7, "report", out, "--fail-on", "failed>0", "--metrics-file", file)
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(body), "\n") {
		if strings.HasPrefix(line, "batchscore_report_failed_images{") || strings.HasPrefix(line, "batchscore_report_failed{") {
			if !strings.HasSuffix(line, " 1") {
				t.Errorf("%q, want 1", line)
			}
			return
		}
	}
	t.Errorf("there is no metric of failed images:\n%s", body)
}

// TestReportSaysAccuracy: a report with a truth says how names and labels matched, and how often
// labels are right.
func TestReportSaysAccuracy(t *testing.T) {
	t.Parallel()
	out := animals(t, crafted{})
	folder := t.TempDir()
	page := filepath.Join(folder, "report.html")
	write := func(labels ...string) string {
		text := "path,label\n"
		for i, label := range labels {
			text += fmt.Sprintf("album %d/%03d.jpg,%s\n", i%3, i, label)
		}
		text += "not/there.jpg,cat\n"
		file := filepath.Join(folder, "truth.csv")
		writeFile(t, file, []byte(text))
		return file
	}
	r := must(t, 0, "report", out, "-o", page, "--no-pictures", "--truth", write("cat", "cat", "dog", "cat", "cat"))
	says(t, processResult{stdout: r.stdout}, "5 of 6 names matched; 5 images judged: the accuracy is 100.0%, between 56.6% and 100.0%")
	if r.stderr != "" {
		t.Errorf("a warning: %q", r.stderr)
	}
	r = must(t, 0, "report", out, "-o", page, "--no-pictures", "--force", "--truth", write("Cats", "cat", "dgo", "cat", "cat"))
	says(t, processResult{stdout: r.stdout}, "the accuracy is 60.0%")
	says(t, processResult{stdout: r.stderr}, `only 1 of its 3 labels`, `no answer is "Cats"; did you mean "cat"?`, `no answer is "dgo"; did you mean "dog"?`)
	body, err := os.ReadFile(page)
	if err != nil || !bytes.Contains(body, []byte("count as wrong. Is &#34;dog&#34; meant?")) {
		t.Errorf("the page does not say so: %v", err)
	}
	r = must(t, 0, "report", out, "--json", "--truth", write("zebra"))
	says(t, processResult{stdout: r.stderr}, `none of its labels is one that answers have: "zebra"`)
	if !json.Valid([]byte(r.stdout)) {
		t.Error("the figures are no JSON")
	}
}

// TestReportFailsOnLostRows: rows that are damaged or missing never pass.
func TestReportFailsOnLostRows(t *testing.T) {
	t.Parallel()
	last := func(out string) string {
		t.Helper()
		parts, err := filepath.Glob(filepath.Join(out, "part-*"))
		if err != nil || len(parts) < 2 {
			t.Fatal(parts, err)
		}
		return parts[len(parts)-1]
	}
	prom := filepath.Join(t.TempDir(), "report.prom")
	broken := func(want string) {
		t.Helper()
		if body, err := os.ReadFile(prom); err != nil || !strings.Contains(string(body), "batchscore_report_broken{") ||
			!strings.Contains(string(body), "} "+want+"\n") {
			t.Errorf("the metrics are %v:\n%s", err, body)
		}
	}
	remove := func(file string) {
		t.Helper()
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}

	// The job says that it is complete, and has lost a part.
	out := animals(t, crafted{})
	says(t, must(t, 0, "report", out, "--fail-on", "failed>50%", "--no-verify"), "is good enough", "not proven, because of --no-verify")
	remove(last(out))
	for _, flags := range [][]string{nil, {"--json"}, {"--no-verify"}} {
		for _, conditions := range []string{"failed>50%", "failed>50%,missing>100", "failed>0"} {
			r := must(t, 10, append([]string{"report", out, "--fail-on", conditions, "--metrics-file", prom}, flags...)...)
			says(t, processResult{stdout: r.stderr}, "--fail-on: ", "does not match")
			broken("1")
		}
	}
	must(t, 0, "report", out, "--json") // without conditions nothing is judged

	// The job is not complete.
	out = animals(t, crafted{unfinished: true})
	for _, flags := range [][]string{nil, {"--json"}, {"--no-verify"}} {
		r := must(t, 75, append([]string{"report", out, "--fail-on", "failed>50%", "--metrics-file", prom}, flags...)...)
		says(t, processResult{stdout: r.stderr}, "4 of 40 images have no row", "missing>100")
		broken("1")
		must(t, 0, append([]string{"report", out, "--fail-on", "failed>50%,missing>4", "--metrics-file", prom}, flags...)...)
		broken("0")
		must(t, 7, append([]string{"report", out, "--fail-on", "missing>3", "--metrics-file", prom}, flags...)...)
	}
	says(t, processResult{stdout: must(t, 75, "report", out, "--fail-on", "failed>0").stderr}, "besides: failed is 1")

	// It has all rows, and has not said so.
	out = animals(t, crafted{})
	remove(filepath.Join(out, "_SUCCESS"))
	says(t, processResult{stdout: must(t, 75, "report", out, "--fail-on", "failed>50%").stderr}, "there is no _SUCCESS")
	must(t, 0, "report", out, "--fail-on", "failed>50%,missing>0")
}

// TestReportRefuses: what makes no sense is wrong usage, before any row is read.
func TestReportRefuses(t *testing.T) {
	t.Parallel()
	out := animals(t, crafted{})
	for _, test := range []struct {
		flags []string
		want  string
	}{
		{want: "-o is missing"},
		{flags: []string{"-o", "-", "--json"}, want: "standard output"},
		{flags: []string{"-o", "report.pdf"}, want: "end the name in .html"},
		{flags: []string{"--json", "--per-gallery", "0"}, want: "per-gallery"},
		{flags: []string{"--json", "--max-megabytes", "0"}, want: "max-megabytes"},
		{flags: []string{"--json", "--threshold", "NaN"}, want: "threshold"},
		{flags: []string{"--json", "--max-megabytes", "Inf"}, want: "max-megabytes"},
		{flags: []string{"--json", "--truth="}, want: "--truth is empty"},
		{flags: []string{"--fail-on", ""}, want: "--fail-on is empty"},
		{flags: []string{"--json", "--truth-columns", "a,b"}, want: "--truth-columns needs --truth"},
		{flags: []string{"-o", filepath.Join(out, "_batchscore", "x.html")}, want: "belongs to the output folder"},
		{flags: []string{"--metrics-file", "x.txt"}, want: ".prom"},
		{flags: []string{"--json", "--images", "x"}, want: "--images does nothing here"},
		{flags: []string{"--json", "--follow-links"}, want: "--follow-links does nothing here"},
		{flags: []string{"--json", "--max-megabytes", "3"}, want: "--max-megabytes does nothing here"},
		{flags: []string{"--json", "--force"}, want: "--force does nothing here"},
		{flags: []string{"--fail-on", "failed>1", "--per-gallery", "3"}, want: "--per-gallery does nothing here"},
		{flags: []string{"--fail-on", "failed>1", "--threshold", "0.3"}, want: "--threshold does nothing here"},
		{flags: []string{"-o", "-", "--force"}, want: "--force does nothing here"},
		{flags: []string{"-o", "x.html", "--no-pictures", "--images", "x"}, want: "--images does nothing here"},
	} {
		says(t, must(t, 64, append([]string{"report", out}, test.flags...)...), test.want)
	}
	must(t, 78, "report", t.TempDir(), "--json")
	must(t, 78, "report", out, "--json", "--against", t.TempDir())
}

// TestReportVectors: near duplicates and outliers have galleries.
func TestReportVectors(t *testing.T) {
	t.Parallel()
	out := animals(t, crafted{})
	file := filepath.Join(t.TempDir(), "vectors.npy")
	write := func(rows int) {
		header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 8), }", rows)
		header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
		body := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
		body = append(body, header...)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range rows {
			for k := range 8 {
				v := random.Float32()
				if i%10 < 2 {
					v = float32(k + i/10) // two of ten are nearly the same
				}
				body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
			}
		}
		writeFile(t, file, body)
	}
	write(40)
	var found review.Findings
	if err := json.Unmarshal([]byte(must(t, 0, "report", out, "--json", "--embeddings", file).stdout), &found); err != nil {
		t.Fatal(err)
	}
	if v := found.Vectors; v == nil || v.Pairs < 4 || v.Dimensions != 8 {
		t.Fatalf("the vectors are %+v", v)
	}
	var ids []string
	for _, g := range found.Galleries {
		ids = append(ids, g.ID)
		first := found.Vectors.Duplicates[0]
		if g.ID == "duplicates" && (g.Pictures[0].Path != first.A || g.Pictures[1].Path != first.B) {
			t.Errorf("the first duplicates are %q and %q, want %+v", g.Pictures[0].Path, g.Pictures[1].Path, first)
		}
	}
	if !slices.Contains(ids, "duplicates") || !slices.Contains(ids, "outliers") {
		t.Errorf("the galleries are %q", ids)
	}
	write(39)
	says(t, must(t, 78, "report", out, "--json", "--embeddings", file), "39 vectors")
}
