package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestArrows checks the direction of dependencies: which packages must not depend on
// which, directly or indirectly.
func TestArrows(t *testing.T) {
	const (
		runtime = "github.com/yalue/onnxruntime_go"
		azure   = "github.com/Azure"
	)
	ours := func(path string) bool { return strings.HasPrefix(path, module+"/") }
	type rule struct {
		name string
		of   func(pkg string) bool // the packages that the rule holds for
		bad  func(dep string) bool // what they may not depend on
	}
	rules := []rule{
		{
			name: "the pipeline knows no inference engine, no job engine, no cloud and no command",
			of:   func(pkg string) bool { return under(pkg, "scorer") && !under(pkg, "scorer/store/azblob") },
			bad: func(dep string) bool {
				return under(dep, "models/ort", "models/simulate", "scorer/store/azblob", "cmd", "bench", "deploy", runtime, azure)
			},
		},
		{
			name: "shard is pure logic and knows nothing of the project",
			of:   func(pkg string) bool { return under(pkg, "shard") },
			bad:  func(dep string) bool { return ours(dep) && !under(dep, "shard") },
		},
		{
			name: "the store knows nothing of the project",
			of:   func(pkg string) bool { return under(pkg, "scorer/store") },
			bad:  func(dep string) bool { return ours(dep) && !under(dep, "scorer/store") },
		},
		{
			name: "claims know the store and the ranks only",
			of:   func(pkg string) bool { return under(pkg, "scorer/claim") },
			bad: func(dep string) bool {
				return ours(dep) && !under(dep, "scorer/claim", "scorer/store", "shard")
			},
		},
		{
			name: "the listing of images knows no output folder, no claims and no rows",
			of:   func(pkg string) bool { return under(pkg, "scorer/listing") },
			bad:  func(dep string) bool { return under(dep, "scorer/output", "scorer/claim", "scorer/row") },
		},
		{
			name: "rows know no store, no output folder and no stage",
			of:   func(pkg string) bool { return under(pkg, "scorer/row") },
			bad:  func(dep string) bool { return ours(dep) && !under(dep, "scorer/row", "models", "shard") },
		},
		{
			name: "the package `place` knows no storage",
			of:   func(pkg string) bool { return pkg == "scorer/store/place" },
			bad: func(dep string) bool {
				return under(dep, "scorer/store") && dep != module+"/scorer/store" && dep != module+"/scorer/store/place"
			},
		},
		{
			name: "a decorator of stores knows no storage",
			of:   func(pkg string) bool { return pkg == "scorer/store/patient" },
			bad: func(dep string) bool {
				return under(dep, "scorer/store/dir", "scorer/store/azblob", "scorer/store/mem", "scorer/store/place")
			},
		},
		{
			name: "the graph builder knows its message types only",
			of:   func(pkg string) bool { return under(pkg, "models/graph") && pkg != "models/graph/graphtest" },
			bad:  func(dep string) bool { return ours(dep) && !under(dep, "models/graph") },
		},
		{
			name: "the ONNX reader knows no contract",
			of:   func(pkg string) bool { return under(pkg, "models/onnxfile") },
			bad:  func(dep string) bool { return ours(dep) && !under(dep, "models/onnxfile", "models/graph/onnxpb") },
		},
		{
			name: "a model's contract knows neither the user's library nor an inference engine",
			of:   func(pkg string) bool { return pkg == "models" },
			bad: func(dep string) bool {
				return under(dep, "models/library", "models/ort", "models/simulate", "models/convert", "models/networks", "models/weights", "models/tfjs")
			},
		},
		{
			name: "the library knows models and no inference engine",
			of:   func(pkg string) bool { return under(pkg, "models/library") },
			bad: func(dep string) bool {
				return under(dep, "models/ort", "models/simulate", "models/convert", "models/networks", "models/weights", "models/tfjs")
			},
		},
		{
			name: "the cluster simulator and the log analyser run nothing",
			of:   func(pkg string) bool { return under(pkg, "bench/simulator", "bench/ranks") },
			bad:  func(dep string) bool { return under(dep, "scorer", "models/ort", "deploy", "cmd", runtime) },
		},
		{
			name: "models know no pipeline, no ranks and no command, only how lines of the log are named",
			of:   func(pkg string) bool { return under(pkg, "models") },
			bad: func(dep string) bool {
				return under(dep, "scorer", "shard", "cmd", "bench", "deploy") && dep != module+"/scorer/telemetry/event"
			},
		},
		{
			name: "what is chosen and evaluated of a result knows nothing of the project",
			of:   func(pkg string) bool { return pkg == "scorer/review/choose" || pkg == "scorer/review/evaluate" },
			bad:  ours,
		},
		{
			name: "the pipeline knows nothing of the reports on its results",
			of:   func(pkg string) bool { return under(pkg, "scorer") && !under(pkg, "scorer/review") },
			bad:  func(dep string) bool { return under(dep, "scorer/review") },
		},
		{
			name: "the kinds of lines of the log know nothing of the project",
			of:   func(pkg string) bool { return pkg == "scorer/telemetry/event" },
			bad:  ours,
		},
		{
			name: "launchers know no inference engine and, of the pipeline, only the store and its places",
			of:   func(pkg string) bool { return under(pkg, "deploy") },
			bad: func(dep string) bool {
				return under(dep, "models/ort", "models/simulate", "cmd", "bench", runtime) ||
					under(dep, "scorer") && dep != module+"/scorer/store" && dep != module+"/scorer/store/place"
			},
		},
	}
	// Besides, what launches on one engine knows no other, and the record none.
	// The engines are those that are listed.
	alone := []string{"deploy/record"}
	for _, path := range packages(t, "Imports")["deploy/engines"] {
		if under(path, "deploy") && path != module+"/deploy" {
			alone = append(alone, strings.TrimPrefix(path, module+"/"))
		}
	}
	if len(alone) < 6 {
		t.Errorf("deploy/engines lists %q, want five engines or more", alone[1:])
	}
	for i, folder := range alone {
		others := slices.Delete(slices.Clone(alone), i, i+1)
		rules = append(rules, rule{
			folder + " knows none of its siblings",
			func(pkg string) bool { return under(pkg, folder) },
			func(dep string) bool { return under(dep, append(others, "deploy/engines")...) },
		})
	}
	// A codec knows what all codecs share, its own parts, and no other codec. The codecs are the
	// packages that the table of formats imports.
	const preprocess = "models/preprocess"
	shared := []string{preprocess + "/codec", preprocess + "/exif", preprocess + "/ifd", "models/device/sharedlib"}
	codecs := 0
	for _, path := range packages(t, "Imports")[preprocess] {
		if !under(path, preprocess) || under(path, append(shared, preprocess+"/budget")...) {
			continue
		}
		codecs++
		folder := strings.TrimPrefix(path, module+"/")
		rules = append(rules, rule{
			name: folder + " knows no other codec",
			of:   func(pkg string) bool { return pkg == folder },
			bad:  func(dep string) bool { return ours(dep) && !under(dep, append(shared, folder)...) },
		})
	}
	if codecs < 6 {
		t.Errorf("the table of formats imports %d codecs, want six or more", codecs)
	}
	rules = append(rules, rule{
		name: "code shared by codecs knows no codec",
		of:   func(pkg string) bool { return under(pkg, shared...) },
		bad:  func(dep string) bool { return ours(dep) && !under(dep, shared...) },
	})
	// Every package may use the leaves, so no rule counts them, and they know nothing
	// of the project. Messages anywhere suggest commands, whose words are quoted for a
	// shell. Models, launchers, commands and stores all write files that must appear
	// whole, and there is one way to do so. So do lines and tables that fit a terminal,
	// and text from outside that must do no harm there.
	leaves := []string{"deploy/shellquote", "scorer/store/atomicfile", "scorer/telemetry/columns", "scorer/telemetry/printable"}
	for _, leaf := range leaves {
		rules = append(rules, rule{
			name: leaf + " knows nothing of the project",
			of:   func(pkg string) bool { return pkg == leaf },
			bad:  ours,
		})
	}
	all := packages(t, "Deps")
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			held := 0
			for pkg, deps := range all {
				if !rule.of(pkg) {
					continue
				}
				held++
				for _, dep := range deps {
					if !under(dep, leaves...) && rule.bad(dep) {
						t.Errorf("%s depends on %s", pkg, dep)
					}
				}
			}
			if held == 0 {
				t.Error("the rule holds for no package: it was renamed, and the rule was not")
			}
		})
	}
}

// TestImporters checks which packages may import what directly.
func TestImporters(t *testing.T) {
	for _, rule := range []struct {
		imported string
		by       []string // these and what lies beneath them
	}{
		{imported: "github.com/yalue/onnxruntime_go", by: []string{"models/ort"}},
		{imported: "models/ort", by: []string{"cmd", "bench"}},
		{imported: "scorer/store/azblob", by: []string{"cmd", "bench"}},
		{imported: "deploy/arm", by: []string{"deploy/azureml", "deploy/batchai"}},
		// A reference for tests: requests are small enough without it.
		{imported: "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager", by: nil},
	} {
		for pkg, imports := range packages(t, "Imports") {
			for _, path := range imports {
				if under(path, rule.imported) && !under(pkg, rule.by...) && !under(pkg, rule.imported) {
					t.Errorf("%s imports %s: only tests may, and %q", pkg, path, rule.by)
				}
			}
		}
	}
}

// TestTopLevel checks that the root of the repository has only its folders and the
// files that belong there.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		"cmd", "scorer", "shard", "models", "bench", "deploy", "docs",
		"go.mod", "go.sum", "Makefile", "BENCHMARKS.md", "README.md", "LICENSE", "NOTICE", "SECURITY.md",
	}
	for _, file := range trackedFiles(t) {
		top, _, _ := strings.Cut(file, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) {
			t.Errorf("%s: %s has no place at the top level", file, top)
		}
	}
}

// TestNoRegistryHosts keeps the hosts of package registries out of the repository:
// packages are named, and the installed client knows where to get them.
func TestNoRegistryHosts(t *testing.T) {
	// In pieces, so that this file does not hold them.
	var hosts [][]byte
	for _, host := range [][]string{
		{"registry", "npmjs", "org"}, {"registry", "yarnpkg", "com"},
		{"proxy", "golang", "org"}, {"sum", "golang", "org"}, {"goproxy", "io"},
		{"deb", "debian", "org"}, {"ftp", "debian", "org"}, {"archive", "ubuntu", "com"},
		{"files", "pythonhosted", "org"}, {"pypi", "org"}, {"static", "crates", "io"},
		{"repo1", "maven", "org"},
	} {
		hosts = append(hosts, []byte(strings.Join(host, ".")))
	}
	for _, file := range trackedFiles(t) {
		data, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if os.IsNotExist(err) {
			continue // removed in the working tree, not yet in the index
		}
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.ToLower(data)
		for _, host := range hosts {
			if bytes.Contains(data, host) {
				t.Errorf("%s names the registry host %s", file, host)
			}
		}
	}
}
