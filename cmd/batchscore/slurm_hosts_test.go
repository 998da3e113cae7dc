package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/hosttest"
	"github.com/batchscore/batchscore/deploy/slurm/slurmtest"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// slurmImages is how many images a job of TestSlurmHosts scores.
const slurmImages = 180

// The hosts of TestSlurmHosts: where jobs are launched, slurmctld and the accounts, the
// nodes, and the emulator of blob storage.
const (
	slurmLogin   = "login"
	slurmControl = "control"
	slurmStore   = "store"
)

var slurmNodes = []string{"n1", "n2", "n3"}

// places in which a job has its images and its output.
const (
	inFolder = "folder"
	inBlobs  = "azurite"
)

// slurmHosts are a Slurm of three nodes and what its jobs score.
type slurmHosts struct {
	*testing.T
	hosts  *hosttest.Hosts
	slurm  *slurmtest.Nodes
	self   string
	shared string
	model  string
	// env is what signs in to the emulator.
	env      []string
	endpoint string
	// alone are the merged rows of one rank that nobody disturbed, by place.
	alone map[string][]byte
}

func newSlurmHosts(t *testing.T) *slurmHosts {
	emulator := azuritetest.Program(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &slurmHosts{T: t, self: self, shared: t.TempDir(), alone: map[string][]byte{}}
	s.model = filepath.Join(s.shared, "model.onnx")
	body, err := os.ReadFile(tiny(t, graphtest.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.model, body)
	for i := range slurmImages {
		writeFile(t, filepath.Join(s.shared, "images", fmt.Sprintf("year %d", i%3), fmt.Sprintf("%05d.jpg", i)), picture(t, i))
	}
	names := append([]string{slurmControl, slurmLogin, slurmStore}, slurmNodes...)
	library, err := filepath.EvalSymlinks(os.Getenv("ONNXRUNTIME_LIB"))
	if err != nil {
		t.Fatal(err)
	}
	s.hosts = hosttest.Start(t, hosttest.Plan{Names: names, Shared: []string{s.shared},
		ReadOnly: []string{filepath.Dir(self), filepath.Dir(os.Getenv("ONNXRUNTIME_LIB")), filepath.Dir(library), filepath.Dir(emulator)}})
	s.slurm = slurmtest.StartNodes(t, s.hosts, slurmControl, slurmNodes, []string{slurmLogin})

	s.startStore(emulator, names)
	s.must(0, append([]string{"sample", "--images", filepath.Join(s.shared, "images"), "--out", s.place(inBlobs, "images"),
		"-n", fmt.Sprint(slurmImages), "--create-container"}, s.env...)...)
	s.service(slurmtest.High)
	for _, place := range []string{inFolder, inBlobs} {
		out := s.place(place, "alone")
		s.must(0, append([]string{"run", "--images", s.place(place, "images"), "--out", out, "--model", s.model,
			"--provider", "simulate:rate=1000,batch=4", "--chunk", "4"}, s.storage(place)...)...)
		s.alone[place] = s.merged(place, out)
	}
	if !bytes.Equal(s.alone[inFolder], s.alone[inBlobs]) {
		t.Fatal("the rows from the folder and from the emulator differ")
	}
	return s
}

// service writes service.yaml with a partition, and more settings.
func (s *slurmHosts) service(partition string, more ...string) {
	s.Helper()
	text := fmt.Sprintf("slurm: {partition: %s, low: {partition: low}, folder: %s", partition, filepath.Join(s.shared, "jobs"))
	writeFile(s, filepath.Join(s.shared, "service.yaml"), []byte(strings.Join(append([]string{text}, more...), ", ")+"}\n"))
}

func (s *slurmHosts) place(kind, name string) string {
	if kind == inFolder {
		return filepath.Join(s.shared, name)
	}
	return "az://" + azuritetest.Account + "/scores/" + name
}

// storage are the flags that reach a place.
func (s *slurmHosts) storage(place string) []string {
	if place == inFolder {
		return nil
	}
	return s.env
}

// command returns batchscore on the host where jobs are launched.
func (s *slurmHosts) command(args ...string) *exec.Cmd {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 2*processTimeout)
	s.Cleanup(cancel)
	cmd := s.hosts.Host(slurmLogin).Command(ctx, append([]string{s.self}, args...)...)
	cmd.Env = append(cmd.Env, asBatchscore+"=1", "ONNXRUNTIME_LIB="+os.Getenv("ONNXRUNTIME_LIB"), "BATCHSCORE_SERVICE="+filepath.Join(s.shared, "service.yaml"))
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func (s *slurmHosts) batchscore(args ...string) processResult {
	s.Helper()
	began := time.Now()
	r := finish(s, s.command(args...))
	if args[0] == "jobs" {
		s.Logf("%v %s: exit code %d\n%s%s", time.Since(began).Round(100*time.Millisecond), strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

func (s *slurmHosts) must(code int, args ...string) processResult {
	s.Helper()
	r := s.batchscore(args...)
	if r.code != code {
		s.Fatalf("batchscore %s: got %v, want exit code %d", strings.Join(args, " "), r, code)
	}
	return r
}

func (s *slurmHosts) merged(place, out string) []byte {
	s.Helper()
	file := filepath.Join(s.shared, "merged.jsonl")
	_ = os.Remove(file) // of an earlier output
	s.must(0, append([]string{"merge", out, "-o", file}, s.storage(place)...)...)
	body, err := os.ReadFile(file)
	if err != nil {
		s.Fatal(err)
	}
	return body
}

// slurmJob is a job that is launched and followed.
type slurmJob struct {
	s          *slurmHosts
	name       string
	place, out string
	alone      string // which of the rows of one rank its own are compared with
	file       string
	began      time.Time

	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	ended          chan processResult
	took           time.Duration
}

// launch launches a job as a user does, and follows it.
func (s *slurmHosts) launch(name, place string, change func(*deploy.Job)) *slurmJob {
	s.Helper()
	j := &slurmJob{s: s, name: name + "-" + place, place: place, alone: place, began: time.Now()}
	j.out = s.place(place, "out-"+name)
	job := deploy.Job{
		Name: j.name, Images: s.place(place, "images"), Out: j.out, Model: s.model, Nodes: 3,
		Run:         map[string]string{"chunk": "4", "provider": "simulate:rate=2,batch=2", "lease": "20s"},
		Environment: map[string]string{asBatchscore: "1", "ONNXRUNTIME_LIB": os.Getenv("ONNXRUNTIME_LIB")},
	}
	if place == inBlobs { // where looking at the output takes longer
		slowly(&job)
		job.Run["endpoint"], job.Run["credentials"] = s.endpoint, s.env[3]
	}
	if change != nil {
		change(&job)
	}
	body, err := yaml.Marshal(job)
	if err != nil {
		s.Fatal(err)
	}
	j.file = filepath.Join(s.shared, j.name+".yaml")
	writeFile(s, j.file, body)
	j.start()
	return j
}

func (j *slurmJob) start() {
	j.s.Helper()
	j.stdout, j.stderr, j.ended = bytes.Buffer{}, bytes.Buffer{}, make(chan processResult, 1)
	j.cmd = j.s.command("launch", "--to", "slurm", "-f", j.file)
	j.cmd.Stdout, j.cmd.Stderr = &j.stdout, &j.stderr
	j.began = time.Now()
	if err := j.cmd.Start(); err != nil {
		j.s.Fatal(err)
	}
	go func() {
		err := j.cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			fmt.Fprintf(&j.stderr, "%v\n", err)
		}
		j.ended <- processResult{j.cmd.ProcessState.ExitCode(), j.stdout.String(), j.stderr.String()}
	}()
}

// end waits for the end of launch.
func (j *slurmJob) end() processResult {
	j.s.Helper()
	r := <-j.ended
	j.took = time.Since(j.began)
	j.s.Logf("%s: launch ended with %d after %v:\n%s", j.name, r.code, j.took.Round(100*time.Millisecond), unusual(r))
	return r
}

// unusual are the lines of launch that are not routine.
func unusual(r processResult) string {
	var b strings.Builder
	for line := range strings.Lines(r.stdout + r.stderr) {
		if !strings.Contains(line, `{"level":"info"`) && !strings.Contains(line, "| Worker ") {
			b.WriteString("    " + line)
		}
	}
	return b.String()
}

// progress returns how many images have their row.
func (j *slurmJob) progress() int {
	j.s.Helper()
	r := finish(j.s, j.s.command(append([]string{"jobs", "status", "--json", j.out}, j.s.storage(j.place)...)...))
	var report struct {
		Progress *output.Progress `json:"progress"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Progress == nil {
		return 0
	}
	return report.Progress.ImagesDone
}

// scored waits until so many images have their row.
func (j *slurmJob) scored(n int) {
	j.s.Helper()
	for end := time.Now().Add(processTimeout); j.progress() < n; time.Sleep(200 * time.Millisecond) {
		select {
		case r := <-j.ended:
			j.s.Fatalf("%s has ended: %v\n%s", j.name, r, j.s.slurm.Logs())
		default:
		}
		if time.Now().After(end) {
			j.s.Fatalf("%s has not scored %d images\n%s%s", j.name, n, j.stderr.String(), j.s.slurm.Logs())
		}
	}
}

// complete checks the output and returns a line for the table.
func (j *slurmJob) complete(codes ...int) string {
	j.s.Helper()
	verified := j.s.batchscore(append([]string{"verify", "--json", j.out}, j.s.storage(j.place)...)...)
	var report output.Report
	if err := json.Unmarshal([]byte(verified.stdout), &report); err != nil || verified.code != 0 || !report.Complete || report.Rows != slurmImages {
		j.s.Errorf("%s: verify: %v, %v", j.name, err, verified)
	}
	doubled, lost, same := -1, -1, false
	if verified.code == 0 {
		rows := map[string]int{}
		merged := j.s.merged(j.place, j.out)
		for line := range bytes.Lines(merged) {
			var row struct{ Path string }
			if err := json.Unmarshal(line, &row); err != nil {
				j.s.Errorf("%s: %v in %q", j.name, err, line)
			}
			rows[row.Path]++
		}
		lost, doubled = slurmImages-len(rows), 0
		for _, n := range rows {
			doubled += n - 1
		}
		if same = bytes.Equal(merged, j.s.alone[j.alone]); !same {
			j.s.Errorf("%s: the merged rows differ from those of one rank", j.name)
		}
	}
	reruns := make([]string, len(codes)-1)
	for i, code := range codes[1:] {
		reruns[i] = fmt.Sprint(code)
	}
	if doubled+lost != 0 {
		j.s.Errorf("%s: %d images lost, %d doubled", j.name, lost, doubled)
	}
	return fmt.Sprintf("slurm | %s | %s | %d | %.0f | %s | %d/%d | %d | %d | %t | %t", j.place, strings.TrimSuffix(j.name, "-"+j.place),
		codes[0], j.took.Seconds(), strings.Join(reruns, ", "), report.Rows, slurmImages, lost, doubled, verified.code == 0, same)
}
