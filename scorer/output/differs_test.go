package output

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// recordedJob is a job as a record has it.
func recordedJob() Job {
	return Job{Images: "az://acme/photos", Files: listing.Pictures, Max: 100, Model: "m.onnx", ModelDigest: "sha256:m",
		PreprocessDigest: "sha256:p", LabelsDigest: "sha256:l", LabelsFile: "labels.txt", Preprocess: &preprocess.Spec{Width: 8, Height: 8},
		Task: "classify", Activation: "softmax", OutputName: "probs", Outputs: []string{"map_a"},
		JPEGDecoder: "libjpeg-turbo", Precision: "", Int8: ExactInt8, Device: "cpu",
		Batch: 4, Chunk: 100, MaxPixels: 1000, MaxBytes: 2000, MaxMemory: 3000, Decoding: 2, TopK: 5, Format: row.JSONL, RowForm: row.Newest,
		ClaimForm: claimForm, PartForm: partForm, MaxErrors: "10%", ID: "a", Created: time.Unix(1, 0)}
}

// rowFields are the fields of a job that its rows depend on: how to change each, and what Differs
// then says.
var rowFields = map[string]struct {
	change func(*Job)
	says   string
}{
	"Images":           {change: func(j *Job) { j.Images = "az://acme/other" }, says: "--images"},
	"Files":            {change: func(j *Job) { j.Files = listing.AllFiles }, says: "--all-files"},
	"Max":              {change: func(j *Job) { j.Max = 50 }, says: "--max: 100 there, 50 here"},
	"ModelDigest":      {change: func(j *Job) { j.ModelDigest = "sha256:n" }, says: "--model"},
	"PreprocessDigest": {change: func(j *Job) { j.PreprocessDigest = "sha256:q" }, says: "preprocessing"},
	"LabelsDigest":     {change: func(j *Job) { j.LabelsDigest = "sha256:k" }, says: "--labels"},
	"Task":             {change: func(j *Job) { j.Task = "embed" }, says: "task of the model"},
	"Settings":         {change: func(j *Job) { j.Settings = &models.Settings{Normalize: true} }, says: "settings of the task"},
	"Heads": {change: func(j *Job) { j.Heads = []JobHead{{Name: "kind"}, {Name: "look", Task: "embed"}} },
		says: "answers of a row: one there, kind, look here"},
	"Activation": {change: func(j *Job) { j.Activation = "sigmoid" }, says: "--activation: softmax there, sigmoid here"},
	"OutputName": {change: func(j *Job) { j.OutputName = "logits" }, says: "--output-name: probs there, logits here"},
	"Outputs": {change: func(j *Job) { j.Outputs = []string{"map_b"} },
		says: "outputs that the answer is made of: map_a there, map_b here"},
	"JPEGDecoder":   {change: func(j *Job) { j.JPEGDecoder = "go" }, says: "JPEG decoder: libjpeg-turbo there, go here"},
	"Precision":     {change: func(j *Job) { j.Precision = TF32 }, says: "precision: the model's own there, tf32 here"},
	"Int8":          {change: func(j *Job) { j.Int8 = "" }, says: "sums of 8-bit products"},
	"MaxPixels":     {change: func(j *Job) { j.MaxPixels = 999 }, says: "--max-pixels: 1000 there, 999 here"},
	"MaxBytes":      {change: func(j *Job) { j.MaxBytes = 1999 }, says: "--max-bytes: 2000 there, 1999 here"},
	"MaxMemory":     {change: func(j *Job) { j.MaxMemory = 2999 }, says: "--max-image-memory: 3000 there, 2999 here"},
	"Decoding":      {change: func(j *Job) { j.Decoding = 3 }, says: "decoders of images, of another release: 2 there, 3 here"},
	"DependentRows": {change: func(j *Job) { j.DependentRows = true }, says: "--allow-dependent-rows"},
	"TopK":          {change: func(j *Job) { j.TopK = 3 }, says: "--top-k: 5 there, 3 here"},
	"Format":        {change: func(j *Job) { j.Format = row.CSV }, says: "--format: jsonl there, csv here"},
}

// otherFields are those that its rows do not depend on, with the reason.
var otherFields = map[string]string{
	"Version": "of the record", "ID": "differs always", "Created": "for people", "Checksum": "of the record", "Device": "for people",
	"Model": "a name; ModelDigest is compared", "LabelsFile": "a name; LabelsDigest is compared", "Preprocess": "PreprocessDigest is compared",
	"GPU": "a warning says so", "ONNXRuntime": "a warning says so",
	"Batch": "divides images only", "AutoBatch": "no part of the record", "Chunk": "divides images only", "Listed": "no part of the record",
	"AutoMaxPixels": "no part of the record", "AutoMaxBytes": "no part of the record", "AutoMaxMemory": "no part of the record",
	"AskedTopK": "no part of the record", "Width": "follows from the model", "Models": "ModelDigest is that of all",
	"RowForm": "a new job has the newest; see TestDiffersByTheFormOfRows", "ClaimForm": "about claims", "PartForm": "about names of parts",
	"MaxErrors": "about the exit code", "After": "about where rows are", "Retry": "of a retry's record, which nobody continues",
}

// TestEveryFieldIsComparedOrNot: rows are kept of a job only if nothing differs that rows depend
// on. A field that is added to Job has to be in one of the two lists.
func TestEveryFieldIsComparedOrNot(t *testing.T) {
	base := recordedJob()
	if got := Differs(base, base); got != "" {
		t.Fatalf("a job differs from itself: %s", got)
	}
	for i := range reflect.TypeFor[Job]().NumField() {
		name := reflect.TypeFor[Job]().Field(i).Name
		compared, isCompared := rowFields[name]
		reason, isOther := otherFields[name]
		switch {
		case isCompared == isOther:
			t.Errorf("%s is in both lists or in none: do rows depend on it?", name)
		case isCompared:
			other := recordedJob()
			compared.change(&other)
			if reflect.DeepEqual(reflect.ValueOf(base).Field(i).Interface(), reflect.ValueOf(other).Field(i).Interface()) {
				t.Errorf("%s was not changed", name)
			}
			if got := Differs(base, other); !strings.Contains(got, compared.says) || strings.Contains(got, ";") {
				t.Errorf("%s differs: %q, want %q only", name, got, compared.says)
			}
			if Differs(other, base) == "" {
				t.Errorf("%s differs the other way round, and nothing is said", name)
			}
		default:
			other := recordedJob()
			changeField(t, reflect.ValueOf(&other).Elem().Field(i))
			if got := Differs(base, other); got != "" && !slices.Contains([]string{"AskedTopK"}, name) {
				t.Errorf("%s differs, which should not matter (%s): %q", name, reason, got)
			}
		}
	}
	if n := reflect.TypeFor[Job]().NumField(); len(rowFields)+len(otherFields) != n {
		t.Errorf("%d fields are in the lists, and a job has %d", len(rowFields)+len(otherFields), n)
	}
}

// contractOthers are the fields of a contract that rows do not depend on by themselves.
var contractOthers = map[string]string{
	"Name": "for people", "Classes": "follows from the outputs and labels", "HeadName": "recorded in Heads, where there are some",
	"TransformInput": "says what the graph does", "Source": "for people", "SourceDigest": "for people",
}

// TestContractIsCompared: whatever a contract says of rows is in the record, for every task, so
// that another contract of the same model file never continues a job, nor keeps its rows.
func TestContractIsCompared(t *testing.T) {
	job := func(c models.Contract) Job { // as a command makes it
		t.Helper()
		task, err := row.ForContract(&c)
		if err != nil {
			t.Fatal(err)
		}
		j := recordedJob()
		j.PreprocessDigest, j.LabelsDigest, j.Preprocess = c.PreprocessDigest(), c.LabelsDigest(), &c.Preprocess
		j.Activation, j.OutputName, j.Precision = string(c.Output), c.OutputName, c.Precision
		j.SetAnswers(&c, task, 5)
		return j
	}
	vector := models.Contract{Task: models.Embed, Classes: 4, Output: models.Independent, Outputs: []models.Output{{Name: "map_a", Shape: []int{4}}}}
	boxes := models.Contract{Task: models.Detect, Classes: 1, Output: models.Independent, Labels: []string{"a"},
		Settings: models.Settings{Detector: models.YOLOv8, Threshold: 0.5, MaxBoxes: 9}, Outputs: []models.Output{{Name: "one", Shape: []int{5, 3}}}}
	differ := func(name string, from models.Contract, change func(*models.Contract)) {
		t.Helper()
		to := from
		change(&to)
		have, want := job(from), job(to)
		if Differs(have, want) == "" || Differs(want, have) == "" {
			t.Errorf("%s differs, and nothing is said", name)
		}
		if err := compare(new(mem.Store), have, want); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s differs, and the job continues: %v", name, err)
		}
	}
	changes := map[string]func(*models.Contract){
		"Task":       func(c *models.Contract) { c.Task, c.Settings.Columns = models.Raw, []string{"a", "b", "c", "d"} },
		"Preprocess": func(c *models.Contract) { c.Preprocess.RawPreview = true },
		"Output":     func(c *models.Contract) { c.Output = models.Sigmoid },
		"OutputName": func(c *models.Contract) { c.OutputName, c.Outputs = "row", nil },
		"Labels":     func(c *models.Contract) { c.Labels = []string{"b"} },
		"Settings":   func(c *models.Contract) { c.Settings.Normalize = true },
		"Outputs":    func(c *models.Contract) { c.Outputs = []models.Output{{Name: "map_b", Shape: []int{4}}} },
		"Heads":      func(c *models.Contract) { c.HeadName, c.Heads = "one", []models.Head{c.HeadOf("two")} },
		"Precision":  func(c *models.Contract) { c.Precision = "fp16" },
	}
	for i := range reflect.TypeFor[models.Contract]().NumField() {
		name := reflect.TypeFor[models.Contract]().Field(i).Name
		change, isCompared := changes[name]
		switch _, isOther := contractOthers[name]; {
		case isCompared == isOther:
			t.Errorf("%s of a contract is in both lists or in none: do rows depend on it?", name)
		case isCompared:
			differ(name, vector, change)
		}
	}
	for i := range reflect.TypeFor[models.Settings]().NumField() {
		differ("Settings."+reflect.TypeFor[models.Settings]().Field(i).Name, boxes, func(c *models.Contract) {
			switch v := reflect.ValueOf(&c.Settings).Elem().Field(i); v.Kind() {
			case reflect.Float32:
				v.SetFloat(v.Float() + 0.25)
			default:
				changeField(t, v)
			}
		})
	}
	differ("an output of a detector", boxes, func(c *models.Contract) { c.Outputs = []models.Output{{Name: "many", Shape: []int{5, 3}}} })
	classes := models.Contract{Classes: 2, Output: models.Logits, OutputName: "logits"}
	differ("an output of classes", classes, func(c *models.Contract) { c.OutputName = "aux" })
	if j := job(classes); j.Outputs != nil || j.Settings != nil || j.Width != 0 {
		t.Errorf("the record of a classifier has %v, %v and %d, which no such record has", j.Outputs, j.Settings, j.Width)
	}
}

// TestVectorsDiffer: vectors are compared if the same outputs, settings and pixels make them.
func TestVectorsDiffer(t *testing.T) {
	vector := func(change func(*Job)) Job {
		j := recordedJob()
		j.Task, j.Settings, j.OutputName, j.Outputs = models.Embed, &models.Settings{Normalize: true}, "", []string{"map_a"}
		if change != nil {
			change(&j)
		}
		return j
	}
	several := func(name string) func(*Job) {
		return func(j *Job) {
			j.Heads = []JobHead{{Name: "kind"}, {Name: name, Task: models.Embed, Settings: j.Settings, Activation: j.Activation, Outputs: j.Outputs}}
			j.Task, j.Settings, j.Outputs = "", nil, nil
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Job)
		says   string // empty if they can be compared
	}{
		{name: "the same"},
		{name: "other images", change: func(j *Job) { j.Images, j.Format, j.Chunk = "elsewhere", row.CSV, 7 }},
		{name: "another output", change: func(j *Job) { j.Outputs = []string{"map_b"} }, says: "map_a and map_b"},
		{name: "a row of classes", change: func(j *Job) { j.OutputName, j.Outputs = "scores", nil }, says: "map_a and scores"},
		{name: "other settings", change: func(j *Job) { j.Settings = &models.Settings{Element: models.ElementInt8} }, says: "settings"},
		{name: "other pixels", change: func(j *Job) { j.PreprocessDigest = "sha256:q" }, says: "preprocessing"},
		{name: "simulated", change: func(j *Job) { j.Precision = row.Simulated }, says: "--provider"},
		{name: "one of several", change: several("look")},
		{name: "another of several", change: func(j *Job) { j.Outputs = []string{"map_b"}; several("look")(j) }, says: "map_a and map_b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := VectorsDiffer(vector(nil), vector(c.change), "")
			back, same := VectorsDiffer(vector(c.change), vector(nil), ""), c.says == ""
			if (got == "") != same || (back == "") != same || !strings.Contains(got, c.says) {
				t.Errorf("%q and %q, want %q", got, back, c.says)
			}
		})
	}
}

// changeField gives a field another value.
func changeField(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		v.Set(reflect.ValueOf(time.Unix(2, 0)))
	default:
		t.Fatalf("a field of kind %s", v.Kind())
	}
}

// TestDiffersByTheFormOfRows: what an older release wrote is not kept, and limits that a command does
// not name are those of the job before.
func TestDiffersByTheFormOfRows(t *testing.T) {
	old, want := recordedJob(), recordedJob()
	old.RowForm = row.Typed
	if got := Differs(old, want); !strings.Contains(got, "form of the rows: 1 there, 2 here") {
		t.Errorf("an older form of rows: %q", got)
	}
	want.RowForm, want.MaxPixels, want.MaxBytes, want.MaxMemory = 0, 0, 0, 0 // as before Join
	if got := Differs(recordedJob(), want); got != "" {
		t.Errorf("limits that the command does not name: %q", got)
	}
	for _, simulated := range []bool{true, false} {
		have, want := recordedJob(), recordedJob()
		(map[bool]*Job{true: &have, false: &want})[simulated].Precision = row.Simulated
		if got := Differs(have, want); !strings.Contains(got, "--provider") {
			t.Errorf("one of the jobs is simulated: %q", got)
		}
	}
	name := recordedJob()
	name.OutputName = "caf\xe9"
	name.Images = "/photos/caf\xe9"
	there := name
	there.Images = recordedPlace(there.Images)
	have, err := recorded(there)
	if err != nil {
		t.Fatal(err)
	}
	if !SameImages(&have, &name) {
		t.Error("a place that is not UTF-8 is not itself, once it was recorded")
	}
	if got := Differs(have, name); got != "" {
		t.Errorf("a name that is not UTF-8 differs from itself, once it was recorded: %q", got)
	}
}
