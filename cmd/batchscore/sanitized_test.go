package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// compiled names, for C code that Go does not compile, the file that does so in the tests.
var compiled = map[string]string{
	"models/device/gpu/testdata":                    "models/device/gpu/gpu_test.go",
	"models/ort/cudatest/lib":                       "models/ort/cudatest/build.go",
	"models/ort/cudatest/testdata":                  "models/ort/cudatest/lib_test.go",
	"models/preprocess/native/testdata/broken":      "models/preprocess/native/broken_test.go",
	"models/preprocess/jpeg/nvimgcodec/standin/lib": "models/preprocess/jpeg/nvimgcodec/standin/standin.go",
}

// TestSanitizedC checks that "make asan" tests every C file of the repository with
// sanitizers: Go compiles it into a package that is tested there, or a file that compiles
// it gives the compiler the flags.
func TestSanitizedC(t *testing.T) {
	t.Parallel()
	read := func(file string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	recipe := regexp.MustCompile(`(?m)^asan:.*\n(\t.*\n)+`).FindString(read("Makefile"))
	if !strings.Contains(recipe, "$(SANITIZED) go test -asan") {
		t.Fatalf("the target asan of the Makefile is %q, which uses no sanitizer", recipe)
	}
	var tested []string // folders, with those below
	for _, m := range regexp.MustCompile(`\./(\S+)/\.\.\.`).FindAllStringSubmatch(recipe, -1) {
		tested = append(tested, m[1])
	}
	files := trackedFiles(t)
	tests := map[string]bool{} // folders that have any
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			tests[path.Dir(file)] = true
		}
	}
	checked := 0
	for _, file := range files {
		if path.Ext(file) != ".c" {
			continue
		}
		checked++
		folder := path.Dir(file)
		if compiler := compiled[folder]; compiler != "" {
			if !strings.Contains(read(compiler), "SANITIZE_C") && !strings.Contains(read(compiler), "sanitize()") {
				t.Errorf("%s: %s compiles it without the flags of SANITIZE_C", file, compiler)
			}
			folder = path.Dir(compiler)
		}
		inside := false
		for _, f := range tested {
			inside = inside || folder == f || strings.HasPrefix(folder, f+"/")
		}
		// A package without tests is used in those of a package around it.
		users := folder
		for !tests[users] && users != "." {
			users = path.Dir(users)
		}
		if !inside || users == "." {
			t.Errorf("%s is not tested under sanitizers: add its package to the target asan of the Makefile, "+
				"or, if Go does not compile it, what does so to this test", file)
		}
	}
	if checked < 25 {
		t.Errorf("%d files in C, so this test would prove nothing", checked)
	}
}
