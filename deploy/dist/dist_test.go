package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// pack packs a made-up release, in a folder of its own, and returns that of the packages.
func pack(t *testing.T) string {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	in, out := t.TempDir(), t.TempDir()
	// They ask for a function of glibc, as the program does.
	source := write(t, filepath.Join(in, "say.c"), "int puts(const char *);\nint say(void) { return puts(\"\"); }\n")
	for _, name := range []string{"batchscore", "libonnxruntime.so.1"} {
		if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", filepath.Join(in, name), source).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	for _, name := range []string{"bash", "zsh", "fish"} {
		write(t, filepath.Join(in, "scripts", name), "a script for "+name)
	}
	r := release{
		arch: "amd64", root: "../..", binary: filepath.Join(in, "batchscore"),
		library: filepath.Join(in, "libonnxruntime.so.1"), notices: filepath.Join(in, "notices"),
		manual: filepath.Join(in, "manual"), scripts: filepath.Join(in, "scripts"), bill: write(t, filepath.Join(in, "bill.json"), "{}"),
		maintainer: "A Person <person@example.org>",
	}
	write(t, filepath.Join(r.notices, "ThirdPartyNotices.txt"), "notices")
	write(t, filepath.Join(r.notices, "LICENSE"), "a licence")
	write(t, filepath.Join(r.manual, "batchscore.1"), ".TH BATCHSCORE 1")
	if err := run(r, "v1.2.0-rc.1", out, false); err != nil {
		t.Fatal(err)
	}
	return out
}

// names returns the names of all files below a folder, with their digests.
func names(t *testing.T, folder string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		body = bytes.ReplaceAll(body, []byte(folder), nil) // nfpm.json names its files
		all = append(all, fmt.Sprintf("%s %x", name, sha256.Sum256(body)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPackages packs a made-up release twice: the same input, in another folder, gives the
// same bytes.
func TestPackages(t *testing.T) {
	folder := pack(t)
	first, second := names(t, folder), names(t, pack(t))
	if !slices.Equal(first, second) {
		t.Errorf("first\n%s\nsecond\n%s", strings.Join(first, "\n"), strings.Join(second, "\n"))
	}
	t.Run("archive", func(t *testing.T) { checkArchive(t, folder) })
	t.Run("wheel", func(t *testing.T) { checkWheel(t, folder) })
	t.Run("debian", func(t *testing.T) { checkDebian(t, filepath.Join(folder, "debian-amd64")) })
}

// checkArchive: the archive has one folder with the layout of a prefix, of root.
func checkArchive(t *testing.T, folder string) {
	t.Helper()
	f, err := os.Open(filepath.Join(folder, "batchscore-1.2.0-rc.1-linux-amd64.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if !z.ModTime.IsZero() || z.Name != "" {
		t.Errorf("gzip's header has a time or a name: %+v", z.Header)
	}
	modes := map[string]int64{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 1700000000 {
			t.Errorf("%s belongs to %d:%d and is of %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		name, ok := strings.CutPrefix(h.Name, "batchscore-1.2.0-rc.1-linux-amd64/")
		if !ok {
			t.Errorf("%s is not in the folder of the release", h.Name)
		}
		modes[name] = h.Mode
	}
	for name, mode := range map[string]int64{
		"bin/batchscore": 0o755, "lib/batchscore/libonnxruntime.so.1": 0o644, "share/man/man1/batchscore.1": 0o644,
		"share/bash-completion/completions/batchscore": 0o644, "share/zsh/site-functions/_batchscore": 0o644,
		"share/fish/vendor_completions.d/batchscore.fish": 0o644, "share/doc/batchscore/LICENSE": 0o644, "share/doc/batchscore/NOTICE": 0o644,
		"share/doc/batchscore/onnxruntime/LICENSE": 0o644, "share/doc/batchscore/onnxruntime/ThirdPartyNotices.txt": 0o644,
		"share/doc/batchscore/INSTALL": 0o644, "share/doc/batchscore/batchscore.cdx.json": 0o644, "bin/": 0o755,
	} {
		if modes[name] != mode {
			t.Errorf("%s has the mode %o, want %o", name, modes[name], mode)
		}
	}
}

// checkWheel: RECORD lists every file of the wheel, and the name has a platform that is true.
func checkWheel(t *testing.T, folder string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "batchscore-1.2.0rc1-py3-none-manylinux_2_*_x86_64.whl"))
	if err != nil || len(found) != 1 {
		t.Fatalf("wheels: %q, %v", found, err)
	}
	z, err := zip.OpenReader(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	var listed []string
	bodies := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if bodies[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		listed = append(listed, f.Name)
	}
	const info, data = "batchscore-1.2.0rc1.dist-info/", "batchscore-1.2.0rc1.data/"
	for _, name := range []string{
		"batchscore/__init__.py", "batchscore/py.typed", data + "scripts/batchscore", data + "data/lib/batchscore/libonnxruntime.so.1",
		info + "METADATA", info + "WHEEL", info + "licenses/LICENSE", info + "licenses/onnxruntime/ThirdPartyNotices.txt",
	} {
		if !slices.Contains(listed, name) {
			t.Errorf("the wheel has no %s", name)
		}
	}
	rows := strings.Split(strings.TrimSpace(string(bodies[info+"RECORD"])), "\n")
	if len(rows) != len(listed) {
		t.Errorf("RECORD has %d rows for %d files", len(rows), len(listed))
	}
	for _, row := range rows {
		fields := strings.Split(row, ",")
		body := bodies[fields[0]]
		sum := sha256.Sum256(body)
		want := []string{fields[0], "sha256=" + base64.RawURLEncoding.EncodeToString(sum[:]), fmt.Sprint(len(body))}
		if fields[0] == info+"RECORD" {
			want = []string{fields[0], "", ""}
		}
		if !slices.Equal(fields, want) {
			t.Errorf("RECORD: %q, want %q", fields, want)
		}
	}
	if text := string(bodies[info+"METADATA"]); !strings.Contains(text, "\nVersion: 1.2.0rc1\n") || !strings.Contains(text, "\nLicense-File: NOTICE\n") {
		t.Errorf("METADATA: %s", text)
	}
}

// checkDebian: the settings of nfpm name every file, and the unit starts the program of the
// package.
func checkDebian(t *testing.T, folder string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(folder, "nfpm.json"))
	if err != nil {
		t.Fatal(err)
	}
	var settings struct {
		Version    string
		Maintainer string
		Depends    []string
		Contents   []struct {
			Src, Dst, Type string
		}
	}
	if err := json.Unmarshal(body, &settings); err != nil {
		t.Fatal(err)
	}
	if settings.Version != "1.2.0~rc1" || !slices.ContainsFunc(settings.Depends, func(s string) bool { return strings.HasPrefix(s, "libc6 (>= 2.") }) {
		t.Errorf("version %s, depends on %q", settings.Version, settings.Depends)
	}
	if settings.Maintainer != "A Person <person@example.org>" {
		t.Errorf("maintainer %s", settings.Maintainer)
	}
	if have := len(names(t, filepath.Join(folder, "root"))); have != len(settings.Contents) {
		t.Errorf("%d files, and nfpm takes %d", have, len(settings.Contents))
	}
	for _, c := range settings.Contents {
		if config := strings.HasPrefix(c.Dst, "/etc/"); config != (c.Type == "config|noreplace") {
			t.Errorf("%s has the type %q", c.Dst, c.Type)
		}
		if c.Dst == "/usr/lib/systemd/system/batchscore.service" {
			if unit, err := os.ReadFile(c.Src); err != nil || !strings.Contains(string(unit), "\nExecStart=/usr/bin/batchscore run ") {
				t.Errorf("%v: %s", err, unit)
			}
		}
	}
}

func TestParseVersion(t *testing.T) {
	for describe, want := range map[string]version{
		"v1.2.0":                       {program: "1.2.0", debian: "1.2.0", python: "1.2.0"},
		"v1.2.0-rc.1":                  {program: "1.2.0-rc.1", debian: "1.2.0~rc1", python: "1.2.0rc1"},
		"v1.2.0-beta2":                 {program: "1.2.0-beta.2", debian: "1.2.0~beta2", python: "1.2.0b2"},
		"v1.2.0-14-g0123456789ab":      {program: "1.2.0+14.g0123456789ab", debian: "1.2.0+14.g0123456789ab", python: "1.2.0+14.g0123456789ab"},
		"v1.2.0-rc.1-2-g0123456-dirty": {program: "1.2.0-rc.1+2.g0123456.dirty", debian: "1.2.0~rc1+2.g0123456.dirty", python: "1.2.0rc1+2.g0123456.dirty"},
		"0123456789ab":                 {program: "0.0.0-dev+g0123456789ab", debian: "0.0.0~dev+g0123456789ab", python: "0.0.0.dev0+g0123456789ab"},
		"0123456789ab-dirty":           {program: "0.0.0-dev+g0123456789ab.dirty", debian: "0.0.0~dev+g0123456789ab.dirty", python: "0.0.0.dev0+g0123456789ab.dirty"},
		"":                             {},
		"release-1":                    {},
		"v1.2":                         {},
		"v1.2.0 && rm -rf /":           {},
	} {
		got, err := parseVersion(describe)
		if got != want || (err == nil) != (want.program != "") {
			t.Errorf("%q: %+v, %v; want %+v", describe, got, err, want)
		}
	}
}

func TestMinorOf(t *testing.T) {
	for symbol, want := range map[string]int{"GLIBC_2.34": 34, "GLIBC_2.2.5": 2, "GLIBCXX_3.4.22": 0, "GCC_4.3.0": 0, "": 0, "GLIBC_PRIVATE": -1} {
		got, err := minorOf(symbol)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v; want %d", symbol, got, err, want)
		}
	}
	if _, err := oldest(write(t, filepath.Join(t.TempDir(), "x"), "no library")); err == nil {
		t.Error("a text has a glibc")
	}
}

// TestBuildLeavesOtherFoldersAlone names a folder that no build wrote.
func TestBuildLeavesOtherFoldersAlone(t *testing.T) {
	folder := t.TempDir()
	kept := filepath.Join(folder, "thesis.txt")
	if err := os.WriteFile(kept, []byte("years"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "SHA256SUMS"), "abc  debian.iso")
	said, err := exec.Command("./build.sh", folder, "v1.0.0", "unknown", folder, "false").CombinedOutput()
	if err == nil || !strings.Contains(string(said), "thesis.txt is not of an earlier build") {
		t.Errorf("build.sh: %v, %s", err, said)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}
