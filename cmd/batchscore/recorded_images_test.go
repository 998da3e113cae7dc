package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestLinksOutOfCollection: neither a page nor an export has images that links lead to which leave
// the place of the images, unless the user asks for them. TestView checks the live page.
func TestLinksOutOfCollection(t *testing.T) {
	t.Parallel()
	folder, out := pictures(t, 4), filepath.Join(t.TempDir(), "out")
	secret := filepath.Join(t.TempDir(), "secret.jpg")
	writeFile(t, secret, picture(t, 9))
	if err := os.Symlink(secret, filepath.Join(folder, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	must(t, 0, "run", "--images", folder, "--out", out, "--model", tiny(t, graphtest.Options{}))
	place := t.TempDir()
	for _, to := range []string{"yolo", "hf-parquet", "cvat"} {
		r := must(t, 0, "export", out, "--to", to, "-o", filepath.Join(place, to))
		says(t, processResult{stdout: r.stdout}, "has 4 of 5 images", "1 left out: they are links that lead out of the place of the images")
		says(t, processResult{stdout: r.stderr}, "not exported", "link.jpg", "leads out of the place")
		says(t, must(t, 0, "export", out, "--to", to, "-o", filepath.Join(place, to+"-all"), "--follow-links"), "has 5 of 5 images")
	}
	r := must(t, 0, "export", out, "--to", "yolo", "--link", "-o", filepath.Join(place, "links"))
	says(t, processResult{stdout: r.stdout}, "has 4 of 5 images")

	pictures := func(file string, flags ...string) int {
		t.Helper()
		r := must(t, 0, append([]string{"report", out, "-o", filepath.Join(place, file)}, flags...)...)
		if told := strings.Contains(r.stdout, "left out: the images are links that lead out of their place"); told != (len(flags) == 0) {
			t.Errorf("%q: it says %q", flags, r.stdout)
		}
		body, err := os.ReadFile(filepath.Join(place, file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(body), "data:image/jpeg;base64,")
	}
	without, with := pictures("a.html"), pictures("b.html", "--follow-links")
	if without == 0 || with*4 != without*5 {
		t.Errorf("%d pictures without the link, %d with it", without, with)
	}
}
