package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// everyTask are jobs with every kind of answer, the last two with several answers.
func everyTask(t *testing.T) []taskJob {
	t.Helper()
	dir := t.TempDir()
	colours, boxes := filepath.Join(dir, "colours.onnx"), filepath.Join(dir, "boxes.onnx")
	writeFile(t, colours, graphtest.Colours(3, nil))
	writeFile(t, boxes, graphtest.Colours(3, boxOf))
	kind, age := twoModels(t)
	one := func(model string, more ...string) []string {
		return slices.Concat([]string{"--model", model}, graphtest.Pixels, more)
	}
	return []taskJob{
		{name: "classify", flags: one(colours, "--activation", "logits"), report: true, label: "label"},
		{name: "multi_label", flags: one(colours, "--answer", "multi_label", "--activation", "sigmoid", "--threshold", "0.4"), label: "best"},
		{name: "embed", flags: one(colours, "--answer", "embed"), vectors: true, label: "precision"},
		{name: "raw", flags: one(colours, "--answer", "raw"), vectors: true, label: "precision"},
		{name: "detect", flags: one(boxes, "--answer", "detect", "--detector", "yolov8", "--activation", "sigmoid"), label: ""},
		{name: "outputs", flags: []string{"--model", graphtest.WriteSeveral(t, 0, 1), "--resize", "pillow-bilinear", "--fit", "stretch", "--bgr=false",
			"--output-name", "scores", "--output-name", "features:embed", "--output-name", "best:raw", "--activation", "probabilities"},
			heads: []string{"scores", "features", "best"}, report: true, label: "scores_label"},
		{name: "models", flags: []string{"--model", kind, "--model", age}, heads: []string{"kind", "age_2"}, report: true, label: "age_2_label"},
	}
}

// taskJob is a job of one task, and what commands make of its rows.
type taskJob struct {
	name    string
	flags   []string
	heads   []string // of rows with several answers; the first classifies
	report  bool     // there is a report of it, of its first head
	vectors bool
	label   string // the column that carries the mark of a simulated job; none if that is in a list
}

// answersOnly returns rows by path without what of them depends on the image's file.
func answersOnly(t *testing.T, out string) map[string]string {
	_, rows := answersIn(t, out)
	all := map[string]string{}
	for path, r := range rows {
		delete(r, "size")
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(body)
	}
	return all
}

// TestEveryCommandOnEveryTask: a job is interrupted, continued, retried, continued by another, damaged
// and repaired, and read by the commands that read results, whatever its rows hold.
func TestEveryCommandOnEveryTask(t *testing.T) {
	needRuntime(t)
	for _, c := range everyTask(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			images, dir := pictures(t, 7), t.TempDir()
			broken := filepath.Join(images, "batch 1", "broken.jpg")
			writeFile(t, broken, []byte("no picture"))
			out := func(name string) string { return filepath.Join(dir, name) }
			run := func(code int, name string, args ...string) processResult {
				t.Helper()
				all := slices.Concat([]string{"run", "--images", images, "--out", out(name), "--chunk", "3", "--batch", "2", "--max-errors", "100%"},
					c.flags, args)
				if !slices.Contains(args, "--provider") {
					all = append(all, "--provider", "cpu")
				}
				return mustPlain(t, code, all...)
			}
			merge := func(name, ending string, args ...string) string {
				t.Helper()
				file := out(name + strings.Join(args, "") + "." + ending)
				mustPlain(t, 0, slices.Concat([]string{"merge", out(name), "-o", file, "--force"}, args)...)
				return readFile(t, file)
			}
			run(0, "whole")
			whole := merge("whole", "jsonl")

			run(75, "pieces", "--budget-images", "3")
			says(t, mustPlain(t, 0, "jobs", "status", out("pieces")), "1 of 3 chunks")
			says(t, mustPlain(t, 10, "verify", out("pieces")), "2 missing")
			run(0, "pieces")
			says(t, mustPlain(t, 0, "verify", out("pieces")), "OK: rows equal manifest")
			if merge("pieces", "jsonl") != whole {
				t.Error("interrupted, it has other rows")
			}
			for _, format := range []string{"csv", "parquet"} {
				run(0, "as-"+format, "--format", format)
				mustPlain(t, 0, "verify", out("as-"+format))
				if merge("as-"+format, "jsonl") != whole || merge("whole", format) != merge("as-"+format, format) {
					t.Errorf("in %s it has other rows", format)
				}
			}
			if err := os.Remove(filepath.Join(out("pieces"), "part-00001.jsonl")); err != nil {
				t.Fatal(err)
			}
			mustPlain(t, 10, "verify", out("pieces"))
			mustPlain(t, 0, "repair", out("pieces"))
			run(0, "pieces")
			if merge("pieces", "jsonl") != whole {
				t.Error("repaired, it has other rows")
			}
			run(0, "next", "--after", out("whole"))
			if merge("next", "jsonl") != whole {
				t.Error("kept by another job, the rows are others")
			}
			c.read(t, out("whole"), dir)
			c.serve(t, out("whole"))
			run(0, "simulated", "--provider", "simulate:rate=inf")
			mustPlain(t, 0, "verify", out("simulated"))
			_, rows := answersIn(t, out("simulated"))
			for path, r := range rows {
				if c.label != "" && r["status"] == "ok" && !strings.HasPrefix(fmt.Sprint(r[c.label]), "simulated") {
					t.Errorf("simulated, %s of %s is %v", c.label, path, r[c.label])
				}
			}

			// The image that failed is scored again once it is one.
			writeFile(t, broken, picture(t, 50))
			run(0, "pieces", "--retry", "failed")
			mustPlain(t, 0, "verify", out("pieces"))
			run(0, "fresh")
			if have, want := answersOnly(t, out("pieces")), answersOnly(t, out("fresh")); !maps.Equal(have, want) {
				t.Errorf("scored again, the rows are\n%v\nwant\n%v", have, want)
			}
			if strings.Contains(merge("pieces", "jsonl"), "not_image") {
				t.Error("the image that failed was not scored again")
			}
		})
	}
}

// read reads a result with a broken image, in batch 1, by the commands for people and tools.
func (c *taskJob) read(t *testing.T, out, dir string) {
	says(t, mustPlain(t, 0, "show", out, "--where", "status!=ok"), "broken.jpg", "not_image")
	if r := mustPlain(t, 0, "show", out, "--status", "ok", "--limit", "2"); strings.Contains(r.stdout, "broken.jpg") || strings.Count(r.stdout, " ok ") != 2 {
		t.Errorf("show: %v", r)
	}
	says(t, mustPlain(t, 0, "jobs", "status", out), "complete: 8 of 8 images")
	head, refused := []string{}, 78
	if c.heads != nil {
		says(t, mustPlain(t, 64, "export", out, "--to", "csv", "-o", filepath.Join(dir, "no.csv")), "say --head "+c.heads[0])
		says(t, mustPlain(t, 64, "merge", out, "-o", filepath.Join(dir, "no.npy")), "say --head "+c.heads[0])
		says(t, mustPlain(t, 64, "merge", out, "-o", filepath.Join(dir, "no.csv"), "--head", "no"), `have no answer "no"`)
		head = []string{"--head", c.heads[0]}
	} else {
		says(t, mustPlain(t, 64, "merge", out, "-o", filepath.Join(dir, "no.csv"), "--head", "no"), "leave out --head")
	}
	if c.report {
		refused = 0
	}
	says(t, mustPlain(t, refused, slices.Concat([]string{"report", out, "-o", filepath.Join(dir, "report.html")}, head)...), "")
	boxes := refused
	if c.name == "detect" {
		boxes = 0
	}
	for to, code := range map[string]int{"csv": refused, "hf": refused, "coco": boxes, "cvat": boxes, "label-studio": boxes, "yolo": boxes} {
		mustPlain(t, code, slices.Concat([]string{"export", out, "--to", to, "-o", filepath.Join(dir, "export-"+to)}, head)...)
	}
	matrix := []string{"merge", out, "-o", filepath.Join(dir, "all.npy")}
	switch {
	case c.vectors:
		mustPlain(t, 0, matrix...)
		if c.name == "embed" {
			says(t, mustPlain(t, 0, "similar", out, "--pairs"), "batch ")
		} else {
			says(t, mustPlain(t, 78, "similar", out, "--pairs"), "has no vectors")
		}
	case slices.Contains(c.heads, "features"):
		says(t, mustPlain(t, 64, append(matrix, "--head", "scores")...), "no vectors")
		mustPlain(t, 0, append(matrix, "--head", "features")...)
		if body := readFile(t, filepath.Join(dir, "all.npy")); len(body) != 128+8*32*4 || !strings.Contains(body, "'shape': (8, 32)") {
			t.Errorf("the matrix of a head has %d bytes: %.128q", len(body), body)
		}
		if ids := readFile(t, filepath.Join(dir, "all.ids.jsonl")); strings.Count(ids, "\n") != 8 || strings.Contains(ids, "scores") {
			t.Errorf("the rows next to the matrix of a head are %s", ids)
		}
	case c.heads == nil:
		says(t, mustPlain(t, 64, matrix...), "no vectors")
		mustPlain(t, 78, "similar", out, "--pairs")
	}
}

// serve asks the live page for the rows.
func (c *taskJob) serve(t *testing.T, out string) {
	cmd := process(t, nil, plainProgram(t), "view", out)
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client, base := &http.Client{Jar: jar, Timeout: time.Minute}, ""
	get := func(target string) string {
		t.Helper()
		r, err := client.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		base = r.Request.URL.String()
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, %v: %s", target, r.StatusCode, err, body)
		}
		return string(body)
	}
	get(strings.TrimSpace(address))
	page := base
	eventually(t, "the rows", func() bool { return strings.Contains(get(page+"progress"), `"rows":8`) })
	if body := get(page + "rows"); !strings.Contains(body, "broken.jpg") {
		t.Errorf("the live page has no row of the broken image: %s", body)
	}
	get(page + "row?row=1")
}

// TestHeadAlone: the rows of one of several answers are those of a job with it alone, byte for byte.
func TestHeadAlone(t *testing.T) {
	needRuntime(t)
	images, dir := pictures(t, 5), t.TempDir()
	writeFile(t, filepath.Join(images, "broken.jpg"), []byte("no picture"))
	kind, age := twoModels(t)
	run := func(name string, args ...string) {
		all := []string{"run", "--provider", "cpu", "--images", images, "--out", filepath.Join(dir, name), "--max-errors", "100%"}
		mustPlain(t, 0, append(all, args...)...)
	}
	run("both", "--model", kind, "--model", age)
	run("kind", "--model", kind)
	run("age_2", "--model", age)
	for _, head := range []string{"kind", "age_2"} {
		for _, format := range []string{"csv", "jsonl", "parquet"} {
			one, other := filepath.Join(dir, head+"."+format), filepath.Join(dir, "both-"+head+"."+format)
			mustPlain(t, 0, "merge", filepath.Join(dir, head), "-o", one)
			mustPlain(t, 0, "merge", filepath.Join(dir, "both"), "-o", other, "--head", head)
			if readFile(t, one) != readFile(t, other) {
				t.Errorf("%s: merge --head %s differs from a job with that model alone", format, head)
			}
		}
	}
}
