package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/batchscore/batchscore/bench/chart"
	"github.com/batchscore/batchscore/bench/result"
)

//go:embed BENCHMARKS.md.tmpl
var page string

// charts is the folder of the charts, relative to the root of the repository.
const charts = "docs/charts"

// render returns all files, by their path in the repository.
func render(folder string) (map[string][]byte, error) {
	files := map[string][]byte{}
	t, err := template.New("BENCHMARKS.md").Option("missingkey=error").Funcs(template.FuncMap{
		"samples": func(name string) (*samples, error) { return readSamples(filepath.Join(folder, name+".txt")) },
		"chart": func(name, title string, axes chart.Axes, series ...chart.Line) (string, error) {
			drawn, err := chart.Lines(title, axes, series)
			if err != nil {
				return "", err
			}
			file := charts + "/" + name + ".svg"
			files[file] = drawn.SVG()
			return fmt.Sprintf("![%s](%s)", title, file), nil
		},
		"axes":    func(x, y string) chart.Axes { return chart.Axes{X: x, Y: y} },
		"logAxes": func(x, y string) chart.Axes { return chart.Axes{X: x, Y: y, Log: true} },
		"number":  chart.Number, "percent": percent, "ratio": ratio, "minutes": minutes,
		"recipe": func() []published { return recipe }, "gpus": gpus,
		"ideal": func(name string, lowest, highest float64) chart.Line { return chart.Ideal(name, lowest, highest, 1) },
		"div":   func(a, b float64) float64 { return a / b },
	}).Parse(page)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, nil); err != nil {
		return nil, err
	}
	files["BENCHMARKS.md"] = out.Bytes()
	return files, nil
}

// ratio returns v with the digits that a comparison needs.
func ratio(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

func percent(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" }

// minutes returns a time in seconds as minutes and seconds, such as 11:10.
func minutes(seconds float64) string {
	s := int64(math.Round(seconds))
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// provenance returns a line about the origin of a run.
func provenance(p result.Provenance) string {
	var parts []string
	if p.GPU != "" {
		parts = append(parts, p.GPU)
	}
	parts = append(parts, p.CPU)
	if p.Cores > 0 {
		parts = append(parts, fmt.Sprintf("%d cores", p.Cores))
	}
	if p.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%.0f GB", float64(p.Memory)/1e9))
	}
	for _, name := range []string{"onnxruntime", "cuda", "cudnn", "nvidia_driver", "jpeg", "go"} {
		if v, _, _ := strings.Cut(p.Versions[name], " ("); v != "" {
			parts = append(parts, strings.TrimPrefix(name+" "+v, "go "))
		}
	}
	if c, modified, _ := strings.Cut(p.Commit, "+"); c != "" {
		c = c[:min(len(c), 10)]
		if modified != "" {
			c += " with changes"
		}
		parts = append(parts, "commit "+c)
	}
	if !p.Date.IsZero() {
		parts = append(parts, p.Date.Format(time.DateOnly))
	}
	return strings.Join(parts, ", ")
}
