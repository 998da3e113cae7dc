package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/deploy/arm/armtest"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// block is a fenced block of a Markdown file.
type block struct {
	line int    // of the opening fence, from 1
	info string // what follows the opening fence on its line
	text string
}

// fencedBlocks returns the fenced blocks of a Markdown file, in order. The file
// is named relative to the repository's root.
func fencedBlocks(t testing.TB, file string) []block {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	n := 0
	for line := range strings.Lines(string(body)) {
		n++
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{line: n, info: info}
		case fence:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the fence is not closed", file, open.line)
	}
	return all
}

// guideBlocks returns the fenced blocks of a guide, of which there must be some.
func guideBlocks(t testing.TB, guide string) []block {
	t.Helper()
	all := fencedBlocks(t, "docs/"+guide)
	if len(all) == 0 {
		t.Fatalf("docs/%s has no fenced block", guide)
	}
	return all
}

// notRun are the programs whose commands the guides show and this test cannot
// execute: they need Azure, a cluster or root, or another test executes them. The marker in
// the guide says more.
var notRun = []string{"az ", "azcopy ", "kubectl ", "docker ", "install ", "useradd ", "systemctl ", "systemd-sysusers ", "apt-get ", "sudo ",
	"make image", "jq "}

// office is an environment in which the commands of a guide are executed: the
// real mpirun and Azurite, and fakes of Azure's resource manager and of kubectl.
type office struct {
	t        testing.TB
	folder   string
	env      []string
	endpoint string            // of the fake resource manager
	printed  string            // by the last commands
	photos   *container.Client // of the collection
	before   map[string]func()
}

func newOffice(t *testing.T) *office {
	t.Helper()
	needMpirun(t)
	blobs := azuritetest.Start(t)
	cloud := armtest.NewAzureML(t)
	cloud.Logs = [][]string{{"Worker 0 needs to process 3 images\n", "Worker 0 Processed 3 images, took 0:00:01\n"}}
	cloud.Check(t)
	o := &office{t: t, folder: t.TempDir(), endpoint: cloud.URL, before: map[string]func(){}}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, name := range []string{"batchscore", "kubectl"} {
		if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	o.env = append(newDesk(t).env,
		"PATH="+bin+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+t.TempDir(), fakeKubectlVar+"="+t.TempDir(),
		arm.TokenVariable+"="+armtest.Token,
		"AZURE_STORAGE_CONNECTION_STRING=AccountName="+azuritetest.Account+";AccountKey="+blobs.Key+";BlobEndpoint="+blobs.Endpoint+"/"+azuritetest.Account)

	// The collection of the guides. One of its images is broken.
	for _, container := range []string{"photos", "labels", "models"} {
		if _, err := blobs.Client().CreateContainer(t.Context(), container, nil); err != nil {
			t.Fatal(err)
		}
	}
	photos := blobs.Client().NewContainerClient("photos")
	o.photos = photos
	for i := range 24 {
		body := picture(t, i)
		if i == 7 {
			body = body[:len(body)/2]
		}
		name := fmt.Sprintf("2019/street %d/%04d.jpg", i%3, i)
		if _, err := photos.NewBlockBlobClient(name).Upload(t.Context(), streaming.NopCloser(bytes.NewReader(body)), nil); err != nil {
			t.Fatal(err)
		}
	}
	model, err := os.ReadFile(tiny(t, graphtest.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(o.folder, "model.onnx"), model)
	return o
}

// acme is the storage account of the guides.
const acme = "az://acme/"

// here returns the text with the guides' account and endpoint replaced by those
// of this test.
func (o *office) here(text string) string {
	text = strings.ReplaceAll(text, acme, "az://"+azuritetest.Account+"/")
	return strings.ReplaceAll(text, "azureml:\n", "azureml:\n  endpoint: "+o.endpoint+"\n")
}

// run executes a block of a guide in the office's folder.
func (o *office) run(b block) {
	o.t.Helper()
	// A variable exported in one block is set in those that follow.
	kept := filepath.Join(o.folder, ".environment")
	script := "[ ! -e " + kept + " ] || . " + kept + "\n" + o.here(b.text) + "\nexport -p | grep BATCHSCORE_SERVICE >" + kept + " || true\n"
	cmd := process(o.t, o.env, "bash", "-euc", script)
	cmd.Dir = o.folder
	r := finish(o.t, cmd)
	if r.code != 0 {
		logged, _ := os.ReadFile(filepath.Join(o.folder, "night.log"))
		o.t.Fatalf("line %d:\n%s%v%s", b.line, b.text, r, logged)
	}
	o.printed = r.stdout + r.stderr
}

// What differs from one run to the next.
var (
	anID     = regexp.MustCompile(`-\d{6}-\d{6}-[a-z0-9]{4}`)
	moment   = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	took     = regexp.MustCompile(`\d+:\d\d:\d\d(\.\d+)?`)
	since    = regexp.MustCompile(`\([0-9smhd]+ ago\)`)
	quantity = regexp.MustCompile(`\d+\.\d+ (kB|MB|images/s)`)
	spaces   = regexp.MustCompile(` +`)
)

// normalized returns the text without what differs from one run to the next.
func normalized(text string) string {
	for _, of := range []struct {
		pattern *regexp.Regexp
		is      string
	}{{
		pattern: anID,
		is:      "-ID",
	}, {
		pattern: moment,
		is:      "DATE",
	}, {pattern: took, is: "TIME"}, {pattern: since, is: "(AGO)"}, {pattern: quantity, is: "SOME $1"}, {pattern: spaces, is: " "}} {
		text = of.pattern.ReplaceAllString(text, of.is)
	}
	return text
}

// shows checks that the last commands printed the lines of a block, in order.
func (o *office) shows(b block) {
	o.t.Helper()
	printed := strings.ReplaceAll(o.printed, "az://"+azuritetest.Account+"/", acme)
	printed = normalized(strings.ReplaceAll(printed, o.folder, "/work"))
	rest := printed
	for line := range strings.Lines(b.text) {
		_, after, found := strings.Cut(rest, normalized(strings.TrimSpace(line)))
		if !found {
			o.t.Errorf("line %d: the guide shows %q, but the commands printed\n%s", b.line, strings.TrimSpace(line), printed)
			return
		}
		rest = after
	}
}

// through executes a guide from its first block to its last.
func (o *office) through(t *testing.T, guide string) {
	t.Helper()
	executed, shown := 0, 0
	for _, b := range guideBlocks(t, guide) {
		kind, more, _ := strings.Cut(b.info, " ")
		reason, marked := strings.CutPrefix(more, "not-run: ")
		file, named := strings.CutPrefix(more, "file=")
		switch {
		case kind == "sh" && more == "":
			for _, line := range strings.Split(b.text, "\n") {
				if before := o.before[line]; before != nil {
					before()
				}
			}
			o.run(b)
			executed++
		case kind == "sh" && marked && len(reason) > 10:
			for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", "")) {
				known := strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#")
				for _, program := range notRun {
					known = known || strings.HasPrefix(line, program)
				}
				if !known {
					t.Errorf("%s:%d: %q is marked as not run, but can be executed", guide, b.line, line)
				}
			}
			t.Logf("%s:%d: not run: %s", guide, b.line, reason)
		case (kind == "yaml" || kind == "ini") && named:
			writeFile(t, filepath.Join(o.folder, file), []byte(o.here(b.text)))
		case kind == "text" && more == "":
			o.shows(b)
			shown++
		default:
			t.Errorf("%s:%d: a block of %q: want sh, sh not-run: REASON, yaml file=NAME, ini file=NAME or text", guide, b.line, b.info)
		}
	}
	t.Logf("%s: %d blocks of commands executed, %d outputs compared", guide, executed, shown)
}

// TestAdministratorGuide executes docs/administrator.md.
func TestAdministratorGuide(t *testing.T) {
	t.Parallel()
	newOffice(t).through(t, "administrator.md")
}

// TestOperatorGuide executes docs/operator.md. Before its second night, images come, change and go.
func TestOperatorGuide(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const second = "batchscore run --images az://acme/photos --out az://acme/labels/2026-11-29 --after az://acme/labels --model model.onnx \\"
	o.before[second] = func() {
		for i, name := range map[int]string{30: "2026/0030.jpg", 31: "2026/0031.jpg", 32: "2019/street 2/0008.jpg"} {
			if _, err := o.photos.NewBlockBlobClient(name).Upload(t.Context(), streaming.NopCloser(bytes.NewReader(picture(t, i))), nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := o.photos.NewBlobClient("2019/street 0/0000.jpg").Delete(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	o.through(t, "operator.md")
	labels, err := os.ReadFile(filepath.Join(o.folder, "labels-2026-11-29.csv"))
	if err != nil || bytes.Count(labels, []byte("\n")) != 1+24+2-1 {
		t.Errorf("the file of the rows after the second night has %d lines (%v), want 26: a header, and the whole collection", bytes.Count(labels, []byte("\n")), err)
	}
}

// TestPractitionerGuide executes docs/practitioner.md, with the service.yaml of
// the other guide. What the ranks on Azure would do, ranks on this machine do.
func TestPractitionerGuide(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, b := range guideBlocks(t, "administrator.md") {
		if b.info == "yaml file=service.yaml" {
			path := filepath.Join(t.TempDir(), "service.yaml")
			writeFile(t, path, []byte(o.here(b.text)))
			o.env = append(o.env, serviceVar+"="+path)
		}
	}
	o.run(block{text: "batchscore cluster create gpus --to azureml --vm-size Standard_NC96ads_A100_v4 --max 8 --priority low"})
	o.before["batchscore launch --to azureml -f job.yaml"] = func() {
		o.run(block{text: "batchscore run --images az://acme/photos/2019 --out az://acme/labels/2019 --model model.onnx --chunk 4"})
	}
	o.before["batchscore export sample-labels --to csv --truth project-1.json --wrong -o mistakes.csv"] = func() {
		o.run(block{text: "batchscore show sample-labels --json --limit 1 --columns path"})
		line, _, _ := strings.Cut(o.printed, "\n")
		writeFile(t, filepath.Join(o.folder, "project-1.json"), []byte(`[{"id":1,"data":`+line+
			`,"annotations":[{"result":[{"type":"choices","from_name":"label","to_name":"image","value":{"choices":["something else"]}}]}]}]`))
	}
	o.through(t, "practitioner.md")
	if labels, err := os.ReadFile(filepath.Join(o.folder, "labels", "labels.jsonl")); err != nil || bytes.Count(labels, []byte("\n")) != 24 {
		t.Errorf("labels.jsonl after the guide has %d lines (%v), want 24", bytes.Count(labels, []byte("\n")), err)
	}
}

// TestJudgingGuide executes docs/judging.md, on images in two folders, one of them broken.
func TestJudgingGuide(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 24 {
		body := picture(t, i)
		if i == 7 {
			body = body[:len(body)/2]
		}
		folder := filepath.Join(o.folder, "photos", []string{"cat", "dog"}[i%2])
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(folder, fmt.Sprintf("%04d.jpg", i)), body)
	}
	o.through(t, "judging.md")
	for _, page := range []string{"report.html", "report-truth.html", "changes.html"} {
		if body, err := os.ReadFile(filepath.Join(o.folder, page)); err != nil || !bytes.HasSuffix(bytes.TrimSpace(body), []byte("</html>")) {
			t.Errorf("%s is not a whole page: %d bytes, %v", page, len(body), err)
		}
	}
}
