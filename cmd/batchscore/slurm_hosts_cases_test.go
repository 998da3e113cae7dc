package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/slurm/slurmtest"
)

// slurmCase is a scenario. It returns the job and the exit codes of its launches.
type slurmCase struct {
	name   string
	places []string
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

var slurmCases = []slurmCase{
	{"clean", bothPlaces, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		code := j.end().code
		j.status("--check")
		return j, []int{code}
	}},
	{"node lost", bothPlaces, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(40)
		s.hosts.Host("n3").Lose()
		code := j.end().code
		j.status()
		s.Log(s.slurm.State("n3"))
		s.slurm.Return("n3")
		return j, []int{code}
	}},
	{"node killed", oneBlobs, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(40)
		s.hosts.Host("n3").Kill()
		code := j.end().code
		j.status()
		s.slurm.Return("n3")
		return j, []int{code}
	}},
	{"first node lost, others free", bothPlaces, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, twoNodes)
		j.scored(40)
		s.hosts.Host("n1").Lose()
		time.Sleep(slurmtest.NodeTimeout)
		j.status()
		code := j.end().code
		j.status()
		s.slurm.Return("n1")
		return j, []int{code}
	}},
	{"first node lost, none free", oneBlobs, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(40)
		s.hosts.Host("n1").Lose()
		time.Sleep(slurmtest.NodeTimeout + 45*time.Second)
		j.status()
		s.batchscore("jobs", "list", "--limit", "1")
		s.slurm.Return("n1")
		return j, []int{j.end().code}
	}},
	{"store cut 5 s", oneBlobs, cutFromStore(5*time.Second, nil)},
	{"store cut 60 s", oneBlobs, cutFromStore(time.Minute, nil)},
	{"store cut for good", oneBlobs, cutFromStore(0, func(job *deploy.Job) { job.Run["patience"] = "15s" })},
	{"node cut off 5 s", bothPlaces, isolated("n3", 5*time.Second, nil)},
	{"node cut off 60 s", bothPlaces, isolated("n3", time.Minute, nil)},
	{"first node cut off 60 s", bothPlaces, isolated("n1", time.Minute, twoNodes)},
	{"slurmctld restarted", bothPlaces, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.slurm.StopController()
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
	{"slurmctld stays down", bothPlaces, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.slurm.StopController()
		code := j.end().code
		j.status()
		s.batchscore("jobs", "logs", j.name)
		s.slurm.StartController()
		return j, []int{code}
	}},
	{"controller cut off 40 s", oneFolder, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.hosts.Isolate(slurmControl)
		j.status()
		j.status("--check")
		time.Sleep(20 * time.Second)
		s.hosts.Rejoin(slurmControl)
		return j, []int{j.end().code}
	}},
	{"accounting down", oneFolder, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.slurm.StopAccounting()
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
	{"node drained", oneFolder, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.slurm.Say("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=memory to be changed")
		code := j.end().code
		next := s.launch(name+"-next", place, nil)
		time.Sleep(25 * time.Second)
		next.status()
		s.slurm.Say("scontrol", "update", "NodeName=n2", "State=RESUME")
		return j, []int{code, next.end().code}
	}},
	{"canceled", bothPlaces, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		s.must(0, "jobs", "cancel", j.name)
		code := j.end().code
		j.status("--check")
		return j, []int{code, j.again()}
	}},
	{"time limit", oneFolder, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		s.service("high", "grace: 40s")
		j := s.launch(name, place, func(job *deploy.Job) {
			job.TimeLimit = deploy.Duration(time.Minute)
			job.Run["provider"] = "simulate:rate=1,batch=1"
		})
		codes := []int{j.end().code}
		j.status("--check")
		for codes[len(codes)-1] == 143 && len(codes) < 8 { // each continues for as long as it may
			codes = append(codes, j.again())
		}
		return j, codes
	}},
	{"preempted", bothPlaces, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, func(job *deploy.Job) { job.Priority = deploy.Low })
		j.scored(20)
		s.slurm.Say("sbatch", "--partition=high", "--nodes=3", "--exclusive", "--output=/dev/null", "--wrap=sleep 30")
		time.Sleep(20 * time.Second)
		j.status()
		code := j.end().code
		log, _ := os.ReadFile(s.log(j))
		if !strings.Contains(string(log), "batchscore: start 1 of ") {
			s.Errorf("%s was not requeued", j.name)
		}
		return j, []int{code}
	}},
	{"launch killed", oneFolder, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, nil)
		j.scored(20)
		_ = j.cmd.Process.Kill() // nsenter, and with it launch
		code := j.end().code
		checked := 5
		for end := time.Now().Add(processTimeout); checked == 5 && time.Now().Before(end); time.Sleep(5 * time.Second) {
			checked = j.status("--check").code
		}
		return j, []int{code, checked}
	}},
	{"no memory", oneFolder, func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		s.service(slurmtest.Tight)
		j := s.launch(name, place, nil)
		code := j.end().code
		j.status("--check")
		s.service("high")
		return j, []int{code, j.again()}
	}},
	{"no model", oneFolder, final(78, func(job *deploy.Job) { job.Model = "/nowhere/model.onnx" })},
	{"wrong value", oneFolder, final(78, func(job *deploy.Job) { job.Run["batch"] = "-3" })},
}

// cutFromStore cuts one node from the store, for good if it is for no time.
func cutFromStore(d time.Duration, change func(*deploy.Job)) func(*slurmHosts, string, string) (*slurmJob, []int) {
	return func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, change)
		j.scored(20)
		s.hosts.Cut("n2", slurmStore)
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
func final(want int, change func(*deploy.Job)) func(*slurmHosts, string, string) (*slurmJob, []int) {
	return func(s *slurmHosts, name, place string) (*slurmJob, []int) {
		j := s.launch(name, place, change)
		code := j.end().code
		if code != want {
			s.Errorf("%s: exit code %d, want %d", j.name, code, want)
		}
		log, _ := os.ReadFile(s.log(j))
		if n := strings.Count(string(log), "batchscore: start "); n > 1 {
			s.Errorf("%s was started %d times", j.name, n)
		}
		j.status("--check")
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
// table of the scenarios, BATCHSCORE_SLURM_HOSTS_ONLY a pattern of those to run.
func TestSlurmHosts(t *testing.T) {
	file := os.Getenv("BATCHSCORE_SLURM_HOSTS")
	if file == "" {
		return // make slurm-hosts-check runs it
	}
	only := regexp.MustCompile(os.Getenv("BATCHSCORE_SLURM_HOSTS_ONLY"))
	s := newSlurmHosts(t)
	for _, c := range slurmCases {
		for _, place := range c.places {
			if !only.MatchString(c.name + ", " + place) {
				continue
			}
			t.Run(c.name+", "+place, func(t *testing.T) {
				one := *s
				one.T = t
				one.service(slurmtest.High)
				j, codes := c.run(&one, strings.NewReplacer(" ", "-", ",", "").Replace(c.name), place)
				j.complete(codes...)
				s.table = one.table
				s.slurm.Clear()
			})
			text := "engine | medium | scenario | launch exits | after | rerun exits | rows/manifest | lost | doubled | verify | merged as of one rank\n" +
				strings.Join(s.table, "\n") + "\n"
			writeFile(t, file, []byte(text))
		}
	}
	text, err := os.ReadFile(file)
	t.Logf("%s: %v\n%s", file, err, text)
}
