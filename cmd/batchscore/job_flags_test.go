package main

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// decidedByModel are the fields of a Spec that no flag decides, with what errors call
// them.
var decidedByModel = map[string]string{"DType": "type of the input"}

// specValues are two valid values of each type that a Spec's field has.
var specValues = [][2]any{
	{224, 299}, {true, false}, {0.875, 0.5}, {float32(0.5), float32(0.25)}, {[]float32{0.5, 0.5, 0.25}, []float32{1, 2, 3}},
	{preprocess.HWC, preprocess.CHW}, {preprocess.Uint8, preprocess.Float32},
	{preprocess.PillowBilinear, preprocess.Area}, {preprocess.CenterCrop, preprocess.CentralFraction},
	{preprocess.Center, preprocess.TopLeft}, {[]int{1, 2, 3}, []int{255, 255, 255}}, {preprocess.GreyPillow, preprocess.GreyOpenCV},
	{[]float64{0, 10000}, []float64{-1, 2.5}}, {preprocess.Flip, preprocess.TenCrop}, {preprocess.TileMean, preprocess.TileTop},
}

// TestEachPixelOptionIsAFlag changes each field of a Spec. The error about a job with
// another value must name the flag of run that decides the field, and the flag must
// take the value that the error gives for it.
func TestEachPixelOptionIsAFlag(t *testing.T) {
	t.Parallel()
	run := flagsOfRun(t)
	for field := range reflect.TypeFor[preprocess.Spec]().Fields() {
		i := slices.IndexFunc(specValues, func(pair [2]any) bool { return reflect.TypeOf(pair[0]) == field.Type })
		if i < 0 {
			t.Errorf("%s: no values of the type %s to test with", field.Name, field.Type)
			continue
		}
		one, other, none := reflect.ValueOf(specValues[i][0]), reflect.ValueOf(specValues[i][1]), reflect.Zero(field.Type)
		pairs := [][2]reflect.Value{{one, other}, {other, one}}
		if strings.Contains(field.Tag.Get("json"), "omitempty") {
			pairs = append(pairs, [][2]reflect.Value{{none, one}, {one, none}}...)
		}
		for _, pair := range pairs {
			have, want := new(preprocess.Spec), new(preprocess.Spec)
			reflect.ValueOf(have).Elem().FieldByName(field.Name).Set(pair[0])
			reflect.ValueOf(want).Elem().FieldByName(field.Name).Set(pair[1])
			text := joinOther(t, have, want)
			flag, _, _ := strings.Cut(text[strings.LastIndex(text, "model: ")+len("model: "):], ": the job has ")
			if flag == decidedByModel[field.Name] {
				continue
			}
			if !strings.HasPrefix(flag, "--") || run.Lookup(strings.TrimPrefix(flag, "--")) == nil {
				t.Errorf("%s, %v and %v: run has no flag %q: %s", field.Name, pair[0], pair[1], flag, text)
				continue
			}
			takesAdvice(t, flag, text)
		}
	}
}

// joinOther returns the error of a command that wants other pixels than the job has.
func joinOther(t *testing.T, have, want *preprocess.Spec) string {
	t.Helper()
	job := func(s *preprocess.Spec) output.Job {
		return output.Job{Images: "/photos", ModelDigest: "sha256:m", Format: row.JSONL, Preprocess: s, PreprocessDigest: s.Digest(), Batch: 1, Chunk: 1}
	}
	st := new(mem.Store)
	if _, _, err := output.Join(t.Context(), st, job(have)); err != nil {
		t.Fatal(err)
	}
	_, _, err := output.Join(t.Context(), st, job(want))
	if err == nil {
		t.Fatalf("%+v joins a job with %+v", want, have)
	}
	return err.Error()
}

// takesAdvice checks what an error says about a flag: leave it out, or give it with a
// value that it takes.
func takesAdvice(t *testing.T, flag, text string) {
	t.Helper()
	_, advice, _ := strings.Cut(text, "; to continue the job, ")
	advice, _, _ = strings.Cut(advice, "; or ")
	if advice == "leave out "+flag {
		return
	}
	given, ok := strings.CutPrefix(advice, "give "+flag)
	if !ok {
		t.Errorf("the advice is %q, want to give or to leave out %s", advice, flag)
	}
	var f contractFlags
	cmd := &cobra.Command{Use: "run"}
	f.register(cmd)
	if cmd.Flags().Lookup(strings.TrimPrefix(flag, "--")) == nil { // a flag of run alone
		if err := flagsOfRun(t).Parse(strings.Fields(flag + given)); err != nil {
			t.Errorf("the advice %q: %v", advice, err)
		}
		return
	}
	err := cmd.ParseFlags(strings.Fields(flag + given))
	if err == nil {
		_, err = f.answers(cmd)
	}
	if err != nil {
		t.Errorf("the advice %q: %v", advice, err)
	}
}

// TestRecordsNameExistingFlags checks that each flag that scorer/output names exists:
// in the comparison of a job with a command as a flag of run.
func TestRecordsNameExistingFlags(t *testing.T) {
	t.Parallel()
	run, all := flagsOfRun(t), map[string]bool{}
	eachCommand(newRoot(nil), func(cmd *cobra.Command) {
		for _, name := range flagNames(cmd.Flags()) {
			all[name] = true
		}
	})
	named := regexp.MustCompile(`(?:^|[\s("'])--([a-z]+[0-9]*(?:-[a-z]+)*)`)
	found := 0
	for _, file := range writtenFiles(t) {
		if !strings.HasPrefix(file.path, "scorer/output/") || !strings.HasSuffix(file.path, ".go") || strings.HasSuffix(file.path, "_test.go") {
			continue
		}
		for _, p := range passages(t, file) {
			for _, m := range named.FindAllStringSubmatch(strings.Join(p.lines, "\n"), -1) {
				found++
				if !all[m[1]] || strings.HasSuffix(file.path, "/compare.go") && run.Lookup(m[1]) == nil {
					t.Errorf("%s:%d: --%s does not exist", file.path, p.first, m[1])
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("%d flags found, want more than 15: the check finds nothing", found)
	}
}

// flagsOfRun returns the flags of run.
func flagsOfRun(t *testing.T) *pflag.FlagSet {
	t.Helper()
	cmd, _, err := newRoot(nil).Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Flags()
}
