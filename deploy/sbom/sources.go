package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// modules returns Go and the modules that a binary is built of.
func modules(binary, notice string) ([]component, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	known, err := moduleLicences(notice)
	if err != nil {
		return nil, err
	}
	release, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	sum, err := digest(binary)
	if err != nil {
		return nil, err
	}
	all := []component{
		{
			Type: "application", Name: info.Main.Path, Ref: "binary", Hashes: sum, Licenses: licences("Apache-2.0"),
			Properties: []property{{Name: "batchscore:file", Value: filepath.Base(binary)}},
		},
		golang("stdlib", release, "BSD-3-Clause"),
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		licence, ok := known[m.Path+" "+m.Version]
		if !ok {
			return nil, fmt.Errorf("%s has no line for %s %s: make notice", notice, m.Path, m.Version)
		}
		c := golang(m.Path, strings.TrimPrefix(m.Version, "v"), licence...)
		c.PURL = "pkg:golang/" + m.Path + "@" + escape(m.Version)
		c.Properties = []property{{Name: "go:sum", Value: m.Sum}}
		all = append(all, c)
	}
	return all, nil
}

func golang(path, version string, licence ...string) component {
	purl := "pkg:golang/" + path + "@" + escape(version)
	return component{Type: "library", Name: path, Version: version, PURL: purl, Ref: purl, Licenses: licences(licence...)}
}

var noticed = regexp.MustCompile(`(?m)^(\S+\.\S+/\S+ v\S+)  ([A-Za-z0-9., -]+)$`)

// moduleLicences returns the licences that NOTICE lists, by module and version.
func moduleLicences(notice string) (map[string][]string, error) {
	body, err := os.ReadFile(notice)
	if err != nil {
		return nil, err
	}
	known := map[string][]string{}
	for _, m := range noticed.FindAllStringSubmatch(string(body), -1) {
		known[m[1]] = strings.Split(m[2], ", ")
	}
	return known, nil
}

// onnxRuntime returns the component of ONNX Runtime's library.
func onnxRuntime(library, pins string) ([]component, error) {
	body, err := os.ReadFile(pins)
	if err != nil {
		return nil, err
	}
	value := func(name string) string {
		m := regexp.MustCompile(`(?m)^onnxruntime_` + name + `=(\S+)$`).FindSubmatch(body)
		if m == nil {
			return ""
		}
		return string(m[1])
	}
	name, version := value("package"), value("version")
	if name == "" || version == "" {
		return nil, fmt.Errorf("%s does not pin ONNX Runtime", pins)
	}
	sum, err := digest(library)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(body, []byte("_sha256="+sum[0].Content+"\n")) {
		return nil, fmt.Errorf("%s is not a library that %s pins, so its version is not known: its SHA-256 is %s", library, pins, sum[0].Content)
	}
	purl := "pkg:npm/" + name + "@" + escape(version)
	return []component{{
		Type: "library", Name: "ONNX Runtime", Version: version, Ref: purl, PURL: purl, Hashes: sum, Licenses: licences("MIT"),
		Properties: []property{{Name: "batchscore:file", Value: filepath.Base(library)}},
	}}, nil
}

func digest(file string) ([]hash, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return []hash{{Algorithm: "SHA-256", Content: fmt.Sprintf("%x", h.Sum(nil))}}, nil
}

// distribution returns the packages that dpkg has installed in the file system of an image.
// Their licences are in /usr/share/doc there.
func distribution(root string) ([]component, error) {
	id, version := "debian", ""
	release, err := os.ReadFile(filepath.Join(root, "etc/os-release"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(release)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"`); name {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		}
	}
	status := filepath.Join(root, "var/lib/dpkg/status")
	f, err := os.Open(status)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	all := []component{{Type: "operating-system", Name: id, Version: version, Ref: "os"}}
	fields := map[string]string{}
	end := func() {
		if strings.HasSuffix(fields["Status"], " installed") {
			purl := fmt.Sprintf("pkg:deb/%s/%s@%s?arch=%s&distro=%s-%s", id, escape(fields["Package"]), escape(fields["Version"]),
				fields["Architecture"], id, version)
			all = append(all, component{Type: "library", Name: fields["Package"], Version: fields["Version"], PURL: purl, Ref: purl})
		}
		clear(fields)
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			end()
		} else if name, value, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, " ") {
			fields[name] = value
		}
	}
	end()
	if len(all) == 1 {
		return nil, fmt.Errorf("%s lists no installed package", status)
	}
	return all, lines.Err()
}

var wheel = regexp.MustCompile(`(?m)^([\w.-]+)==(\S+) .*--hash=sha256:([0-9a-f]{64})`)

// wheels returns the Python packages that files pin.
func wheels(files []string) ([]component, error) {
	var all []component
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found := wheel.FindAllStringSubmatch(string(body), -1)
		if len(found) == 0 {
			return nil, fmt.Errorf("%s pins no package", file)
		}
		for _, m := range found {
			purl := "pkg:pypi/" + strings.ToLower(strings.ReplaceAll(m[1], "_", "-")) + "@" + escape(m[2])
			all = append(all, component{
				Type: "library", Name: m[1], Version: m[2], PURL: purl, Ref: purl,
				Hashes: []hash{{Algorithm: "SHA-256", Content: m[3]}},
			})
		}
	}
	return all, nil
}
