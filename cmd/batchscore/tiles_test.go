package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// tiledRow is a row of a job in tiles.
type tiledRow struct {
	Path, Label, Status string
	Score               float64
	TopK                []struct {
		Label string
		Score float64
	}
	TileX      *int `json:"tile_x"`
	TileY      *int `json:"tile_y"`
	TileWidth  *int `json:"tile_width"`
	TileHeight *int `json:"tile_height"`
}

// rowsByPath reads the only part of an output.
func rowsByPath(t *testing.T, out string) map[string]tiledRow {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(out, "part-00000.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]tiledRow{}
	for line := range strings.Lines(string(body)) {
		var r tiledRow
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		all[r.Path] = r
	}
	return all
}

// rgbTIFF returns a picture as a TIFF in one strip, which is read a few rows at a time.
func rgbTIFF(img *image.NRGBA) []byte {
	w, h := uint32(img.Rect.Dx()), uint32(img.Rect.Dy())
	entries := [][4]uint32{{256, 4, 1, w}, {257, 4, 1, h}, {258, 3, 1, 8}, {259, 3, 1, 1}, {262, 3, 1, 2}, {277, 3, 1, 3}, {278, 4, 1, h},
		{279, 4, 1, 3 * w * h}}
	entries = append(entries, [4]uint32{273, 4, 1, uint32(8 + 2 + 12*(len(entries)+1) + 4)})
	b := codectest.TIFF(entries...)
	for i := 0; i < len(img.Pix); i += 4 {
		b = append(b, img.Pix[i:i+3]...)
	}
	return b
}

// TestTiles: the row of a picture in tiles is what its crops, scored each as an image, make by a
// plain computation. Parts do not depend on the batch, on decoders or on the number of ranks, and a picture
// in strips has the numbers of the same picture as a whole.
func TestTiles(t *testing.T) {
	t.Parallel()
	in, cut, model := t.TempDir(), t.TempDir(), tiny(t, graphtest.Options{})
	write := func(name string, img image.Image) {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, b.Bytes())
	}
	picture := codectest.Picture(130, 170, 5)
	write(filepath.Join(in, "a.png"), picture)
	writeFile(t, filepath.Join(in, "b.tif"), rgbTIFF(picture))
	write(filepath.Join(in, "c.png"), codectest.Picture(20, 30, 7))
	writeFile(t, filepath.Join(in, "d.png"), []byte("no picture"))
	type place struct{ x, y int }
	var places []place
	for _, y := range []int{0, 45, 90, 110} { // tiles of 60, of which each shares 15 with the next
		for _, x := range []int{0, 45, 70} {
			places = append(places, place{x, y})
			write(filepath.Join(cut, fmt.Sprintf("%d-%d.png", x, y)), picture.SubImage(image.Rect(x, y, x+60, y+60)))
		}
	}
	dir := t.TempDir()
	run := func(code int, images, name string, args ...string) string {
		return must(t, code, append([]string{"run", "--images", images, "--out", filepath.Join(dir, name), "--model", model, "--yes", "--top-k", "10",
			"--chunk", "12", "--max-errors", "100%"}, args...)...).stderr
	}
	body := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name, "part-00000.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	run(0, cut, "alone")
	alone := rowsByPath(t, filepath.Join(dir, "alone"))
	for _, rule := range []string{"mean", "max", "top"} {
		tiles := []string{"--tile", "60", "--overlap", "0.25", "--tile-rule", rule}
		want := map[string]float64{}
		var best place
		sure := -1.0
		for _, p := range places {
			r := alone[fmt.Sprintf("%d-%d.png", p.x, p.y)]
			if rule == "top" && r.Score <= sure {
				continue
			} else if rule == "top" {
				sure, best = r.Score, p
			}
			for _, c := range r.TopK {
				switch rule {
				case "mean":
					want[c.Label] += c.Score / float64(len(places))
				case "max":
					want[c.Label] = max(want[c.Label], c.Score)
				case "top":
					want[c.Label] = c.Score
				}
			}
		}
		run(0, in, rule, append(tiles, "--batch", "4")...)
		rows := rowsByPath(t, filepath.Join(dir, rule))
		if len(rows) != 4 || rows["d.png"].Status == "ok" || rows["d.png"].TileX != nil {
			t.Errorf("%s: rows %v", rule, rows)
		}
		for _, name := range []string{"a.png", "b.tif"} {
			r := rows[name]
			if len(r.TopK) != 10 || r.Score != r.TopK[0].Score {
				t.Fatalf("%s: row %+v", rule, r)
			}
			for _, c := range r.TopK {
				if math.Abs(c.Score-want[c.Label]) > 1e-6 {
					t.Errorf("%s, %s: %s has the score %v, want %v", rule, name, c.Label, c.Score, want[c.Label])
				}
			}
			switch {
			case (r.TileX != nil) != (rule == "top"):
				t.Errorf("%s, %s: a tile in the row: %t", rule, name, r.TileX != nil)
			case rule == "top" && (*r.TileX != best.x || *r.TileY != best.y || *r.TileWidth != 60 || *r.TileHeight != 60):
				t.Errorf("%s: tile %d,%d, want %v", name, *r.TileX, *r.TileY, best)
			}
		}
		if r := rows["c.png"]; rule == "top" && (*r.TileWidth != 20 || *r.TileHeight != 30) {
			t.Errorf("the tile of a small picture is %dx%d", *r.TileWidth, *r.TileHeight)
		}
		other := append(tiles, "--batch", "3", "--decoders", "3")
		run(0, in, rule+"-other", other...)
		if body(rule) != body(rule+"-other") {
			t.Errorf("%s: the part depends on the batch or the decoders", rule)
		}
		must(t, 0, "verify", filepath.Join(dir, rule))
		if rule != "top" {
			continue
		}
		// The same in chunks of one image, by one rank and by two.
		small := append([]string{"run", "--images", in, "--model", model, "--chunk", "1", "--max-errors", "100%", "--batch", "1"}, tiles...)
		one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
		must(t, 0, append(small, "--out", one)...)
		for _, rank := range []string{"RANK=0", "RANK=1"} {
			c := command(t, []string{rank, "WORLD_SIZE=2"}, append(small, "--static", "--out", two)...)
			if r := finish(t, c); r.code != 0 && r.code != 75 {
				t.Fatal(r)
			}
		}
		for part := range 4 {
			name := fmt.Sprintf("part-%05d.jsonl", part)
			a, err := os.ReadFile(filepath.Join(one, name))
			b, err2 := os.ReadFile(filepath.Join(two, name))
			if err != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("%s depends on the number of ranks (%v, %v)", name, err, err2)
			}
		}
	}
	for _, format := range []string{"csv", "parquet"} {
		run(0, in, format, "--tile", "60", "--tile-rule", "top", "--format", format)
		must(t, 0, "verify", filepath.Join(dir, format))
	}
	must(t, 0, "report", filepath.Join(dir, "top"), "-o", filepath.Join(dir, "report.html"))
	if b, err := os.ReadFile(filepath.Join(dir, "csv", "part-00000.csv")); err != nil ||
		!bytes.Contains(b, []byte(",tile_x,tile_y,tile_width,tile_height,error\n")) {
		t.Errorf("the columns of CSV (%v):\n%s", err, b)
	}
	// Another choice does not continue the job.
	for _, c := range []struct {
		args []string
		says string
	}{
		{args: []string{"--tile", "61", "--overlap", "0.25"}, says: "--tile 60"},
		{args: []string{"--tile", "60"}, says: "--overlap 0.25"},
		{args: []string{"--tile", "60", "--overlap", "0.25", "--tile-rule", "max"}, says: "--tile-rule mean"},
		{says: "--tile 60"},
	} {
		if says := run(10, in, "mean", c.args...); !strings.Contains(says, c.says) {
			t.Errorf("%q continues the job, or does not say %q:\n%s", c.args, c.says, says)
		}
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{args: []string{"--tile", "0"}, says: "above zero"},
		{args: []string{"--tile-rule", "max"}, says: "--tile SIZE"},
		{args: []string{"--tile", "60", "--overlap", "1"}, says: "0.9"},
		{args: []string{"--tile", "60", "--tile-rule", "most"}, says: "top"},
		{args: []string{"--tile", "60", "--batch", "auto"}, says: "exclude"},
		{args: []string{"--tile", "60", "--sessions", "auto"}, says: "exclude"},
		{args: []string{"--tile", "60", "--scaled-decode"}, says: "scaled_decode"},
	} {
		if says := run(64, in, "refused", c.args...); !strings.Contains(says, c.says) {
			t.Errorf("%q: want %q in:\n%s", c.args, c.says, says)
		}
	}
}

// TestNoNumbersOfAModel: a real model whose square root of a negative number is NaN for pictures that
// are black. Such a picture, and one with a black tile, is a row that says so; the others have their answers.
func TestNoNumbersOfAModel(t *testing.T) {
	t.Parallel()
	in, dir := t.TempDir(), t.TempDir()
	for name, dark := range map[string]int{"black.png": 64, "half.png": 32, "light.png": 0} {
		img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
		for i := range img.Pix {
			if i%4 == 3 || i/4%64 >= dark {
				img.Pix[i] = 255
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(in, name), b.Bytes())
	}
	model := filepath.Join(dir, "model.onnx")
	writeFile(t, model, graphtest.Colours(3, func(g *graph.Graph, raw graph.Value) graph.Value { // NaN below a mean of 1/80
		return graphtest.Op("Sqrt")(g, g.Add("end/add", raw, g.Scalar("end/less", 3.9)))
	}))
	for name, c := range map[string]struct {
		args   []string
		failed string
	}{
		"whole": {failed: "black.png"},
		"tiles": {args: []string{"--tile", "32"}, failed: "black.png half.png"},
	} {
		out := filepath.Join(dir, name)
		args := append([]string{"run", "--images", in, "--out", out, "--model", model, "--activation", "logits", "--yes", "--max-errors", "100%"}, c.args...)
		must(t, 0, append(args, graphtest.Pixels...)...)
		rows := rowsByPath(t, out)
		for _, name := range []string{"black.png", "half.png", "light.png"} {
			want := "ok"
			if strings.Contains(c.failed, name) {
				want = "not_finite"
			}
			if r := rows[name]; r.Status != want || (r.Label == "") != (want != "ok") {
				t.Errorf("%s: %s is %+v, want %s", c.args, name, r, want)
			}
		}
	}
}
