package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// archived returns the files of a bug report by name.
func archived(t *testing.T, file string) map[string]string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, "batchscore-bug-report/")
		if !ok || h.Typeflag != tar.TypeReg || h.Mode != 0o600 || !filepath.IsLocal(name) {
			t.Errorf("the archive has %q of type %q and mode %o", h.Name, h.Typeflag, h.Mode)
		}
		files[name] = string(text)
	}
}

// spellings are the forms in which a log or a record may have a secret.
func (p *planting) spellings() []string {
	var lines []string
	for i, form := range []string{
		"https://acme.blob.core.windows.net/c?sv=1&sig=%[2]s&se=2", "x?sig=%[2]s", "X?SIG=%[2]s", "x%%3Fsig%%3D%[2]s", `{"url":"x?a=b\u0026sig=%[2]s"}`,
		"SharedAccessSignature=sv=1&sig=%[2]s", "AccountName=acme;AccountKey=%[1]s;EndpointSuffix=x", "Authorization: SharedKey acme:%[1]s",
		"Authorization: Bearer %[1]s", "authorization: bearer %[1]s", "Authorization: Basic %[3]s", "proxy http://user:%[2]s@proxy:1/",
		`password: %[1]s`, `PASSWORD="%[1]s"`, `{"token":"%[1]s"}`, `{"error":"said \"token\": \"%[1]s\""}`, "api_key=%[1]s", "apikey: %[1]s",
		"AWS_SECRET_ACCESS_KEY=%[1]s", "PGPASSWORD=%[1]s", "Set-Cookie: %[1]s", "x-signature: %[1]s", "client_secret=%[2]s&grant=1",
		"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.%[4]s", "-----BEGIN PRIVATE KEY-----\n%[1]s\n-----END PRIVATE KEY-----",
	} {
		s := p.secret(fmt.Sprint("spelling ", i, " of a log"), 24)
		p.secrets[fmt.Sprint("basic ", i)] = base64.StdEncoding.EncodeToString([]byte("user:" + s))
		plain := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(s)
		p.secrets[fmt.Sprint("plain ", i)] = plain
		lines = append(lines, fmt.Sprintf(form+"%[5]s", s, url.QueryEscape(s), p.secrets[fmt.Sprint("basic ", i)], plain, ""))
	}
	return lines
}

// TestBugReport plants secrets wherever a report takes its texts from, and puts links
// and pipes where it looks for files.
func TestBugReport(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	p := plant(t)
	p.program = plainProgram(t) // it looks for secrets in megabytes of logs
	p.env = append(p.env, "ONNXRUNTIME_LIB="+os.Getenv("ONNXRUNTIME_LIB"), "UNKNOWN_VARIABLE="+p.secret("a variable", 24),
		"DB_PASSWORD="+p.secret("a variable that sounds secret", 24), "HARMLESS_NAME="+p.secret("a harmless variable", 24))
	in, out := pictures(t, 4), filepath.Join(p.home, "out")
	const private = "patient-4711.jpg"
	writeFile(t, filepath.Join(in, "batch 0", private), []byte("GIF89a"))
	if r := p.run(t, nil, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--max-errors", "100%"); r.code != 0 {
		t.Fatal(r)
	}
	lines := strings.Join(p.spellings(), "\n") + "\n"
	for _, name := range []string{"DB_PASSWORD", "PLANTED"} {
		for _, v := range p.env {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				lines += "it said " + value + " and " + url.QueryEscape(value) + "\n"
			}
		}
	}
	lines += "the key of the file: " + p.secret("the credentials", 64) + "\n" + "the file of the job: " + p.secret("a file of the job", 24) + "\n"
	lines += `{"level":"warn","image":"batch 0/` + private + `","message":"of batch 0/` + private + `"}` + "\n"
	file := func(name string, text string) string {
		t.Helper()
		at := filepath.Join(p.home, name)
		writeFile(t, at, []byte(text))
		return at
	}
	file("out/_batchscore/workers/planted.json", lines)
	file("logs/plain.log", lines)
	file("logs/a/deeper.log", lines)
	outside := file("outside", p.secret("a file outside", 24))
	fileSecret := file("job-secret", p.secrets["a file of the job"]+"\n")
	credentials := file("credentials", "AZURE_STORAGE_KEY="+p.secrets["the credentials"]+"\n")
	job := file("job.yaml", "# password "+p.secret("a comment", 24)+"\nname: nightly\nimages: in\nout: out\nmodel: m.onnx\n"+
		"environment:\n  OMP_NUM_THREADS: \"2\"\n  MINE: "+p.secret("the environment", 24)+"\n"+
		"secrets:\n  A: {env: PLANTED}\n  B: {file: "+fileSecret+"}\nrun: {endpoint: \"https://user:"+url.QueryEscape(p.secret("a flag", 24))+"@host\"}\n")
	// The cut of a huge log is within a line that ends with a secret.
	huge, err := os.Create(filepath.Join(p.home, "logs", "huge.log"))
	if err != nil {
		t.Fatal(err)
	}
	secret := p.secret("a line that is cut", 24)
	p.secrets["half of a line that is cut"] = secret[16:]
	const last = "\nthe last line\n"
	ending := secret[16:] + "\n" + strings.Repeat("x", mostOfFile-len(secret[16:])-1-len(last)) + last
	if _, err := huge.WriteAt([]byte("sig="+secret[:16]+ending), 1<<34); err != nil {
		t.Fatal(err)
	}
	if err := huge.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(p.home, "logs", "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(p.home, "logs", "link.log")); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(p.home, "state", "batchscore")
	book := record.Open(filepath.Join(state, "jobs"))
	id := "nightly-20261130-120000-abcdef"
	launched := record.Record{ID: id, Engine: "local", Launched: time.Now(), Phase: record.Done,
		Job: deploy.Job{Name: "nightly", Environment: map[string]string{"MINE": p.secrets["the environment"]}}}
	if err := book.Create(launched); err != nil {
		t.Fatal(err)
	}
	file("state/batchscore/local/"+id+"/log", lines)
	file("state/batchscore/local/"+id+"/run.sh", p.secret("a script", 24))
	if err := os.Symlink("run.sh", filepath.Join(state, "local", id, "started")); err != nil {
		t.Fatal(err)
	}

	where := filepath.Join(p.home, "home", "report.tar.gz")
	asked := []string{"doctor", "--bug-report", where, "--out", out, "--job", job, "--credentials", credentials}
	r := p.run(t, nil, asked...)
	if r.code != 0 {
		t.Fatal(r)
	}
	if info, err := os.Stat(where); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive: %v, %v, want the mode 0600", info, err)
	}
	files := archived(t, where)
	p.checkReport(t, r.stdout, files, "version.json", "doctor.txt", "environment.txt", "machine.txt", "job.yaml", "output/_SUCCESS",
		"output/_batchscore_job.json", "output/_batchscore_workers_planted.json", "output/errors.txt",
		"jobs/"+id+".yaml", "logs/"+id+"/log", contentsFile)
	for name, want := range map[string]string{
		"version.json": `"decoding"`, "doctor.txt": "ok       ONNX Runtime", "environment.txt": "AZURE_CLIENT_SECRET is set", "machine.txt": "control groups",
		"job.yaml": `OMP_NUM_THREADS: "2"`, "output/errors.txt": "4 ok", "logs/" + id + "/log": "REDACTED", contentsFile: "started: not a regular file",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s does not say %q:\n%s", name, want, files[name])
		}
	}
	if n := strings.Count(files["logs/"+id+"/log"], "REDACTED"); n < 25 {
		t.Errorf("%d secrets were found in a log:\n%s", n, files["logs/"+id+"/log"])
	}
	for name, text := range files {
		if strings.Contains(text, private) || strings.Contains(text, "00001.jpg") {
			t.Errorf("%s names an image", name)
		}
	}

	before, _ := os.ReadFile(where)
	if r := p.run(t, nil, asked...); r.code != 78 || !strings.Contains(r.stderr, "not replaced") {
		t.Errorf("got %v, want exit code 78", r)
	}
	if after, _ := os.ReadFile(where); !bytes.Equal(before, after) {
		t.Error("the archive was replaced")
	}

	if err := os.Remove(filepath.Join(out, "_batchscore", "workers", "planted.json")); err != nil {
		t.Fatal(err)
	}
	r = p.run(t, nil, "doctor", "--bug-report", "--out", out, "--with-names", "--logs", filepath.Join(p.home, "logs"), "--logs", outside+".none",
		"--logs", filepath.Join(p.home, "logs", "pipe"), "--credentials", credentials, "--job", job)
	made, err := filepath.Glob(filepath.Join(p.home, "home", "batchscore-bug-report-*Z.tar.gz"))
	if r.code != 78 || !strings.Contains(r.stderr, "was written without --logs") || err != nil || len(made) != 1 {
		t.Fatal(r, made, err)
	}
	files = archived(t, made[0])
	p.checkReport(t, r.stdout, files, "logs/logs/plain.log", "logs/logs/a_deeper.log", "logs/logs/huge.log", "output/status.json",
		"output/manifest.jsonl", "output/failed.jsonl")
	if n := len(files["logs/logs/huge.log"]); n < mostOfFile/2 || n > mostOfFile || !strings.HasSuffix(files["logs/logs/huge.log"], "the last line\n") {
		t.Errorf("%d bytes of a huge log", n)
	}
	if !strings.Contains(files["output/failed.jsonl"], private) || !strings.Contains(files["output/manifest.jsonl"], "00001.jpg") {
		t.Error("the names of images are missing")
	}
	for _, want := range []string{"logs/link.log: not a regular file", "logs/pipe: not a regular file", "logs/pipe: open", "outside.none: stat"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("nothing is said of %q:\n%s", want, r.stdout)
		}
	}
	for _, args := range [][]string{{"doctor", "x"}, {"doctor", "--out", "x"}, {"doctor", "--with-names"}, {"doctor", "--bug-report", "az://a/c"}} {
		if r := p.run(t, nil, args...); r.code != 64 {
			t.Errorf("%v: got %v, want exit code 64", args, r)
		}
	}
}

// checkReport searches a report for secrets, and compares what it has with what was printed.
func (p *planting) checkReport(t *testing.T, printed string, files map[string]string, want ...string) {
	t.Helper()
	for name, text := range files {
		p.search(t, name, name+text)
		if !strings.Contains(printed, name) && name != contentsFile {
			t.Errorf("nothing is said of %s:\n%s", name, printed)
		}
	}
	for _, name := range want {
		if _, ok := files[name]; !ok {
			t.Errorf("%s is missing, there are:\n%s", name, printed)
		}
	}
	if !strings.Contains(printed, "Look through it before you send it") {
		t.Errorf("a warning is missing:\n%s", printed)
	}
}

// TestBugReportOfManyFiles: neither the number of logs nor what they hold is without bound.
func TestBugReportOfManyFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for i := range mostLogs + 5 {
		writeFile(t, filepath.Join(folder, fmt.Sprintf("%03d\x1b[2J.log", i)), []byte(strings.Repeat("a line\n", 100)))
	}
	r, s := &bugReport{size: mostOfReport - 20_000}, new(scrubber)
	r.addLogs(t.Context(), s, folder, false)
	if len(r.files) > mostLogs || r.size > mostOfReport || len(r.files) != 28 {
		t.Errorf("%d files of %d bytes", len(r.files), r.size)
	}
	text := r.contents()
	if !strings.Contains(text, "the report would have more than") || !strings.Contains(text, "all but the first 40 files") || strings.Contains(text, "\x1b") {
		t.Errorf("the contents say\n%s", text)
	}
	for _, name := range []string{"../../x", "a/b", "..", "\x00", strings.Repeat("é", 300)} {
		if got := entryName(name); !filepath.IsLocal(path.Join("logs", got)) || strings.Contains(got, "/") || len(got) > 100 {
			t.Errorf("entryName(%q) = %q", name, got)
		}
	}
}

// TestScrubber: values that sound secret are taken out in every form, other texts stay.
func TestScrubber(t *testing.T) {
	t.Parallel()
	s := new(scrubber)
	s.add("DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0/key+==")
	s.add("sv=1&sig=signed%2Fby%2Bme")
	for text, want := range map[string]string{
		"the key c2VjcmV0/key+== alone":              "the key REDACTED alone",
		"signed/by+me and signed%2Fby%2Bme":          "REDACTED and REDACTED",
		`{"secrets":{"A":{"env":"TOKEN"}}}`:          `{"secrets":{"A":{"env":"TOKEN"}}}`,
		"12 tokens, no secret here":                  "12 tokens, no secret here",
		"Basic research and a design=big":            "Basic REDACTED and a design=big",
		"secrets:\n  A:\n    env: STORAGE":           "secrets:\n  A:\n    env: STORAGE",
		"bytes of c2VjcmV0/key+==c2VjcmV0/key+== no": "bytes of REDACTEDREDACTED no",
	} {
		if got := s.text(text); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	if len(s.values) < 6 || !slices.IsSortedFunc(s.values, func(a, b string) int { return len(b) - len(a) }) {
		t.Errorf("values %q are not sorted by length", s.values)
	}
	if _, err := s.yaml([]byte("a: ["), jobShape()); err == nil {
		t.Error("something that is not YAML became a text")
	}
}
