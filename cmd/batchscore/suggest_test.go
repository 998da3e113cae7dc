package main

import (
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		word       string
		candidates []string
		want       []string
	}{
		{word: "bnech", candidates: []string{"bench", "launch"}, want: []string{"bench"}},
		{word: "cup", candidates: []string{"auto", "cpu", "cuda"}, want: []string{"cpu"}},
		{word: "INCEPTION", candidates: []string{"inception_v3", "vgg16"}, want: []string{"inception_v3"}},
		{word: "lst", candidates: []string{"list", "last", "add"}, want: []string{"list", "last"}},
		{word: "photos", candidates: []string{"run", "launch"}},
		{word: "", candidates: []string{"run"}},
	} {
		t.Run(tt.word, func(t *testing.T) {
			if got := nearest(tt.word, tt.candidates); !slices.Equal(got, tt.want) {
				t.Errorf("nearest = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestErrorsBetween(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{a: "", b: "", want: 0},
		{a: "", b: "run", want: 3},
		{a: "run", b: "run", want: 0},
		{a: "images", b: "image", want: 1},
		{a: "imges", b: "images", want: 1},
		{a: "inages", b: "images", want: 1},
		{a: "bnech", b: "bench", want: 1},
		{a: "kitten", b: "sitting", want: 3},
		{a: "ca", b: "abc", want: 3}, // with no letter changed twice
		{a: "größe", b: "grösse", want: 2},
	} {
		for _, got := range []int{errorsBetween(tt.a, tt.b), errorsBetween(tt.b, tt.a)} {
			if got != tt.want {
				t.Errorf("%q and %q differ by %d errors, want %d", tt.a, tt.b, got, tt.want)
			}
		}
	}
}

// TestDidYouMean: errors about misspelt commands, flags, values and arguments
// suggest what was probably meant, on every level.
func TestDidYouMean(t *testing.T) {
	t.Parallel()
	job := "run --images photos --out out "
	for _, tt := range []struct{ line, want string }{
		{line: "bnech", want: `there is no command "bnech"; did you mean "bench"?`},
		{line: "models buid", want: `models has no command "buid"; did you mean "build"?`},
		{line: "jobs lsit", want: `jobs has no command "lsit"; did you mean "list"?`},
		{line: "predict", want: `did you mean "run"?`},
		{line: "status", want: `did you mean "batchscore jobs status"?`},
		{line: "run photos", want: `did you mean --images photos?`},
		{line: "run --images a out", want: `did you mean --out out?`},
		{line: "run --images a/1.jpg a/2.jpg", want: `name their folder instead, --images a`},
		{line: "launch photos", want: `did you mean --images photos?`},
		{line: "run --image photos", want: `unknown flag: --image; did you mean --images?`},
		{line: "run -images photos", want: `did you mean --images?`},
		{line: "run --output photos", want: `did you mean --out?`},
		{line: "run --limit 5", want: `did you mean --max?`},
		{line: "run --device cuda", want: `did you mean --provider?`},
		{line: "run --gpu 0", want: `did you mean --provider?`},
		{line: "run --classes c.txt", want: `did you mean --labels?`},
		{line: "run --resume", want: `the same command continues what is in --out`},
		{line: "run --recursive", want: `all images beneath a folder are taken`},
		{line: "run --batch-size 8", want: `did you mean --batch?`},
		{line: "run --workers 4", want: `did you mean --decoders?`},
		{line: "launch --workers 4", want: `did you mean --ranks-per-node?`},
		{line: "show --label cat", want: `did you mean --where?`},
		{line: "show --head 5", want: `did you mean --limit?`},
		{line: job + "--model m.onnx --provider gpu", want: `did you mean "cuda"?`},
		{line: job + "--model m.onnx --provider tensorrt", want: `it had never run`},
		{line: job + "--model m.onnx --provider TRT", want: `use cuda`},
		{line: "bench infer m.onnx --provider tensorrt", want: `it had never run`},
		{line: "models check m.onnx --provider tensorrt", want: `it had never run`},
		{line: "launch --to k8s", want: `did you mean "kubernetes"?`},
		{line: "run --nodes 4", want: `it is a flag of 'batchscore launch'`},
		{line: "launch --provider cpu", want: `launch has no flag --provider; it is a flag of 'batchscore run', whose flags come after --`},
		{line: "launch --imges photos", want: `did you mean --images?`},
		{line: "launch -- --imges photos", want: `after --: unknown flag: --imges; did you mean --images?`},
		{line: "run --top-k many", want: `invalid value "many" for --top-k: want a whole number`},
		{line: "run --overlap 25%", want: `invalid value "25%" for --overlap: want a number` + "\n"},
		{line: "run --deadline 7", want: `want a time with its unit, such as 30s`},
		{line: job + "--inference claasification", want: `want classification or cloth_recognition; did you mean "classification"?`},
		{line: job + "--model m.onnx --provider cup", want: `did you mean "cpu"?`},
		{line: job + "--model m.onnx --format cvs", want: `want jsonl, csv or parquet; did you mean "csv"?`},
		{line: job + "--model m.onnx --preset torchvsion", want: `did you mean "torchvision"?`},
		{line: job + "--model m.onnx --retry faild", want: `did you mean "failed"?`},
		{line: "launch --to kubernets", want: `did you mean "kubernetes"?`},
		{line: "launch --priority lwo", want: `did you mean "low"?`},
		{line: "models build vgg61", want: `convnext_tiny or vit_b_16; did you mean "vgg16"?`},
		{line: "models build vgg16 --variant kears", want: `did you mean "keras"?`},
		{line: "models add m m.onnx --task classfication", want: `did you mean "classification"?`},
		{line: "cluster show gpus --to azurml", want: `did you mean "azureml"?`},
		{line: "completion bsah", want: `did you mean "bash"?`},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			r := must(t, 64, strings.Fields(tt.line)...)
			if !strings.Contains(r.stderr, tt.want) {
				t.Errorf("got %v, want %q", r, tt.want)
			}
		})
	}
}

// TestDidYouMeanModel: a misspelt name of a registered model is met with the name.
func TestDidYouMeanModel(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	registered := "version: 1\nmodels:\n- {name: moderation, file: /m.onnx, digest: \"sha256:0\"}\n"
	writeFile(t, folder+"/registry.yaml", []byte(registered))
	r := must(t, 78, "run", "--images", "photos", "--out", "out", "--models", folder, "--model", "modration")
	says(t, r, `did you mean "moderation"?`)
}

// TestTaskIsInference: run, launch and models add take --task, and --inference for
// it, as older scripts say.
func TestTaskIsInference(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--task", "--inference"} {
		for _, line := range []string{
			"run --images photos --out out --models nowhere " + flag + " classification",
			"launch --dry-run --images photos --out out " + flag + " classification",
			"launch --dry-run -- --images photos --out out " + flag + " classification",
			"models add m m.onnx " + flag + " classification",
		} {
			t.Run(line, func(t *testing.T) {
				t.Parallel()
				r := batchscore(t, strings.Fields(line)...)
				if r.code == 64 {
					t.Errorf("got %v, want the flag to be known", r)
				}
				if strings.HasPrefix(line, "launch") && !strings.Contains(r.stdout, "classification") {
					t.Errorf("got %v, want a job with the task", r)
				}
			})
		}
	}
}
