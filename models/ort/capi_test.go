package ort

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// The positions in capi.h and winograd/op.h, and the struct in winograd/op.c, are compared
// with the header with which onnxruntime_go is built.
func TestPositions(t *testing.T) {
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Fatal(err)
	}
	header := read(t, filepath.Join(strings.TrimSpace(string(folder)), "onnxruntime_c_api.h"))

	version := regexp.MustCompile(`#define ORT_API_VERSION (\d+)`).FindStringSubmatch(header)
	if version == nil || !strings.Contains(read(t, "capi.h"), "ORTC_API_VERSION = "+version[1]+" ") {
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
	for file, least := range map[string]int{"capi.h": 20, "winograd/op.h": 10} {
		used := regexp.MustCompile(`X\((\w+), (\d+)\)`).FindAllStringSubmatch(read(t, file), -1)
		if len(used) < least {
			t.Errorf("%s lists only %d functions", file, len(used))
		}
		for _, m := range used {
			n, err := strconv.Atoi(m[2])
			if want, ok := position[m[1]]; err != nil || !ok || n != want {
				t.Errorf("%s has position %d in the header, but %d in %s", m[1], want, n, file)
			}
		}
	}

	theirs, ours := callbacks(t, header, "struct OrtCustomOp {"), callbacks(t, read(t, "winograd/op.c"), "typedef struct custom_op {")
	if len(ours) < 15 || len(ours) > len(theirs) || !slices.Equal(ours, theirs[:len(ours)]) {
		t.Errorf("the struct in winograd/op.c is not the header's:\n%v\n%v", ours, theirs)
	}
}

// callbacks lists the functions of a struct in the order of their declaration.
func callbacks(t *testing.T, source, head string) []string {
	t.Helper()
	_, body, _ := strings.Cut(source, head+"\n  uint32_t version;")
	body, _, ok := strings.Cut(body, "\n}")
	if !ok {
		t.Fatalf("there is no %q", head)
	}
	var names []string
	for _, m := range regexp.MustCompile(`\((?:ORT_API_CALL)?\s*\*\s*(\w+)\)\(`).FindAllStringSubmatch(body, -1) {
		names = append(names, m[1])
	}
	return names
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNative(t *testing.T) {
	open(t, tiny(t, graphtest.Options{}), Options{})
	options, err := onnx.NewRunOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := options.Destroy(); err != nil {
			t.Error(err)
		}
	}()
	if p, err := native(options, "o"); err != nil || p == nil {
		t.Errorf("%v, %v", p, err)
	}
	for _, path := range [][]string{{"p"}, {"o", "q", "r"}} {
		if p, err := native(options, path...); err == nil {
			t.Errorf("%v led to %v", path, p)
		}
	}
	if _, err := native(&onnx.RunOptions{}, "o"); err == nil {
		t.Error("native() of nil options is not an error")
	}
}
