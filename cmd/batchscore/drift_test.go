package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestFault44_ACompleteOutputOfAFolder adds images to a folder whose output is complete.
func TestFault44_ACompleteOutputOfAFolder(t *testing.T) {
	needMpirun(t)
	in, out := pictures(t, 8), filepath.Join(t.TempDir(), "out")
	job := []string{"--images", in, "--out", out, "--model", tiny(t, graphtest.Options{})}
	run := append([]string{"run"}, job...)
	launch := append([]string{"launch", "-n", "2", "--"}, job...)
	strictly := func(args []string) []string { return append(args[:len(args):len(args)], "--strict-drift") }
	for _, args := range [][]string{run, run, launch, strictly(run), strictly(launch)} {
		if r := must(t, 0, args...); strings.Contains(r.stdout+r.stderr, "not in this job") {
			t.Errorf("got %v, want no word on images that are not in the job", r)
		}
	}
	must(t, 0, "verify", "--strict-drift", out)

	writeFile(t, filepath.Join(in, "new 1.jpg"), picture(t, 100))
	writeFile(t, filepath.Join(in, "new 2.jpg"), picture(t, 101))
	const line = "\n2 images are not in this job: they were added after the images were listed (\"new 1.jpg\", \"new 2.jpg\"); " +
		"to score what is new, use another --out"
	for _, args := range [][]string{run, launch} {
		r := must(t, 0, args...)
		stdout := "\n" + strings.ReplaceAll(r.stdout, "rank 0 | ", "") // only the rank lists the images, and it says so
		if strings.Count(stdout, line) != 1 || lastLine(r.stdout) != "8 images: 8 ok, 0 failed" {
			t.Errorf("got %v, want %q in stdout and the result in its last line", r, line)
		}
		says(t, must(t, 4, strictly(args)...), "2 images are not in this job", "--strict-drift")
	}
	must(t, 0, "verify", out)
	says(t, must(t, 4, "verify", "--strict-drift", out), `2 images are not in this job`, `"new 1.jpg"`)
}

// TestFault15_AChangedImageOfACompleteOutput replaces photos once the job is complete. The
// same command with --rescore-changed scores those again, and writes them to the file
// of --merge.
func TestFault15_AChangedImageOfACompleteOutput(t *testing.T) {
	model := tiny(t, graphtest.Options{})
	for _, tt := range []struct {
		name  string
		start []string
	}{
		{name: "run", start: []string{"run"}},
		{name: "launch", start: []string{"launch", "-n", "2", "--"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "launch" {
				needMpirun(t)
			}
			in, folder := pictures(t, 12), t.TempDir()
			job := func(out string, more ...string) []string {
				args := []string{"--images", in, "--out", filepath.Join(folder, out), "--model", model, "--chunk", "3",
					"--merge", filepath.Join(folder, out+".csv")}
				return append(append(tt.start[:len(tt.start):len(tt.start)], args...), more...)
			}
			must(t, 0, job("out")...)
			says(t, must(t, 0, job("out", "--rescore-changed")...), "none has changed since it was listed; there is nothing to score again")
			names, err := filepath.Glob(filepath.Join(in, "*", "*.jpg"))
			if err != nil || len(names) < 5 {
				t.Fatalf("%d pictures, %v", len(names), err)
			}
			for i := range 5 {
				writeFile(t, names[i], picture(t, 500+i))
			}
			says(t, must(t, 0, job("out")...), "5 images of this job have changed since they were listed (", " and 2 more); ",
				"run the same command with --rescore-changed")
			r := must(t, 0, job("out", "--rescore-changed")...)
			if strings.Contains(r.stdout+r.stderr, "have changed") || lastLine(r.stdout) != "12 images: 12 ok, 0 failed" {
				t.Errorf("got %v, want all images scored and none changed", r)
			}
			must(t, 0, "verify", "--strict-drift", filepath.Join(folder, "out"))
			must(t, 0, job("fresh")...)
			if readFile(t, filepath.Join(folder, "out.csv")) != readFile(t, filepath.Join(folder, "fresh.csv")) {
				t.Error("the merged file is not that of a fresh run over the changed images")
			}
		})
	}
}

// TestFault44_ACompleteOutputOfBlobs adds a blob to a prefix whose output is complete.
func TestFault44_ACompleteOutputOfBlobs(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model, blobs, out := tiny(t, graphtest.Options{}), upload(t, server, pictures(t, 6)), newPlace(t, server)
	run := func(code int, args ...string) processResult {
		t.Helper()
		r := withBlobs(t, server, server.Endpoint, args...)
		if r.code != code {
			t.Fatalf("got %v, want exit code %d", r, code)
		}
		return r
	}
	job := []string{"run", "--images", blobs, "--out", out, "--model", model}
	run(0, append(job, "--strict-drift")...)
	p, err := azblob.ParsePlace(blobs)
	if err != nil {
		t.Fatal(err)
	}
	body := streaming.NopCloser(bytes.NewReader(picture(t, 100)))
	client := server.Client().NewContainerClient(p.Container).NewBlockBlobClient("in/batch 2/new.jpg")
	if _, err := client.Upload(context.Background(), body, nil); err != nil {
		t.Fatal(err)
	}
	says(t, run(0, job...), "1 image is not in this job: it was added")
	says(t, run(4, append(job, "--strict-drift")...), "1 image is not in this job: it was added")
	says(t, run(4, "verify", "--strict-drift", out), "1 image is not in this job: it was added")
}
