package pods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Variables that "make pods-check" sets: the folder of the cluster, which is used as it is
// if one runs there already; that of the servers; an archive with the image; the program;
// the model.
const (
	folderVar  = "BATCHSCORE_PODS"
	serversVar = "BATCHSCORE_PODS_SERVERS"
	archiveVar = "BATCHSCORE_PODS_ARCHIVE"
	programVar = "BATCHSCORE_PODS_PROGRAM"
	modelVar   = "BATCHSCORE_PODS_MODEL"
)

const (
	namespace = "labels"
	image     = "localhost/batchscore:pods"
)

// cluster is a cluster that up.sh runs.
type cluster struct {
	folder, servers, program string
	// images is how many images the job's collection has.
	images int
	table  *table
}

func startCluster(t *testing.T) *cluster {
	c := &cluster{folder: os.Getenv(folderVar), servers: os.Getenv(serversVar), program: os.Getenv(programVar)}
	if !c.runs() {
		c.up(t)
	}
	t.Setenv("KUBECONFIG", c.path("user.kubeconfig"))
	t.Setenv("PATH", c.servers+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("SSL_CERT_FILE", c.path("etc/ca.crt"))
	c.collect(t)
	return c
}

// runs reports whether the cluster runs already. One that was killed has left its folder.
func (c *cluster) runs() bool {
	if _, err := os.Stat(c.path("ready")); err != nil {
		return false
	}
	_, err := c.try("", "get", "--raw=/readyz", "--request-timeout=5s")
	return err == nil
}

func (c *cluster) path(name string) string { return filepath.Join(c.folder, name) }

// up starts the cluster, which ends with the test.
func (c *cluster) up(t *testing.T) {
	remove(t, c.path("ready"))
	cmd := exec.Command("./up.sh", c.folder, c.servers, os.Getenv(archiveVar))
	var out buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	// The cluster ends with the thread that started it, which is kept until the end.
	finished, started, ended := make(chan struct{}), make(chan error), make(chan struct{})
	var how error // of its end
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			how = cmd.Wait()
			close(ended)
		}
		<-finished
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Errorf("the cluster does not end: %s", out.String())
		}
		close(finished)
	})
	for {
		select {
		case <-ended:
			t.Fatalf("the cluster ended: %v\n%s", how, out.String())
		case <-time.After(100 * time.Millisecond):
		}
		if _, err := os.Stat(c.path("ready")); err == nil {
			return
		}
	}
}

// collect gives the claim data a model and a collection of images.
func (c *cluster) collect(t *testing.T) {
	cache := os.Getenv("BATCHSCORE_CACHE")
	c.images = 0
	err := filepath.WalkDir(filepath.Join(cache, "images"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		c.images++
		return c.place(path, filepath.Join("data/images", filepath.Base(path)))
	})
	if err == nil {
		err = c.place(os.Getenv(modelVar), "data/model.onnx")
	}
	if err == nil {
		err = c.place(c.path("etc/ca.crt"), "data/ca.crt")
	}
	if err == nil {
		err = os.MkdirAll(c.path("data/out"), 0o777)
	}
	if err == nil {
		err = os.Chmod(c.path("data/out"), 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// place copies a file into the cluster's folder.
func (c *cluster) place(from, to string) error {
	body, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	to = c.path(to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, body, 0o644)
}

// kubectl runs kubectl as an administrator.
func (c *cluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.try("", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try runs kubectl as an administrator, with a document on its standard input.
func (c *cluster) try(document string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.servers, "kubectl"),
		append([]string{"--kubeconfig=" + c.path("admin.kubeconfig"), "--namespace=" + namespace}, args...)...)
	cmd.Stdin = strings.NewReader(document)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		err = fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return string(out), err
}

// apply makes objects for the rest of a test.
func (c *cluster) apply(t *testing.T, document string) {
	t.Helper()
	if _, err := c.try(document, "apply", "--filename=-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := c.try(document, "delete", "--filename=-", "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
}

// inside runs a command next to the servers.
func (c *cluster) inside(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(c.path("inside"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// stop kills a server, until start starts it again.
func (c *cluster) stop(t *testing.T, server string) {
	t.Helper()
	c.inside(t, "sh", "-c", `kill -KILL "$(cat "$1")"`, "stop", c.path("run/"+server+".pid"))
}

func (c *cluster) start(t *testing.T, server string) {
	t.Helper()
	c.inside(t, "setsid", "--fork", c.path("run/"+server))
}

// pod has what the test reads of a pod.
type pod struct {
	Metadata struct {
		Name, UID         string
		DeletionTimestamp *time.Time
	}
	Status struct {
		Phase             string
		ContainerStatuses []containerStatus
	}
}

type containerStatus struct {
	ContainerID string
	State       struct{ Running *struct{} }
}

func (p pod) running() bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s containerStatus) bool { return s.State.Running != nil })
}

// container returns the ID of the first container of a pod.
func (p pod) container() string {
	return strings.TrimPrefix(p.Status.ContainerStatuses[0].ContainerID, "containerd://")
}

// pods returns the pods of a job, or those in a role: rank, launcher or worker.
func (c *cluster) pods(t *testing.T, id, role string) []pod {
	t.Helper()
	var list struct{ Items []pod }
	selector := "--selector=batchscore.io/job=" + id
	if role != "" {
		selector += ",batchscore.io/role=" + role
	}
	out := c.kubectl(t, "get", "pods", selector, "--output=json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// running waits for the first running pod of a job in a role.
func (c *cluster) running(t *testing.T, id, role string) (found pod) {
	t.Helper()
	await(t, "a running "+role, func() bool {
		for _, found = range c.pods(t, id, role) {
			if found.running() {
				return true
			}
		}
		return false
	})
	return found
}

// ctr runs containerd's client next to the servers.
func (c *cluster) ctr(t *testing.T, args ...string) string {
	t.Helper()
	return c.inside(t, append([]string{"ctr", "--address", c.path("containerd.sock"), "--namespace", "k8s.io"}, args...)...)
}

// kill kills the container of a pod, as the kernel does when memory is short.
func (c *cluster) kill(t *testing.T, p pod) {
	t.Helper()
	c.ctr(t, "task", "kill", "--signal", "SIGKILL", p.container())
}

// freeze stops all processes of a pod, which do not see then that they are asked to end.
func (c *cluster) freeze(t *testing.T, p pod) {
	t.Helper()
	for _, line := range strings.Split(c.ctr(t, "task", "ps", p.container()), "\n") {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "PID" {
			c.inside(t, "kill", "-STOP", f[0])
		}
	}
}

// evict asks the cluster to move a pod, as a drain does.
func (c *cluster) evict(t *testing.T, p pod) {
	t.Helper()
	_, err := c.try(fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": %q}}`, p.Metadata.Name, namespace),
		"create", "--raw", "/api/v1/namespaces/"+namespace+"/pods/"+p.Metadata.Name+"/eviction", "--filename=-")
	if err != nil {
		t.Fatal(err)
	}
}

// drain empties the node, and takes it into service again.
func (c *cluster) drain(t *testing.T) {
	t.Helper()
	c.kubectl(t, "drain", "node", "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=100s")
	c.kubectl(t, "uncordon", "node")
}

// await waits for what the cluster does in its own time.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !done(); time.Sleep(300 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// tally is what an output has of the images.
type tally struct{ rows, lost, doubled int }

func (y tally) String() string {
	return fmt.Sprintf("%d rows, %d lost, %d doubled", y.rows, y.lost, y.doubled)
}

// whole is what an output has that is complete.
func (c *cluster) whole() tally { return tally{rows: c.images} }

// count counts the rows of an output, also of one that is not complete.
func (c *cluster) count(t *testing.T, place string, flags ...string) tally {
	t.Helper()
	out, err := exec.Command(c.program, append([]string{"show", place, "--columns", "address", "--json", "--limit", "0"}, flags...)...).Output()
	if err != nil {
		t.Errorf("show %s: %v", place, err)
	}
	rows, images := 0, map[string]bool{}
	for line := range strings.Lines(string(out)) {
		images[line] = true
		rows++
	}
	return tally{rows, c.images - len(images), rows - len(images)}
}

// batchscore runs the program to its end.
func (c *cluster) batchscore(args ...string) ([]byte, error) {
	cmd := exec.Command(c.program, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("batchscore %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return out, err
}
