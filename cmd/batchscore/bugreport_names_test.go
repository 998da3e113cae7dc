package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
)

// TestBugReportHasNoNames: after an ordinary run no name of an image is in a report, in
// whatever form a record, a log or the name of a file has it.
func TestBugReportHasNoNames(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	p := plant(t)
	p.env = append(p.env, "ONNXRUNTIME_LIB="+os.Getenv("ONNXRUNTIME_LIB"))
	in, out := filepath.Join(p.home, "in"), filepath.Join(p.home, "out")
	picture, err := os.ReadFile(filepath.Join(pictures(t, 1), "batch 0", "00000.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	private := []string{"Patient_Anna.jpg", "secret/Patient Bob Müller.jpeg", "Patient Carla & Co/scan number one", "Patient_Dora"}
	for _, name := range private {
		writeFile(t, filepath.Join(in, name), picture)
	}
	if r := p.run(t, nil, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{})); r.code != 0 {
		t.Fatal(r)
	}
	var log bytes.Buffer
	for _, name := range append(private, "of/another/job/Patient_Emil.TIFF") {
		quoted, _ := json.Marshal(map[string]string{"image": name, "message": "of " + name, "path": name})
		fmt.Fprintf(&log, "%s\nCertainty 0.16 on average; the least is 0.16, of %s\nmissing: part-00000.jsonl, %q\n%+q /data/%s: kept\n",
			quoted, name, name, name, name)
	}
	writeFile(t, filepath.Join(p.home, "logs", "Patient_Anna.jpg.log"), log.Bytes())
	writeFile(t, filepath.Join(p.home, "logs", "Patient_Anna.png.log"), log.Bytes())
	writeFile(t, filepath.Join(p.home, "logs", "Patient_Anna.jpg"), picture)
	writeFile(t, filepath.Join(p.home, "logs", "nul"), []byte("a text\x00"))
	where := filepath.Join(p.home, "report.tar.gz")
	r := p.run(t, nil, "doctor", "--bug-report="+where, "--out", out, "--logs", filepath.Join(p.home, "logs"))
	if r.code != 0 || !strings.Contains(r.stdout, "2 files that are not texts") {
		t.Fatal(r)
	}
	files := archived(t, where)
	for _, name := range []string{"output/_SUCCESS", "logs/logs/IMAGE.log", "logs/logs/IMAGE.log.2"} {
		if !strings.Contains(files[name], "IMAGE") {
			t.Errorf("%s is missing or has no image", name)
		}
	}
	if got := files["logs/logs/IMAGE.log"]; !strings.Contains(got, "the least is 0.16, of IMAGE\n") ||
		!strings.Contains(got, "missing: part-00000.jsonl, \"IMAGE\"\n") || !strings.Contains(got, ": kept") {
		t.Errorf("too much of a log was replaced:\n%s", got)
	}
	for name, text := range files {
		for _, part := range []string{"Anna", "Bob", "Carla", "scan number", "Dora", "Emil"} {
			if strings.Contains(name+text, part) {
				t.Errorf("%s has %q:\n%s", name, part, text)
			}
		}
	}
	if r := p.run(t, nil, "doctor", "--bug-report="+where, where); r.code != 64 {
		t.Errorf("two names: got %v, want exit code 64", r)
	}
	// The archive is written without what is not there.
	other := filepath.Join(p.home, "other.tar.gz")
	gone := filepath.Join(p.home, "gone")
	r = p.run(t, nil, "doctor", "--bug-report", other, "--out", gone+"-out", "--logs", gone+".log", "--job", gone+".yaml")
	for _, want := range []string{"--out " + gone + "-out", "--logs " + gone + ".log", "--job " + gone + ".yaml"} {
		if r.code != 78 || !strings.Contains(r.stdout, want+": ") || !strings.Contains(r.stderr, want) {
			t.Errorf("got %v, want exit code 78 and %q", r, want)
		}
	}
	if len(archived(t, other)) == 0 {
		t.Error("nothing was written")
	}
}

// TestImageNames: names of a list are found in texts as whole words, in each spelling.
func TestImageNames(t *testing.T) {
	t.Parallel()
	names := []string{"a/Anna Meier", "b/(Bob) 12", "c/Zoë&Co", "short", "d/0000001", "d/0000001 copy"}
	for text, want := range map[string]string{
		"of Anna Meier.":                  "of IMAGE.",
		"Anna Meiers":                     "Anna Meiers",
		"x (Bob) 12, b/(Bob) 12!":         "x IMAGE, IMAGE!",
		`{"m":"of c/Zo\u00eb&Co"}`:        `{"m":"of IMAGE"}`,
		`{"m":"of\nZoë\u0026Co\n"}`:       `{"m":"of\nIMAGE\n"}`,
		"/root/a/Anna%20Meier":            "/root/IMAGE",
		"short":                           "short",
		"0000001 copy, 0000001, 10000001": "IMAGE, IMAGE, 10000001",
	} {
		n := newImageNames()
		n.read(text)
		for _, name := range names {
			n.add(name)
		}
		if got := n.hide(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`{"a":"b","c":"x y.jpg","d":1}`:        `{"a":"b","c":"IMAGE","d":1}`,
		"images are .jpg or png, part-0.jsonl": "images are .jpg or png, part-0.jsonl",
		"open /a/b-1.JPEG: x.pngs":             "open IMAGE: x.pngs",
	} {
		if got := hideImageFiles(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	// Of a list is kept only what may be in the texts: here image 1 and image 9, in two spellings.
	n := newImageNames()
	n.read("image number 1 to 9 of a set")
	for i := range 20_000 {
		n.add(fmt.Sprintf("image %d", i))
	}
	if len(n.found) != 4 || n.listed != 20_000 {
		t.Errorf("%d names are kept of %d", len(n.found), n.listed)
	}
}

// TestRecordsNameImagesInKnownFields: a text field of a record is either of those that
// imageField matches, or known to hold no name of an image.
func TestRecordsNameImagesInKnownFields(t *testing.T) {
	t.Parallel()
	known := strings.Fields(recordTexts)
	var seen []string
	var walk func(reflect.Type)
	done := map[reflect.Type]bool{}
	walk = func(of reflect.Type) {
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			walk(of.Elem())
		case reflect.Struct:
			if done[of] {
				return
			}
			done[of] = true
			for i := range of.NumField() {
				f := of.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				elem := f.Type
				for elem.Kind() == reflect.Slice || elem.Kind() == reflect.Pointer || elem.Kind() == reflect.Map {
					elem = elem.Elem()
				}
				if elem.Kind() == reflect.String && name != "-" && name != "" {
					seen = append(seen, name)
					if !slices.Contains(known, name) && !imageField.MatchString(`"`+name+`": "x"`) {
						t.Errorf("%v: the field %q is not known: add it to imageField if it names an image, else to recordTexts", of, name)
					}
				}
				walk(f.Type)
			}
		}
	}
	for _, record := range []any{output.Success{}, output.Job{}, output.WorkerSummary{}, output.Progress{}} {
		walk(reflect.TypeOf(record))
	}
	if !slices.Contains(seen, "path") || len(seen) < 20 {
		t.Errorf("only the fields %q were found", seen)
	}
}

// recordTexts are fields of records that hold texts, and no name of an image.
const recordTexts = `activation after augment tile_rule boot_id checksum collection compute_capability cuda cuda_driver cudnn currency device devices driver
	digest dtype end failed_digest files fit outputs
	format gone_digest gpu_kinds gpus grey host id images
	images_place int8 job jpeg_decoder label labels labels_digest labels_file layout manifest max_errors model model_digest name nothing of onnxruntime output
	columns detector element units
	output_name parts pid_namespace place position precision preprocess preprocess_digest previous
	previous_job resize retry see stage statuses task uuid versions`

// TestScrubberOfForms: a form of a secret is found wherever it is, and ordinary texts stay.
func TestScrubberOfForms(t *testing.T) {
	t.Parallel()
	s := new(scrubber)
	const token = "abcdEFGH1234567890abcdEFGH1234567890"
	key := strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n", 4) + "q83vEjRW\n-----END PRIVATE KEY-----\n"
	for text, want := range map[string]string{
		"token ghp_" + token:                                     "token REDACTED",
		"hf_" + token + ", sk-proj-" + token:                     "REDACTED, REDACTED",
		`-H "Authorization: Bearer cmdTok1"`:                     `-H "Authorization: Bearer REDACTED"`,
		"x --password cmdPass88 --batch 8":                       "x --password REDACTED --batch 8",
		"x --db-password=cmdPass88 y":                            "x --db-password=REDACTED y",
		`["x","--token","cmdPass88","y"]`:                        `["x","--token","REDACTED","y"]`,
		"curl -s -u admin:pass http://h/":                        "curl -s -u admin:REDACTED http://h/",
		"a line\nof log\n" + key + "after":                       "a line\nof log\nREDACTED\nafter",
		"--secret names a secret; hf_transfer, sk-learn, task-1": "--secret names a secret; hf_transfer, sk-learn, task-1",
		"authorization failed: the token of x":                   "authorization failed: the token of x",
		"run --user 1000:1000x":                                  "run --user 1000:REDACTED",
	} {
		if got := s.text(text); got != want {
			t.Errorf("%q\nbecame %q\nwant   %q", text, got, want)
		}
		if plain := redact(text); !strings.Contains(text, "KEY") && !strings.Contains(text, "--user") && plain != want {
			t.Errorf("redact: %q\nbecame %q\nwant   %q", text, plain, want)
		}
	}
}
