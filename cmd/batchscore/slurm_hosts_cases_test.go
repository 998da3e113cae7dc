package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/slurm/slurmtest"
)

// slurmCase is a scenario. It returns the job and the exit codes of its launches, which
// are those in want, or 0.
type slurmCase struct {
	name   string
	places []string
	want   []int
	run    func(s *slurmHosts, name, place string) (*slurmJob, []int)
}

var (
	bothPlaces = []string{inFolder, inBlobs}
	oneFolder  = []string{inFolder}
	oneBlobs   = []string{inBlobs}
)

func (j *slurmJob) status(args ...string) processResult {
	j.s.Helper()
	return j.s.batchscore(append([]string{"jobs", "status", j.name}, args...)...)
}

// again launches the same job again.
func (j *slurmJob) again() int {
	j.s.Helper()
	j.start()
	return j.end().code
}

func twoNodes(job *deploy.Job) { job.Nodes = 2 }

// slowly makes a job take a minute on three nodes, and longer if it has to begin again.
func slowly(job *deploy.Job) { job.Run["provider"] = "simulate:rate=1,batch=1" }

// atWork fails the test unless launch still follows the job, so that what was done to it
// has hit it while it scored.
func (j *slurmJob) atWork() {
	j.s.Helper()
	select {
	case r := <-j.ended:
		j.s.Fatalf("%s ended before it was disturbed: %v", j.name, r)
	default:
	}
}

var slurmCases = []slurmCase{
	{name: "clean", places: bothPlaces, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		code := j.end().code
		j.status("--check")
		return j, []int{code}
	}},
	{name: "node lost", places: bothPlaces, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(40)
		s.hosts.Host("n3").Lose()
		j.atWork()
		code := j.end().code
		j.status()
		s.Log(s.slurm.State("n3"))
		s.slurm.Return("n3")
		return j, []int{code}
	}},
	{name: "node killed", places: oneBlobs, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(40)
		s.hosts.Host("n3").Kill()
		j.atWork()
		code := j.end().code
		j.status()
		s.slurm.Return("n3")
		return j, []int{code}
	}},
	{name: "first node lost, others free", places: bothPlaces, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, twoNodes)
		j.scored(40)
		s.hosts.Host("n1").Lose()
		j.atWork()
		time.Sleep(slurmtest.NodeTimeout)
		j.status()
		code := j.end().code
		j.status()
		s.slurm.Return("n1")
		return j, []int{code}
	}},
	{name: "first node lost, none free", places: oneBlobs, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(40)
		s.hosts.Host("n1").Lose()
		j.atWork()
		time.Sleep(slurmtest.NodeTimeout + 45*time.Second)
		j.status()
		s.batchscore("jobs", "list", "--limit", "1")
		s.slurm.Return("n1")
		return j, []int{j.end().code}
	}},
	{name: "store cut 5 s", places: oneBlobs, want: nil, run: cutFromStore(5*time.Second, nil)},
	{name: "store cut 60 s", places: oneBlobs, want: nil, run: cutFromStore(time.Minute, nil)},
	{name: "store cut and never joined", places: oneBlobs, want: nil, run: cutFromStore(0, func(job *deploy.Job) { job.Run["patience"] = "15s" })},
	{name: "node cut off 5 s", places: bothPlaces, want: nil, run: isolated("n3", 5*time.Second, nil)},
	{name: "node cut off 60 s", places: bothPlaces, want: nil, run: isolated("n3", time.Minute, nil)},
	{name: "first node cut off 60 s", places: bothPlaces, want: nil, run: isolated("n1", time.Minute, twoNodes)},
	{name: "slurmctld restarted", places: bothPlaces, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.slurm.StopController()
		j.atWork()
		j.status()
		s.batchscore("jobs", "logs", j.name)
		s.batchscore("jobs", "list", "--limit", "1")
		j.status("--check")
		time.Sleep(20 * time.Second)
		s.slurm.StartController()
		code := j.end().code
		j.status()
		return j, []int{code}
	}},
	{name: "slurmctld stays down", places: bothPlaces, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.slurm.StopController()
		j.atWork()
		code := j.end().code
		j.status()
		s.batchscore("jobs", "logs", j.name)
		s.slurm.StartController()
		return j, []int{code}
	}},
	{name: "controller cut off 40 s", places: oneFolder, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.hosts.Isolate(slurmControl)
		j.atWork()
		j.status()
		j.status("--check")
		time.Sleep(20 * time.Second)
		s.hosts.Rejoin(slurmControl)
		return j, []int{j.end().code}
	}},
	{name: "accounting down", places: oneFolder, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.slurm.StopAccounting()
		j.atWork()
		code := j.end().code
		time.Sleep(40 * time.Second) // until Slurm has forgotten it
		s.Log(s.slurm.Say("squeue", "--states=all"))
		j.status("--check")
		_ = os.Remove(s.exitFile(j))
		j.status()
		s.slurm.StartAccounting()
		time.Sleep(10 * time.Second)
		j.status()
		return j, []int{code}
	}},
	{name: "node drained", places: oneFolder, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.slurm.Say("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=memory to be changed")
		j.atWork()
		code := j.end().code
		next := s.launch(name+"-next", place, nil)
		time.Sleep(25 * time.Second)
		next.status()
		s.slurm.Say("scontrol", "update", "NodeName=n2", "State=RESUME")
		return j, []int{code, next.end().code}
	}},
	{name: "canceled", places: bothPlaces, want: []int{143, 0}, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, slowly)
		j.scored(20)
		j.atWork()
		s.must(0, "jobs", "cancel", j.name)
		code := j.end().code
		j.status("--check")
		return j, []int{code, j.again()}
	}},
	{name: "time limit", places: oneFolder, want: []int{143, 0}, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		s.service("high", "grace: 40s")
		j := s.launch(name, place, func(job *deploy.Job) {
			job.TimeLimit = deploy.Duration(time.Minute)
			slowly(job)
		})
		first := j.end().code
		j.status("--check")
		last, launches := first, 1
		for ; last == 143 && launches < 12; launches++ { // each continues for as long as it may
			last = j.again()
		}
		s.Logf("%s: complete after %d launches", j.name, launches)
		return j, []int{first, last}
	}},
	{name: "preempted", places: bothPlaces, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, func(job *deploy.Job) {
			slowly(job)
			job.Priority = deploy.Low
		})
		j.scored(20)
		s.slurm.Say("sbatch", "--partition=high", "--nodes=3", "--exclusive", "--output=/dev/null", "--wrap=sleep 30")
		j.atWork()
		time.Sleep(20 * time.Second)
		j.status()
		code := j.end().code
		log, _ := os.ReadFile(s.log(j))
		if !strings.Contains(string(log), "batchscore: start 1 of ") {
			s.Errorf("%s was not requeued", j.name)
		}
		return j, []int{code}
	}},
	{name: "launch killed", places: oneFolder, want: []int{-1, 0}, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		j.atWork()
		_ = j.cmd.Process.Kill() // nsenter, and with it launch
		code := j.end().code
		checked := 5
		for end := time.Now().Add(processTimeout); checked == 5 && time.Now().Before(end); time.Sleep(5 * time.Second) {
			checked = j.status("--check").code
		}
		return j, []int{code, checked}
	}},
	{name: "no memory", places: oneFolder, want: []int{75, 0}, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		s.service(slurmtest.Tight)
		j := s.launch(name, place, nil)
		code := j.end().code
		if r := j.status("--check"); r.code != 75 || !strings.Contains(r.stdout, "more memory was taken") {
			s.Errorf("%s: %v; want 75 and what to do", j.name, r)
		}
		s.service(slurmtest.High)
		return j, []int{code, j.again()}
	}},
	{name: "first node lost, then forgotten", places: oneFolder, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, twoNodes)
		j.scored(40)
		s.hosts.Host("n1").Lose()
		j.atWork()
		code := j.end().code
		s.slurm.Return("n1")
		time.Sleep(40 * time.Second) // until Slurm has forgotten it
		if text := s.slurm.Say("squeue", "--noheader", "--states=all"); text != "" {
			s.Errorf("Slurm has not forgotten %s: %s", j.name, text)
		}
		if r := j.status(); !strings.Contains(r.stdout, "on which the job's script ran, was lost") {
			s.Errorf("%s: %v; want why it ended", j.name, r)
		}
		return j, []int{code}
	}},
	{name: "computed, node lost", places: oneFolder, want: nil, run: func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, s.computed)
		j.alone = "computed"
		j.scored(1)
		s.hosts.Host("n3").Lose()
		j.atWork()
		code := j.end().code
		s.slurm.Return("n3")
		return j, []int{code}
	}},
	{name: "no model", places: oneFolder, want: []int{78, 0}, run: final(func(s *slurmHosts, job *deploy.Job) { job.Model = "/nowhere/model.onnx" })},
	{name: "wrong value", places: oneFolder, want: []int{78, 0}, run: final(func(s *slurmHosts, job *deploy.Job) { job.Run["batch"] = "-3" })},
	{name: "older release on nodes", places: oneFolder, want: []int{64, 0}, run: final(func(s *slurmHosts, job *deploy.Job) {
		older := filepath.Join(s.shared, "older")
		writeFile(s, older, []byte("#!/bin/sh\nshift\nexec "+s.self+" run --flag-of-another-release \"$@\"\n"))
		if err := os.Chmod(older, 0o755); err != nil {
			s.Fatal(err)
		}
		s.service(slurmtest.High, "binary: "+older)
	})},
	{name: "too many failed", places: oneFolder, want: []int{3, 0}, run: final(func(s *slurmHosts, job *deploy.Job) {
		job.Images, job.Out = s.place(inFolder, "mixed"), job.Out+"-mixed"
		for i := range 30 {
			writeFile(s, filepath.Join(job.Images, fmt.Sprintf("%02d.jpg", i)), picture(s.T, i))
			writeFile(s, filepath.Join(job.Images, fmt.Sprintf("broken-%02d.jpg", i)), []byte("<html>"))
		}
	})},
}

// computed lets a job compute its scores.
func (s *slurmHosts) computed(job *deploy.Job) {
	s.Helper()
	model := filepath.Join(s.shared, "computed.onnx")
	body, err := os.ReadFile(slow(s.T))
	if err != nil {
		s.Fatal(err)
	}
	writeFile(s, model, body)
	out := s.place(inFolder, "alone-computed")
	s.must(0, "run", "--images", job.Images, "--out", out, "--model", model, "--provider", "cpu", "--batch", "4", "--chunk", "4")
	s.alone["computed"] = s.merged(inFolder, out)
	job.Model = model
	job.Run["provider"], job.Run["batch"] = "cpu", "4"
}

// cutFromStore cuts one node from the store, permanently if the time is 0.
func cutFromStore(d time.Duration, change func(*deploy.Job)) func(*slurmHosts, string, string) (*slurmJob, []int) {
	return func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, change)
		j.scored(20)
		s.hosts.Cut("n2", slurmStore)
		j.atWork()
		if d > 0 {
			time.Sleep(d)
			s.hosts.Join("n2", slurmStore)
		}
		code := j.end().code
		if d == 0 {
			s.hosts.Join("n2", slurmStore)
		}
		j.status()
		return j, []int{code}
	}
}

// isolated cuts a node off from everything for a while.
func isolated(node string, d time.Duration, change func(*deploy.Job)) func(*slurmHosts, string, string) (*slurmJob, []int) {
	return func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, change)
		j.scored(20)
		s.hosts.Isolate(node)
		j.atWork()
		time.Sleep(d)
		s.Log(s.slurm.State(node))
		j.status()
		s.hosts.Rejoin(node)
		code := j.end().code
		j.status()
		return j, []int{code}
	}
}

// final launches a job that cannot run as it is: it is not started again.
func final(change func(*slurmHosts, *deploy.Job)) func(*slurmHosts, string, string) (*slurmJob, []int) {
	return func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, func(job *deploy.Job) { change(s, job) })
		code := j.end().code
		log, _ := os.ReadFile(s.log(j))
		if n := strings.Count(string(log), "batchscore: start "); n > 1 {
			s.Errorf("%s was started %d times", j.name, n)
		}
		j.status("--check")
		s.service(slurmtest.High)
		good := s.launch(name, place, nil)
		return good, []int{code, good.end().code}
	}
}

// log is the log of a job, exitFile what its script leaves.
func (s *slurmHosts) log(j *slurmJob) string { return s.jobFile(j, ".log") }

func (s *slurmHosts) exitFile(j *slurmJob) string { return s.jobFile(j, ".exit") }

func (s *slurmHosts) jobFile(j *slurmJob, extension string) string {
	found, err := filepath.Glob(filepath.Join(s.shared, "jobs", j.name+"-*"+extension))
	if err != nil || len(found) == 0 {
		return "/nowhere"
	}
	return found[len(found)-1]
}

// TestSlurmHosts scores on a Slurm of three nodes with accounting, each a host of its own,
// while hosts, networks and daemons fail. BATCHSCORE_SLURM_HOSTS names the file for the
// table of the scenarios, BATCHSCORE_SLURM_HOSTS_ONLY a pattern of those to run, and
// BATCHSCORE_SLURM_HOSTS_PARALLEL how many such clusters share them.
func TestSlurmHosts(t *testing.T) {
	file := os.Getenv("BATCHSCORE_SLURM_HOSTS")
	if file == "" {
		return // make slurm-hosts-check runs it
	}
	only := regexp.MustCompile(os.Getenv("BATCHSCORE_SLURM_HOSTS_ONLY"))
	clusters, err := strconv.Atoi(cmp.Or(os.Getenv("BATCHSCORE_SLURM_HOSTS_PARALLEL"), "1"))
	if err != nil {
		t.Fatal(err)
	}
	type placed struct {
		slurmCase
		place string
	}
	queue := make(chan placed, len(slurmCases)*len(bothPlaces))
	for _, c := range slurmCases {
		for _, place := range c.places {
			if only.MatchString(c.name + ", " + place) {
				queue <- placed{c, place}
			}
		}
	}
	close(queue)
	var mu sync.Mutex
	var table []string
	for i := range clusters {
		t.Run(fmt.Sprintf("cluster %d", i+1), func(t *testing.T) {
			t.Parallel()
			s := newSlurmHosts(t)
			for c := range queue {
				t.Run(c.name+", "+c.place, func(t *testing.T) {
					one := *s
					one.T = t
					t.Cleanup(s.slurm.Clear)
					one.service(slurmtest.High)
					j, codes := c.run(&one, strings.NewReplacer(" ", "-", ",", "").Replace(c.name), c.place)
					want := c.want
					if want == nil {
						want = make([]int, len(codes))
					}
					if !slices.Equal(codes, want) {
						t.Errorf("%s: exit codes %v, want %v", j.name, codes, want)
					}
					line := j.complete(codes...)
					mu.Lock()
					defer mu.Unlock()
					table = append(table, line)
					writeFile(t, file, []byte(slurmTableHead+strings.Join(table, "\n")+"\n"))
				})
			}
		})
	}
}

const slurmTableHead = "engine | medium | scenario | launch exits | seconds | rerun exits | rows/manifest | lost | doubled | verify | merged as of one rank\n"
