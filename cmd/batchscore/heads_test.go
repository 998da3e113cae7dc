package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// answersIn returns the merged rows of an output, by path.
func answersIn(t *testing.T, out string) (text []byte, rows map[string]map[string]any) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rows.jsonl")
	must(t, 0, "merge", out, "-o", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string]map[string]any{}
	for line := range strings.Lines(string(text)) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		rows[r["path"].(string)] = r
	}
	return text, rows
}

// twoModels are two models of different classes that take the same pixels.
func twoModels(t *testing.T) (kind, age string) {
	t.Helper()
	dir := t.TempDir()
	kind, age = filepath.Join(dir, "kind.onnx"), filepath.Join(dir, "age-2.onnx")
	writeFile(t, kind, graphtest.Tiny(graphtest.Options{Seed: 1}))
	writeFile(t, age, graphtest.Tiny(graphtest.Options{Seed: 2, Classes: 4, Logits: true}))
	return kind, age
}

// Several models score an image in one pass, and their answers are those that each gives
// alone, with 1 rank or 3, in batches of any size, interrupted or not.
func TestSeveralModels(t *testing.T) {
	needRuntime(t)
	in, dir := pictures(t, 9), t.TempDir()
	writeFile(t, filepath.Join(in, "bad.jpg"), []byte("no picture"))
	kind, age := twoModels(t)
	run := func(out string, args ...string) []string {
		if !slices.Contains(args, "--provider") {
			args = append(args, "--provider", "cpu")
		}
		return append([]string{"run", "--images", in, "--out", filepath.Join(dir, out), "--max-errors", "100%"}, args...)
	}
	must(t, 0, run("both", "--model", kind, "--model", age)...)
	must(t, 0, run("kind", "--model", kind)...)
	must(t, 0, run("age", "--model", age)...)
	text, both := answersIn(t, filepath.Join(dir, "both"))
	for name, prefix := range map[string]string{"kind": "kind_", "age": "age_2_"} {
		_, alone := answersIn(t, filepath.Join(dir, name))
		for path, r := range alone {
			for column, want := range r {
				if slices.Contains([]string{"path", "path_base64", "size", "status", "error"}, column) {
					if got := both[path][column]; fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s: %s is %v, want %v", path, column, got, want)
					}
				} else if got := both[path][prefix+column]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: %s%s is %v, want %v", path, prefix, column, got, want)
				}
			}
		}
	}
	must(t, 75, run("pieces", "--model", kind+","+age, "--batch", "3", "--chunk", "3", "--budget-images", "3")...)
	must(t, 0, run("pieces", "--model", kind, "--model", age)...)
	if again, _ := answersIn(t, filepath.Join(dir, "pieces")); !bytes.Equal(again, text) {
		t.Errorf("in pieces:\n%s\nwant\n%s", again, text)
	}
	must(t, 0, "verify", filepath.Join(dir, "pieces"))
	says(t, must(t, 0, "show", filepath.Join(dir, "both"), "--where", "age_2_score>=0", "--sort", "kind_margin"), "KIND_LABEL", "AGE_2_SCORE")
	for name, prefix := range map[string]string{"kind": "kind", "age": "age_2"} {
		var texts []string
		for out, head := range map[string][]string{name: nil, "both": {"--head", prefix}} {
			file := filepath.Join(dir, out+"-"+name+".csv")
			must(t, 0, slices.Concat([]string{"export", filepath.Join(dir, out), "--to", "csv", "-o", file}, head)...)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
			must(t, 0, slices.Concat([]string{"report", filepath.Join(dir, out), "--no-pictures", "-o", file + ".html"}, head)...)
		}
		if texts[0] != texts[1] || texts[0] == "" {
			t.Errorf("--head %s exports\n%s\nand not the same as the model alone\n%s", prefix, texts[0], texts[1])
		}
	}
	says(t, must(t, 64, "export", filepath.Join(dir, "both"), "--to", "csv", "-o", filepath.Join(dir, "x.csv")), "say --head kind or --head age_2")
	says(t, must(t, 64, "report", filepath.Join(dir, "both"), "--json", "--head", "x"), `have no answer "x"; they have kind, age_2`)
	says(t, must(t, 64, "report", filepath.Join(dir, "kind"), "--json", "--head", "kind"), "leave out --head")
	says(t, must(t, 10, run("both", "--model", age, "--model", kind)...), "the job has kind.onnx+age-2.onnx", "this command has age-2.onnx+kind.onnx")
	says(t, must(t, 10, run("both", "--model", kind)...), "the job has kind.onnx+age-2.onnx")
	must(t, 0, run("next", "--model", kind, "--model", age, "--after", filepath.Join(dir, "both"))...)
	if kept, _ := answersIn(t, filepath.Join(dir, "next")); !bytes.Equal(kept, text) {
		t.Errorf("kept:\n%s\nwant\n%s", kept, text)
	}
	must(t, 0, run("pieces", "--model", kind, "--model", age, "--retry", "failed")...)
	must(t, 0, "verify", filepath.Join(dir, "pieces"))
	must(t, 0, run("simulated", "--model", kind, "--model", age, "--provider", "simulate:rate=1000")...)
	must(t, 0, "verify", filepath.Join(dir, "simulated"))
	_, rows := answersIn(t, filepath.Join(dir, "simulated"))
	for path, r := range rows {
		for _, column := range []string{"kind_label", "age_2_label"} {
			if text := fmt.Sprint(r[column]); strings.HasPrefix(text, "simulated:") != (path != "bad.jpg") {
				t.Errorf("%s: %s is %s", path, column, text)
			}
		}
	}
}

// An answer that is not made of one row of classes says which output it is, so that no other output
// continues the job, nor keeps its rows.
func TestOneOutputOfSeveral(t *testing.T) {
	needRuntime(t)
	in, dir := pictures(t, 6), t.TempDir()
	model := graphtest.WriteSeveral(t, 0, 1)
	run := func(out, output string, args ...string) []string {
		return slices.Concat([]string{"run", "--provider", "cpu", "--images", in, "--out", filepath.Join(dir, out), "--model", model,
			"--resize", "pillow-bilinear", "--fit", "stretch", "--bgr=false", "--output-name", output}, args)
	}
	area, best := graphtest.MapOutput+":embed", graphtest.BestOutput+":embed"
	must(t, 75, run("area", area, "--chunk", "2", "--batch", "2", "--budget-images", "2")...)
	says(t, must(t, 10, run("area", best)...), "outputs that the answer is made of: the job has "+graphtest.MapOutput+", this command has "+graphtest.BestOutput)
	must(t, 0, run("area", area)...)
	says(t, must(t, 10, run("area", best)...), "the job has "+graphtest.MapOutput)
	must(t, 0, run("alone", best)...)
	says(t, must(t, 0, run("after", best, "--after", filepath.Join(dir, "area"))...), "no row of", graphtest.MapOutput+" there, "+graphtest.BestOutput+" here")
	alone, _ := answersIn(t, filepath.Join(dir, "alone"))
	if after, _ := answersIn(t, filepath.Join(dir, "after")); !bytes.Equal(after, alone) {
		t.Errorf("after rows of another output:\n%s\nwant\n%s", after, alone)
	}
	says(t, must(t, 10, run("area", best, "--retry", "failed")...), "the job has "+graphtest.MapOutput)
}

// Models that cannot share a decoding, or a name, are refused before anything is written.
func TestSeveralModelsThatDoNotGoTogether(t *testing.T) {
	in, out := pictures(t, 2), filepath.Join(t.TempDir(), "out")
	kind, _ := twoModels(t)
	larger := tiny(t, graphtest.Options{Size: 48})
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{name: "other pixels", args: []string{"--model", kind, "--model", larger}, code: 78,
			says: "take other pixels, so one decoding cannot serve both: height 32 and 48"},
		{name: "the same name", args: []string{"--model", kind, "--model", kind}, code: 78, says: "two models are called kind"},
		{name: "labels of one", args: []string{"--model", kind, "--model", kind, "--labels", "x"}, code: 64, says: "--labels belongs to one model"},
		{name: "none such", args: []string{"--model", kind, "--model", "ages"}, code: 78, says: "ages"},
	} {
		t.Run(c.name, func(t *testing.T) {
			says(t, must(t, c.code, append([]string{"run", "--images", in, "--out", out}, c.args...)...), c.says)
		})
	}
	if exists(out) {
		t.Error("the output folder was made")
	}
}

// Outputs are made answers by flags, by the sidecar and by the registry.
func TestSeveralOutputsOfAModel(t *testing.T) {
	needRuntime(t)
	in, dir := pictures(t, 5), t.TempDir()
	model := graphtest.WriteSeveral(t, 0, 1)
	pixels := []string{"--resize", "pillow-bilinear", "--fit", "stretch", "--bgr=false"}
	run := func(out, model string, args ...string) {
		t.Helper()
		must(t, 0, slices.Concat([]string{"run", "--provider", "cpu", "--images", in, "--out", filepath.Join(dir, out), "--model", model}, args)...)
	}
	flags := slices.Concat(pixels, []string{"--output-name", "scores", "--output-name", "features:embed", "--output-name", "best:raw",
		"--activation", "probabilities"})
	run("flags", model, flags...)
	text, rows := answersIn(t, filepath.Join(dir, "flags"))
	for path, r := range rows {
		if r["scores_class_id"] != r["best_value"] || len(r["features_vector"].([]any)) != 32 {
			t.Errorf("%s: %v", path, r)
		}
	}
	registry := filepath.Join(dir, "models")
	must(t, 0, slices.Concat([]string{"models", "add", "many", model, "--models", registry}, flags)...)
	run("registered", "many", "--models", registry)
	writeFile(t, strings.TrimSuffix(model, ".onnx")+".yaml", []byte(`resize: pillow-bilinear
fit: stretch
bgr: false
heads:
  - {name: scores, output_name: scores, activation: probabilities}
  - {name: features, task: embed, output_name: features}
  - {name: best, task: raw, output_name: best}
`))
	run("sidecar", model)
	for _, out := range []string{"registered", "sidecar"} {
		if again, _ := answersIn(t, filepath.Join(dir, out)); !bytes.Equal(again, text) {
			t.Errorf("%s:\n%s\nwant\n%s", out, again, text)
		}
	}
	says(t, must(t, 0, "models", "inspect", model), "features")
	// Two models, one of which has several outputs.
	must(t, 0, "models", "add", "other", graphtest.WriteSeveral(t, 0, 2), "--models", registry, "--output-name", "half:embed",
		"--resize", "pillow-bilinear", "--fit", "stretch", "--bgr=false")
	run("mixed", "many", "--model", "other", "--models", registry)
	_, rows = answersIn(t, filepath.Join(dir, "mixed"))
	for path, r := range rows {
		if r["many_scores_class_id"] != r["many_best_value"] || len(r["other_vector"].([]any)) != 32 {
			t.Errorf("%s: %v", path, r)
		}
	}
}
