package kubernetes

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// clusterVar names a folder with kubectl and the servers of a cluster, which
// "make kubernetes-check" builds.
const clusterVar = "BATCHSCORE_KUBERNETES"

// TestCluster runs everything on a real API server, with the real controllers of
// jobs, the real MPI operator and the real kubectl. There are no nodes: the test sets
// the status of pods as a node would.
func TestCluster(t *testing.T) {
	bin := os.Getenv(clusterVar)
	if bin == "" {
		return // make kubernetes-check runs it
	}
	c := startCluster(t, bin)
	t.Setenv("STORAGE_KEY", secretValue)
	const job = `
name: check
images: az://acme/photos
out: az://acme/labels
model: m
nodes: 3
ranksPerNode: 1
gpusPerNode: 1
secrets: {AZURE_STORAGE_KEY: {env: STORAGE_KEY}, TOKEN: {kubernetes: shared/token}}
mounts: [{source: 'pvc://models', path: /models, readOnly: true}, {source: /scratch, path: /scratch}]
timeLimit: 1h
environment: {NOTE: '$(HOME)'}
`
	const here = "context: x\nnamespace: default\nimage: example.com/batchscore:1\n"
	indexed, mpi := newEngine(t, here+"mpi: false\n"), newEngine(t, here)

	t.Run("no operator", func(t *testing.T) {
		err := mpi.Submit(t.Context(), newJob(t, job), "none")
		if !errors.Is(err, deploy.ErrService) || !strings.Contains(err.Error(), "--without-mpi") {
			t.Errorf("Submit: %v, want %v with advice", err, deploy.ErrService)
		}
		if left := c.kubectl(t, "get", "secrets", "-o", "name"); left != "" {
			t.Errorf("left behind: %s, want nothing", left)
		}
		for what, err := range map[string]error{
			"status": second(mpi.Status(t.Context(), "none")), "cancel": mpi.Cancel(t.Context(), "none"),
		} {
			if !errors.Is(err, deploy.ErrNoJob) {
				t.Errorf("%s of an unknown job: %v, want %v", what, err, deploy.ErrNoJob)
			}
		}
	})

	t.Run("retries", func(t *testing.T) {
		const id = "retries"
		for range 2 {
			if err := indexed.Submit(t.Context(), newJob(t, job), id); err != nil {
				t.Fatal(err)
			}
		}
		if g := c.kubectl(t, "get", "job", id, "-o", "jsonpath={.metadata.generation}"); g != "1" {
			t.Errorf("submitting again made generation %s", g)
		}
		c.await(t, "three pods", func() bool { return len(c.pods(t, id, "")) == 3 })
		c.state(t, indexed, id, deploy.Queued)
		for rank := range 3 {
			c.set(t, c.pods(t, id, "")[rank], running())
		}
		c.state(t, indexed, id, deploy.Running)
		c.set(t, c.pods(t, id, "")[0], ended(75))
		c.set(t, c.pods(t, id, "")[1], strings.Replace(ended(137), "{", `{"conditions":[{"type":"DisruptionTarget","status":"True"}],`, 1))
		c.set(t, c.pods(t, id, "")[2], ended(78))
		// By rank: 75 and a lost node are replaced, 78 is not.
		c.await(t, "two more pods", func() bool { return len(c.pods(t, id, "Pending")) == 2 })
		for _, p := range c.pods(t, id, "Pending") {
			if p.rank() == 2 {
				t.Errorf("the rank that ended with 78 runs again: %s", p.Metadata.Name)
			}
			c.set(t, p, ended(0))
		}
		s := c.state(t, indexed, id, deploy.Failed)
		if s.ExitCode == nil || *s.ExitCode != 78 || s.Ended.IsZero() || !strings.Contains(s.Reason, "FailedIndexes") {
			t.Errorf("Status = %+v, want code 78 and FailedIndexes", s)
		}
	})

	t.Run("success", func(t *testing.T) {
		const id = "success"
		if err := indexed.Submit(t.Context(), newJob(t, job), id); err != nil {
			t.Fatal(err)
		}
		c.await(t, "three pods", func() bool { return len(c.pods(t, id, "")) == 3 })
		for _, p := range c.pods(t, id, "") {
			c.set(t, p, ended(0))
		}
		if s := c.state(t, indexed, id, deploy.Succeeded); s.ExitCode == nil || *s.ExitCode != 0 || s.Started.IsZero() || s.Ended.IsZero() {
			t.Errorf("Status = %+v, want code 0 and both times", s)
		}
		if err := indexed.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		c.state(t, indexed, id, deploy.Succeeded)
	})

	t.Run("cancel", func(t *testing.T) { c.cancels(t, indexed, newJob(t, job), "canceled") })

	t.Run("schedule", func(t *testing.T) {
		const id = "schedule"
		cron := newJob(t, strings.Replace(job, "az://acme/labels", "'az://acme/labels/{run}'\nschedule: '* * * * *'", 1))
		if err := indexed.Submit(t.Context(), cron, id); err != nil {
			t.Fatal(err)
		}
		c.state(t, indexed, id, deploy.Queued)
		c.await(t, "the first run", func() bool { return len(c.pods(t, id, "")) == 3 })
		for _, p := range c.pods(t, id, "") {
			c.set(t, p, running())
			if run := p.Metadata.Labels["batch.kubernetes.io/job-name"]; !strings.HasPrefix(run, id+"-") {
				t.Errorf("the run has no name of its own: %q", run)
			}
		}
		c.state(t, indexed, id, deploy.Running)
		c.cancels(t, indexed, cron, id)
	})

	t.Run("mpi", func(t *testing.T) {
		const id = "mpi"
		c.installOperator(t)
		if err := mpi.Submit(t.Context(), newJob(t, job), id); err != nil {
			t.Fatal(err)
		}
		c.await(t, "three workers", func() bool { return len(c.pods(t, id, "")) == 3 })
		c.state(t, mpi, id, deploy.Queued)
		for _, p := range c.pods(t, id, "") {
			c.set(t, p, running())
		}
		var launcher item
		c.await(t, "the launcher", func() bool {
			for _, p := range c.pods(t, id, "Pending") {
				launcher = p
			}
			return launcher.Metadata.Labels[roleLabel] == roleLauncher
		})
		c.set(t, launcher, running())
		c.state(t, mpi, id, deploy.Running)
		c.set(t, launcher, ended(0))
		c.state(t, mpi, id, deploy.Succeeded)
		c.cancels(t, mpi, newJob(t, job), "mpi-canceled")
	})

	t.Run("unreachable", func(t *testing.T) {
		t.Setenv("KUBECONFIG", c.kubeconfig(t, "https://127.0.0.1:1", c.token))
		if _, err := indexed.Status(t.Context(), "any"); !errors.Is(err, deploy.ErrUnreachable) {
			t.Errorf("Status: %v, want %v", err, deploy.ErrUnreachable)
		}
		t.Setenv("KUBECONFIG", c.kubeconfig(t, c.url, "wrong"))
		if _, err := indexed.Status(t.Context(), "any"); !errors.Is(err, deploy.ErrService) {
			t.Errorf("Status: %v, want %v", err, deploy.ErrService)
		}
	})
}

// cluster is a control plane without nodes.
type cluster struct {
	bin, url, token string
}

func startCluster(t *testing.T, bin string) *cluster {
	c := &cluster{bin: bin, url: "https://" + freeAddress(t), token: "t-" + rand.Text()}
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signing := file("accounts.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	etcd, peers := "http://"+freeAddress(t), "http://"+freeAddress(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(c.url, "https://"))
	c.start(t, "server", "--data-dir="+filepath.Join(folder, "etcd"), "--unsafe-no-fsync", "--listen-client-urls="+etcd,
		"--advertise-client-urls="+etcd, "--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers)
	c.start(t, "kube-apiserver", "--etcd-servers="+etcd, "--cert-dir="+folder, "--bind-address=127.0.0.1", "--secure-port="+port,
		"--service-account-key-file="+signing, "--service-account-signing-key-file="+signing, "--service-account-issuer=https://check",
		"--token-auth-file="+file("tokens", c.token+",admin,1,system:masters\n"), "--authorization-mode=RBAC",
		"--disable-admission-plugins=ServiceAccount", "--service-cluster-ip-range=10.0.0.0/24")
	config := c.kubeconfig(t, c.url, c.token)
	t.Setenv("KUBECONFIG", config)
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	c.await(t, "the API server", func() bool { return exec.Command("kubectl", "get", "--raw=/readyz").Run() == nil })
	c.start(t, "kube-controller-manager", "--kubeconfig="+config, "--leader-elect=false", "--secure-port=0",
		"--controllers=job-controller,cronjob-controller,garbage-collector-controller,ttl-after-finished-controller")
	return c
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a server until the test ends, and shows its log if that failed.
func (c *cluster) start(t *testing.T, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a server: %v (%s)", err, clusterVar)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if body, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, body[max(0, len(body)-2000):])
		}
	})
}

func (c *cluster) kubeconfig(t *testing.T, url, token string) string {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, fmt.Appendf(nil, `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, url, token), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// installOperator installs the MPI operator's kind and starts it.
func (c *cluster) installOperator(t *testing.T) {
	t.Helper()
	c.kubectl(t, "apply", "--server-side", "--filename="+filepath.Join(c.bin, "mpijobs.yaml"))
	c.await(t, "MPIJobs to be known", func() bool {
		return exec.Command("kubectl", "get", "mpijobs.kubeflow.org").Run() == nil
	})
	c.kubectl(t, "create", "namespace", "mpi-operator")
	c.start(t, "mpi-operator", "-kubeConfig="+os.Getenv("KUBECONFIG"), "-namespace=default", "-monitoring-port=0")
}

func (c *cluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("kubectl", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Logf("%s", exit.Stderr)
		}
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// pods of a job by rank, all or those in a phase.
func (c *cluster) pods(t *testing.T, id, phase string) []item {
	t.Helper()
	var list struct{ Items []item }
	if err := json.Unmarshal([]byte(c.kubectl(t, "get", "pods", "-l", jobLabel+"="+id, "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b item) int { return a.rank() - b.rank() })
	return slices.DeleteFunc(list.Items, func(p item) bool { return phase != "" && p.Status.Phase != phase })
}

// set sets the status of a pod, as a node does.
func (c *cluster) set(t *testing.T, p item, status string) {
	t.Helper()
	status = strings.ReplaceAll(status, "CONTAINER", p.Metadata.Labels[roleLabel])
	c.kubectl(t, "patch", "pod", p.Metadata.Name, "--subresource=status", "--type=merge", "--patch", `{"status":`+status+`}`)
}

func running() string {
	return `{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"name":"CONTAINER","image":"i",` +
		`"imageID":"i","ready":true,"restartCount":0,"state":{"running":{}}}]}`
}

func ended(code int) string {
	phase := "Succeeded"
	if code != 0 {
		phase = "Failed"
	}
	return fmt.Sprintf(`{"phase":%q,"containerStatuses":[{"name":"CONTAINER","image":"i","imageID":"i","ready":false,"restartCount":0,`+
		`"state":{"terminated":{"exitCode":%d}}}]}`, phase, code)
}

// await waits for what the servers do asynchronously.
func (c *cluster) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s:\n%s", what, c.kubectl(t, "get", "jobs,cronjobs,pods,events"))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *cluster) state(t *testing.T, e *Engine, id string, want deploy.State) (s deploy.Status) {
	t.Helper()
	c.await(t, id+" to be "+string(want), func() bool {
		var err error
		if s, err = e.Status(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return s.State == want
	})
	return s
}

// cancels checks that a canceled job is gone with all its objects.
func (c *cluster) cancels(t *testing.T, e *Engine, job deploy.Job, id string) {
	t.Helper()
	if err := e.Submit(t.Context(), job, id); err != nil {
		t.Fatal(err)
	}
	if job.Schedule == "" {
		c.await(t, "three pods", func() bool { return len(c.pods(t, id, "")) == 3 })
	}
	if !strings.Contains(c.kubectl(t, "get", "secrets", "-o", "name"), "/"+id+"\n") {
		t.Error("there is no Secret")
	}
	if err := e.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	c.await(t, "everything to be gone", func() bool {
		return c.kubectl(t, "get", "jobs,cronjobs,pods,secrets", "-l", jobLabel+"="+id, "-o", "name") == ""
	})
	if _, err := e.Status(t.Context(), id); !errors.Is(err, deploy.ErrNoJob) {
		t.Errorf("Status of a canceled job: %v, want %v", err, deploy.ErrNoJob)
	}
}
