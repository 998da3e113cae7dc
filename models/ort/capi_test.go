package ort

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestPositions compares the positions in capi.h with the header that
// onnxruntime_go is built with.
func TestPositions(t *testing.T) {
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "onnxruntime_c_api.h"))
	if err != nil {
		t.Fatal(err)
	}
	header := string(text)
	own, err := os.ReadFile("capi.h")
	if err != nil {
		t.Fatal(err)
	}

	version := regexp.MustCompile(`#define ORT_API_VERSION (\d+)`).FindStringSubmatch(header)
	if version == nil || !strings.Contains(string(own), "ORTC_API_VERSION = "+version[1]+" ") {
		t.Errorf("ORTC_API_VERSION is not the header's, %v", version)
	}

	_, table, _ := strings.Cut(header, "struct OrtApi {")
	table, _, ok := strings.Cut(table, "\n};")
	if !ok {
		t.Fatal("the header has no struct OrtApi")
	}
	table = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/`).ReplaceAllString(table, "")
	position := map[string]int{}
	for i, m := range regexp.MustCompile(
		`ORT_API2_STATUS\(\s*(\w+)|ORT_CLASS_RELEASE\((\w+)\)|\(\s*ORT_API_CALL\s*\*\s*(\w+)\s*\)|ORT_API_T?\(\s*[^,]+,\s*(\w+)`,
	).FindAllStringSubmatch(table, -1) {
		name := m[1] + m[3] + m[4]
		if m[2] != "" {
			name = "Release" + m[2]
		}
		position[name] = i
	}
	used := regexp.MustCompile(`X\((\w+), (\d+)\)`).FindAllStringSubmatch(string(own), -1)
	if len(used) < 20 {
		t.Fatalf("capi.h lists %d functions only", len(used))
	}
	for _, m := range used {
		n, err := strconv.Atoi(m[2])
		if want, ok := position[m[1]]; err != nil || !ok || n != want {
			t.Errorf("%s stands at %d in the header, at %d in capi.h", m[1], want, n)
		}
	}
}

func TestNative(t *testing.T) {
	open(t, tiny(t, graphtest.Options{}), Options{})
	options, err := onnx.NewRunOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer options.Destroy()
	if p, err := native(options, "o"); err != nil || p == nil {
		t.Errorf("%v, %v", p, err)
	}
	for _, path := range [][]string{{"p"}, {"o", "q", "r"}} {
		if p, err := native(options, path...); err == nil {
			t.Errorf("%v led to %v", path, p)
		}
	}
	if _, err := native(&onnx.RunOptions{}, "o"); err == nil {
		t.Error("options that were not made have a pointer")
	}
}
