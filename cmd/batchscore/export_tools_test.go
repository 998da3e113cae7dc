package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestAnnotationTools gives exports to a Label Studio server, to Datumaro and to the SDK of
// CVAT, and takes the annotations that they export as truth. make review-annotation-check installs them.
func TestAnnotationTools(t *testing.T) {
	studio, cvat := os.Getenv("BATCHSCORE_REVIEW_STUDIO"), os.Getenv("BATCHSCORE_REVIEW_CVAT")
	if studio == "" || cvat == "" {
		return // make review-annotation-check runs it
	}
	folder := pictures(t, 60)
	out, place := filepath.Join(t.TempDir(), "out"), t.TempDir()
	must(t, 0, "run", "--images", folder, "--out", out, "--model", tiny(t, graphtest.Options{Classes: 5}))
	tool := func(python string, args ...string) {
		t.Helper()
		text, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput()
		t.Logf("%s", text)
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
	}
	const scripts = "../../scorer/review/export/testdata/tools/"
	must(t, 0, "export", out, "--to", "label-studio", "--per-file", "25", "-o", filepath.Join(place, "studio"))
	must(t, 0, "export", out, "--to", "cvat", "-o", filepath.Join(place, "cvat"))
	tool(studio, scripts+"labelstudio.py", filepath.Join(place, "studio"), filepath.Join(place, "from-studio"))
	tool(cvat, scripts+"cvat.py", filepath.Join(place, "cvat"), folder, filepath.Join(place, "from-cvat"))
	for from, files := range map[string][]string{
		"from-studio": {"labelstudio-json.json", "labelstudio-json_min.json", "labelstudio-csv.csv"},
		"from-cvat":   {"datumaro-cvat.xml"},
	} {
		var want map[string][]string
		body, err := os.ReadFile(filepath.Join(place, from, "expected.json"))
		if err == nil {
			err = json.Unmarshal(body, &want)
		}
		if err != nil || len(want) == 0 {
			t.Fatalf("%s expects %q, %v", from, want, err)
		}
		for _, name := range files {
			rows := tableOf(t, must(t, 0, "export", out, "--to", "csv", "-o", "-", "--truth", filepath.Join(place, from, name)).stdout)
			for _, r := range rows {
				label := strings.Join(want[r["path"]], "")
				if several := want[r["path"]]; len(several) > 1 {
					list, err := json.Marshal(several)
					if err != nil {
						t.Fatal(err)
					}
					label = string(list)
				}
				if r["truth"] != label {
					t.Errorf("%s: the truth of %s is %q, want %q", name, r["path"], r["truth"], label)
				}
			}
		}
	}
}
