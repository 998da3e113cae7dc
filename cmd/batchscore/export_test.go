package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/review/export"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// tableOf returns the rows of an export as CSV, by the names of the columns.
func tableOf(t *testing.T, text string) []map[string]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) == 0 {
		t.Fatalf("%q: %v", text, err)
	}
	var rows []map[string]string
	for _, record := range records[1:] {
		r := map[string]string{}
		for i, column := range records[0] {
			r[column] = record[i]
		}
		rows = append(rows, r)
	}
	return rows
}

// TestExport exports images of a result in every form, twice with the same bytes, from a
// folder and from Azurite, and reads the truth back that it wrote.
func TestExport(t *testing.T) {
	t.Parallel()
	folder := pictures(t, 24)
	writeFile(t, filepath.Join(folder, "batch 0", "empty.jpg"), nil)
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", folder, "--out", out, "--model", tiny(t, graphtest.Options{Classes: 3}), "--chunk", "5")
	rows := tableOf(t, must(t, 0, "export", out, "--to", "csv", "-o", "-").stdout)
	if len(rows) != 25 || rows[0]["address"] != folder+"/"+rows[0]["path"] {
		t.Fatalf("the table has %d rows, the first %q", len(rows), rows[0])
	}
	labels := map[string]int{}
	for _, r := range rows {
		if labels[r["label"]]++; r["status"] != "ok" && (r["label"] != "" || r["error"] == "") {
			t.Errorf("the row of an image that failed is %q", r)
		}
	}

	t.Run("forms", func(t *testing.T) {
		for _, f := range export.Formats {
			place := t.TempDir()
			for _, name := range []string{"one", "two"} {
				r := must(t, 0, "export", out, "--to", f.Name, "-o", filepath.Join(place, name))
				if !f.Failed {
					says(t, processResult{stdout: r.stdout}, "has 24 of 25 images", "1 left out: they failed and have no label")
				}
			}
			if f.OneFile {
				continue
			}
			one, two := filesIn(t, filepath.Join(place, "one")), filesIn(t, filepath.Join(place, "two"))
			if len(one) == 0 || len(one) != len(two) {
				t.Fatalf("%s: %d files, and %d the second time", f.Name, len(one), len(two))
			}
			for name, body := range one {
				if two[name] != body {
					t.Errorf("%s: %s has other bytes the second time", f.Name, name)
				}
			}
			if f.File != "" && one[f.File] == "" {
				t.Errorf("%s: there is no %s", f.Name, f.File)
			}
			must(t, 78, "export", out, "--to", f.Name, "-o", filepath.Join(place, "one"))
		}
	})

	t.Run("selection", func(t *testing.T) {
		count := func(args ...string) int {
			t.Helper()
			return len(tableOf(t, must(t, 0, append([]string{"export", out, "--to", "csv", "-o", "-"}, args...)...).stdout))
		}
		label := rows[0]["label"]
		for _, c := range []struct {
			args []string
			want int
		}{
			{args: []string{"--status", "failed"}, want: 1},
			{args: []string{"--where", "status=ok"}, want: 24},
			{args: []string{"--label", label}, want: labels[label]},
			{args: []string{"--score", "0..1"}, want: 24},
			{args: []string{"--sample", "7", "--seed", "3"}, want: 7},
			{args: []string{"--per-class", "1"}, want: len(labels)},
		} {
			if got := count(c.args...); got != c.want {
				t.Errorf("%q takes %d images, want %d", c.args, got, c.want)
			}
		}
		must(t, 78, "export", out, "--to", "csv", "-o", "-", "--label", "none")
		must(t, 78, "export", out, "--to", "cvat", "-o", filepath.Join(t.TempDir(), "x"), "--status", "failed")
	})

	t.Run("truth", func(t *testing.T) {
		place := t.TempDir()
		text := "\xef\xbb\xbffile;class\n"
		want, wrong := map[string]string{}, 0
		for i, r := range rows[1:] {
			want[r["path"]] = rows[1]["label"]
			if i%3 == 0 {
				want[r["path"]] = "of people"
			}
			text += folder + "/" + r["path"] + ";" + want[r["path"]] + "\n"
			if r["status"] == "ok" && r["label"] != want[r["path"]] {
				wrong++
			}
		}
		known := filepath.Join(place, "known.csv")
		writeFile(t, known, []byte(text+"none.jpg;x\n"))
		r := must(t, 0, "export", out, "--to", "csv", "-o", filepath.Join(place, "rows.csv"), "--truth", known)
		says(t, processResult{stdout: r.stderr}, "24 found by address", "1 not in the output", `"none.jpg"`)
		if r := must(t, 0, "export", out, "--to", "csv", "-o", "-", "--truth", known, "--wrong"); len(tableOf(t, r.stdout)) != wrong {
			t.Errorf("%d are wrong, want %d", len(tableOf(t, r.stdout)), wrong)
		}
		// What was written is a truth, too.
		for _, to := range []string{"csv", "label-studio", "cvat"} {
			file := filepath.Join(place, to)
			must(t, 0, "export", out, "--to", to, "-o", file, "--truth", known)
			switch to {
			case "label-studio":
				file = filepath.Join(file, "tasks-0001.json")
			case "cvat":
				file = filepath.Join(file, "annotations.xml")
			}
			again := tableOf(t, must(t, 0, "export", out, "--to", "csv", "-o", "-", "--truth", file).stdout)
			for _, r := range again {
				if r["truth"] != want[r["path"]] && r["status"] == "ok" && (to != "cvat" || want[r["path"]] != "") {
					t.Errorf("%s: the truth of %s is %q, want %q", to, r["path"], r["truth"], want[r["path"]])
				}
			}
		}
		writeFile(t, known, []byte("file,class\nnone.jpg,x\n"))
		says(t, must(t, 78, "export", out, "--to", "csv", "-o", "-", "--truth", known), "no image has a truth", `"none.jpg"`, ".jpg")
		must(t, 0, "export", out, "--to", "csv", "-o", "-", "--truth", "folder-names")
	})

	t.Run("another output", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), "other")
		must(t, 0, "run", "--images", folder, "--out", other, "--model", tiny(t, graphtest.Options{Classes: 3, Seed: 9}))
		theirs := map[string]string{}
		for _, r := range tableOf(t, must(t, 0, "export", other, "--to", "csv", "-o", "-").stdout) {
			theirs[r["path"]] = r["label"]
		}
		want := []string{}
		for _, r := range rows {
			if theirs[r["path"]] != r["label"] {
				want = append(want, r["path"])
			}
		}
		if len(want) == 0 || len(want) == len(rows) {
			t.Fatalf("the models disagree on %d of %d images", len(want), len(rows))
		}
		got := []string{}
		for _, r := range tableOf(t, must(t, 0, "export", out, "--to", "csv", "-o", "-", "--disagree", other).stdout) {
			got = append(got, r["path"])
		}
		if !slices.Equal(got, want) {
			t.Errorf("the models disagree on %q, want %q", got, want)
		}
	})

	t.Run("left out", func(t *testing.T) {
		changed := filepath.Join(folder, filepath.FromSlash(rows[len(rows)-1]["path"]))
		body, err := os.ReadFile(changed)
		if err != nil {
			t.Fatal(err)
		}
		defer writeFile(t, changed, body)
		writeFile(t, changed, append(body, 0))
		r := must(t, 0, "export", out, "--to", "yolo", "-o", filepath.Join(t.TempDir(), "x"))
		says(t, processResult{stdout: r.stdout}, "has 23 of 25 images", "1 left out: they were changed since they were scored")
		says(t, processResult{stdout: r.stderr}, "not exported", filepath.Base(changed))
	})
}

// TestExport_Blobs exports images of a container, whose addresses hold no signature.
func TestExport_Blobs(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	images := upload(t, server, pictures(t, 5))
	out := filepath.Join(t.TempDir(), "out")
	call := func(args ...string) processResult {
		t.Helper()
		r := withBlobs(t, server, server.Endpoint, args...)
		if r.code != 0 {
			t.Fatalf("%q: %v", args, r)
		}
		return r
	}
	call("run", "--images", images, "--out", out, "--model", tiny(t, graphtest.Options{Classes: 3}))
	place := t.TempDir()
	call("export", out, "--to", "label-studio", "-o", filepath.Join(place, "studio"))
	_, path, _ := strings.Cut(strings.TrimPrefix(images, "az://"), "/")
	if text := filesIn(t, filepath.Join(place, "studio"))["tasks-0001.json"]; !strings.Contains(text, `"image":"azure-blob://`+path) {
		t.Errorf("tasks are %.500s, want addresses that begin with azure-blob://%s", text, path)
	}
	call("export", out, "--to", "yolo", "-o", filepath.Join(place, "yolo"))
	call("export", out, "--to", "cvat", "-o", filepath.Join(place, "cvat"))
}

// TestExport_Usage checks what is refused before anything is read.
func TestExport_Usage(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{args: "", says: "--to is missing"},
		{args: "--to cvat", says: "-o is missing"},
		{args: "--to cvta -o x", says: `did you mean "cvat"?`},
		{args: "--to cvat -o az://acme/c/x", says: "path on this machine"},
		{args: "--to cvat -o x --force", says: "--force"},
		{args: "--to csv -o - --score 0.5", says: "two dots"},
		{args: "--to csv -o - --score 0.7..0.3", says: "lower number"},
		{args: "--to csv -o - --score ..", says: "two dots"},
		{args: "--to csv -o - --margin 0..2", says: "--margin"},
		{args: "--to csv -o - --sample 0", says: "above zero"},
		{args: "--to csv -o - --seed 4", says: "--sample"},
		{args: "--to csv -o - --wrong", says: "--truth"},
		{args: "--to csv -o - --truth-columns a,b", says: "--truth"},
		{args: "--to yolo -o x --validation 2", says: "share"},
		{args: "--to yolo -o x --validation 120%", says: "share"},
		{args: "--to yolo -o x --validation NaN", says: "share"},
		{args: "--to coco -o x --validation 0.2", says: "training"},
		{args: "--to csv -o - --images x", says: "reads no images"},
		{args: "--to label-studio -o x --follow-links", says: "reads no images"},
		{args: "--to coco -o x --urls https", says: "--urls is not for coco"},
		{args: "--to yolo -o x --per-file 3", says: "--per-file is not for yolo"},
		{args: "--to cvat -o x --served /data", says: "--served is not for cvat"},
		{args: "--to label-studio -o x --served /data --urls address", says: "--served is for --urls local-files"},
		{args: "--to csv -o - --force", says: "standard output"},
		{args: "--to hf-parquet -o x --link", says: "--link"},
		{args: "--to label-studio -o x --urls ftp", says: "azure-blob"},
		{args: "--to csv -o - --status bad", says: "--status"},
	} {
		says(t, must(t, 64, append([]string{"export", "out"}, strings.Fields(c.args)...)...), c.says)
	}
}

// TestParseShare checks that a share is read as a number and as a percentage.
func TestParseShare(t *testing.T) {
	for text, want := range map[string]float64{"0.2": 0.2, "20%": 0.2, "0": 0, "100%": 1, "7%": 0.07, "1": 1} {
		if got, err := parseShare("validation", text); err != nil || got != want {
			t.Errorf("%s is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "20", "-1", "NaN", "NaN%", "1%%", "x"} {
		if got, err := parseShare("validation", text); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}
