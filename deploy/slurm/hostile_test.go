package slurm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

func TestMain(m *testing.M) { launchtest.EchoMain(m) }

// hostileValues submits jobs and compares what their ranks are given.
func hostileValues(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := engine(t, Options{Folder: filepath.Join(t.TempDir(), "jobs"), Binary: self, Queue: Queue{Partition: "low", Constraint: ""}})
	file := filepath.Join(t.TempDir(), "canary")
	values := append(launchtest.Hostile(file), "caf\xe9") // in Latin-1, as paths may be
	command, scoring := launchtest.HostileJobs(t, values)
	secret := strings.Join(values[:20], " ")
	t.Setenv("OUTER", secret)
	kept := filepath.Join(t.TempDir(), "it's a $(secret)\n#SBATCH -x")
	if err := os.WriteFile(kept, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}, "FROM_FILE": {File: kept}}
	command.RanksPerNode = 2
	for id, job := range map[string]deploy.Job{"hostile-command": command, "hostile-scoring": scoring} {
		folder := launchtest.Echo(t, &job)
		launchtest.Submit(t, e, job, id)
		if ended, err := deploy.PollFor(t.Context(), launchtest.Hangs, e.poll, func(ctx context.Context) (bool, error) {
			status, err := e.Status(ctx, id)
			return status.State.Ended(), err
		}); !ended || err != nil {
			t.Fatalf("%s has not ended: %v", id, err)
		}
		var log strings.Builder
		if err := e.Logs(t.Context(), id, &log, false); err != nil {
			t.Fatal(err)
		}
		if status := launchtest.State(t, e, id, deploy.Succeeded); status.State != deploy.Succeeded {
			t.Fatalf("%+v\n%.3000s", status, log.String())
		}
		if job.Secrets != nil {
			job.Environment["KEY"], job.Environment["FROM_FILE"] = secret, secret
		}
		job.Environment[deploy.JobVariable] = id
		launchtest.Arrived(t, folder, job, job.Argv(self)[1:])
		launchtest.NoCanary(t, file)
	}
}

// TestHostileDirectives: nothing of a job but what is checked gets among sbatch's options.
func TestHostileDirectives(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // a cluster of this machine must not show
	e := engine(t, Options{Folder: "/jobs", Binary: "/b"})
	command, scoring := launchtest.HostileJobs(t, launchtest.Hostile("/canary"))
	for _, job := range []deploy.Job{command, scoring} {
		plain := job
		plain.Environment, plain.Command = nil, []string{"true"}
		if job.Scores() {
			plain = deploy.Job{Images: "i", Out: "o", Model: "m"}
		}
		// sbatch reads options up to the first line that is not a comment.
		directives := func(job deploy.Job) string {
			script, err := e.script(job, "x-1")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(script), "\r\n") {
				t.Error("the script has a line end of DOS, for which sbatch refuses it")
			}
			head, _, _ := strings.Cut(string(script), "\nexport "+deploy.JobVariable+"=x-1\n")
			return head
		}
		if have, want := directives(job), directives(plain); have != want {
			t.Errorf("options of sbatch\n%s\nwant\n%s", have, want)
		}
	}
	for _, gpu := range []string{"a b", "a:8,license:x", "a,b", "a\n#SBATCH --wrap=id", "$(id)", "a;b", "*", "a\x00", "é"} {
		job := launchtest.Shell(1, "true")
		job.GPU, job.GPUsPerNode = gpu, 1
		if script, err := e.script(job, "x-1"); err == nil || !strings.Contains(err.Error(), "slurm: gpu: ") {
			t.Errorf("GPU %q: %v, want an error that names the field\n%s", gpu, err, script)
		}
	}
	for _, word := range []string{"a b", "a\nb", "a\r", "$(id)", "a;b", "a'b", `a"b`, "a\\b", "~", "%j", "a#b", "é", "\x00", "{a}", "<", "!"} {
		for field, q := range map[string]Queue{
			"partition": {Partition: word}, "account": {Account: word}, "qos": {QOS: word}, "constraint": {Constraint: word},
		} {
			for _, o := range []Options{{Queue: q}, {Low: &q}} {
				o.Folder = "/jobs"
				if _, err := New(o); err == nil || !strings.Contains(err.Error(), field+" ") {
					t.Errorf("%s %q: %v, want a refusal that names it", field, word, err)
				}
			}
		}
		if _, err := New(Options{Folder: "/jobs/" + word}); err == nil || !strings.Contains(err.Error(), "folder ") {
			t.Errorf("folder %q: %v, want a refusal", word, err)
		}
	}
}

// TestJobsOfOthers: squeue and sacct are asked for this user's jobs only, since anybody may
// give a job any name.
func TestJobsOfOthers(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	// Another user's job of the same name has ended; it is listed unless one user is asked for.
	script(t, bin, "squeue", `case "$*" in *--user=`+fmt.Sprint(os.Getuid())+`*) ;; *) echo "8|COMPLETED|None|0|1|2|(null)|" ;; esac`)
	script(t, bin, "sacct", `case "$*" in *--user=`+fmt.Sprint(os.Getuid())+`*) ;; *) echo "8|COMPLETED|0:0|1|2" ;; esac`)
	e := engine(t, Options{Folder: t.TempDir()})
	if status, err := e.Status(t.Context(), "mine-1"); !errors.Is(err, deploy.ErrNoJob) {
		t.Errorf("Status = %+v, %v; want %v", status, err, deploy.ErrNoJob)
	}
}
