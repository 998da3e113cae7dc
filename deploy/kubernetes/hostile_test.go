package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

// expand is what the kubelet does to commands and to values of variables. It takes the byte
// after a $ for a letter.
func expand(text string, variables map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch next := text[i]; next {
		case '$':
			b.WriteByte('$')
		case '(':
			name, _, closed := strings.Cut(text[i+1:], ")")
			value, known := variables[name]
			switch {
			case !closed:
				b.WriteString("$(")
				continue
			case !known:
				value = "$(" + name + ")"
			}
			b.WriteString(value)
			i += len(name) + 1
		default:
			b.WriteString("$" + string(rune(next)))
		}
	}
	return b.String()
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"$(A)$$(A)$(B)$(": "1$(A)$(B)$(", "$é": "$\u00c3\xa9", "a$": "a$", "$x$": "$x$", "$$$(A)": "$1",
	} {
		if have := expand(text, map[string]string{"A": "1"}); have != want {
			t.Errorf("expand(%q) = %q, want %q", text, have, want)
		}
	}
}

// start runs a container's command as a node does. The secret's value is that of every
// reference to one.
func start(t *testing.T, c corev1.Container, secret, bin string) {
	t.Helper()
	variables := map[string]string{}
	for _, v := range c.Env {
		switch {
		case v.ValueFrom == nil:
			variables[v.Name] = expand(v.Value, variables)
		case v.ValueFrom.SecretKeyRef != nil:
			variables[v.Name] = secret
		default:
			variables[v.Name] = "run $(id) 7"
		}
	}
	folder := t.TempDir()
	argv := make([]string, len(c.Command))
	for i, a := range c.Command {
		if argv[i] = expand(a, variables); a == launcherFolder {
			argv[i] = folder
		}
	}
	hosts := filepath.Join(folder, "hosts") // with a worker that the ssh of mpirunOf reaches
	if err := os.WriteFile(hosts, []byte("worker slots=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/env", argv...) // which looks on that PATH
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "OMPI_MCA_orte_default_hostfile=" + hosts}
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%.3000s", err, out)
	}
}

// mpirunOf returns a folder with an mpirun that starts one rank, and an ssh to a worker that
// is ready.
func mpirunOf(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	const mpirun = `#!/bin/sh
while :; do case $1 in -x|-np|--bind-to) shift 2 ;; --mca) shift 3 ;; --*) shift ;; *) break ;; esac; done
for word; do [ "$word" != : ] || exit 9; done
exec "$@"
`
	for name, text := range map[string]string{"mpirun": mpirun, "ssh": "#!/bin/sh\necho ready\n"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil { //nolint:gosec // G306: it is a program
			t.Fatal(err)
		}
	}
	return bin
}

// TestHostileValues decodes the documents of hostile jobs as the cluster does, and starts
// their containers' commands as a node does.
func TestHostileValues(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "canary")
	values := append(launchtest.Hostile(file), "$世", "a$é$(HOME)", "$(BATCHSCORE_JOB)", "$$$(BATCHSCORE_JOB)")
	command, scoring := launchtest.HostileJobs(t, values)
	command.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}}
	scoring.Out = "az://acme/" + scoring.Out
	clock := scoring
	clock.Schedule, clock.Out = "0 2 * * *", "az://acme/${run}/$${run}/$({run})/$é{run}"
	clock.Images = "az://acme/${run}" // nothing else in it needs an escape
	bin := mpirunOf(t)
	for name, c := range map[string]struct {
		options string
		job     deploy.Job
		of      func(*testing.T, map[string][]byte) corev1.Container
	}{
		"indexed command": {options: "mpi: false\n", job: command, of: indexedContainer},
		"indexed scoring": {options: "mpi: false\n", job: scoring, of: indexedContainer},
		"mpi command":     {options: "", job: command, of: launcherContainer},
		"mpi scoring":     {options: "", job: scoring, of: launcherContainer},
		"cron":            {options: "mpi: false\n", job: clock, of: cronContainer},
	} {
		t.Run(name, func(t *testing.T) {
			folder := launchtest.Echo(t, &c.job)
			e := newEngine(t, "image: i\n"+c.options)
			e.o.Binary = self
			list, err := e.objects(c.job, id, map[string]string{"KEY": values[0]})
			if err != nil {
				t.Fatal(err)
			}
			docs := map[string][]byte{}
			for _, o := range list {
				body, err := encode(o)
				if err != nil {
					t.Fatal(err)
				}
				docs[strings.ToLower(o.Kind)] = body
			}
			secret := decode[corev1.Secret](t, docs["secret"], yaml.UnmarshalStrict).StringData["KEY"]
			start(t, c.of(t, docs), secret, bin)
			if c.job.Secrets != nil {
				c.job.Environment["KEY"] = values[0]
			}
			want := c.job.Argv(self)[1:]
			for i := range want {
				if c.job.Schedule != "" {
					want[i] = strings.ReplaceAll(want[i], deploy.RunName, "run $(id) 7")
				}
			}
			c.job.Environment[deploy.JobVariable] = id
			launchtest.Arrived(t, folder, c.job, want)
			launchtest.NoCanary(t, file)
		})
	}
}

func indexedContainer(t *testing.T, docs map[string][]byte) corev1.Container {
	return decode[batchv1.Job](t, docs["job"], yaml.UnmarshalStrict).Spec.Template.Spec.Containers[0]
}

func cronContainer(t *testing.T, docs map[string][]byte) corev1.Container {
	return decode[batchv1.CronJob](t, docs["cronjob"], yaml.UnmarshalStrict).Spec.JobTemplate.Spec.Template.Spec.Containers[0]
}

func launcherContainer(t *testing.T, docs map[string][]byte) corev1.Container {
	return decode[mpiJob](t, docs["mpijob"], yaml.UnmarshalStrict).Spec.MPIReplicaSpecs["Launcher"].Template.Spec.Containers[0]
}

// TestHostileFields are values that the cluster would refuse, or take for something else.
func TestHostileFields(t *testing.T) {
	e := newEngine(t, "image: i\n")
	base := deploy.Job{Images: "az://a/b", Out: "az://a/c", Model: "m"}
	for says, changes := range map[string][]func(*deploy.Job){
		"gpu": {
			func(j *deploy.Job) { j.GPU = "a b" }, func(j *deploy.Job) { j.GPU = "a\n" }, func(j *deploy.Job) { j.GPU = "1g.10gb+me" },
			func(j *deploy.Job) { j.GPU = "a-" },
		},
		"vmSize": {func(j *deploy.Job) { j.VMSize = "a/b" }, func(j *deploy.Job) { j.VMSize = "&a" }},
		"mounts": {
			func(j *deploy.Job) { j.Mounts = []deploy.Mount{{Source: "/a/../b", Path: "/c"}} },
			func(j *deploy.Job) { j.Mounts = []deploy.Mount{{Source: "/a", Path: "/c:ro"}} },
			func(j *deploy.Job) { j.Mounts = []deploy.Mount{{Source: "pvc://A", Path: "/c"}} },
			func(j *deploy.Job) { j.Mounts = []deploy.Mount{{Source: "pvc://a b", Path: "/c"}} },
			func(j *deploy.Job) { j.Mounts = []deploy.Mount{{Source: "pvc://--all", Path: "/c"}} },
		},
		"secrets": {
			func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"A": {Kubernetes: "a/../b"}} },
			func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"A": {Kubernetes: "-a/b"}} },
			func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"A": {Kubernetes: "a/b c"}} },
			func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"OMPI_MCA_a": {Env: "B"}} },
		},
		"images":      {func(j *deploy.Job) { j.Images = "az://a/\xff" }},
		"environment": {func(j *deploy.Job) { j.Environment = map[string]string{"OMPI_MCA_a": "$(id)"} }},
	} {
		for i, change := range changes {
			job := base
			job.GPUsPerNode = 1
			change(&job)
			if _, err := e.Documents(job, id); err == nil || !strings.Contains(err.Error(), says+":") {
				t.Errorf("%s %d: %v, want an error that names it", says, i, err)
			}
		}
	}
	for _, image := range []string{"a b", "--x", "a\nb", "$(id)", "A", "a:b:c", "a@sha256:0"} {
		if _, err := New(Options{Image: image}); err == nil || !strings.Contains(err.Error(), "kubernetes: image ") {
			t.Errorf("image %q of service.yaml: %v, want a refusal", image, err)
		}
	}
}

// TestHostilePods: the name of a pod becomes that of a file, and an argument of kubectl.
func TestHostilePods(t *testing.T) {
	pod := func(name string) item {
		i := item{Kind: "Pod"}
		i.Metadata.Name = name
		return i
	}
	work := item{Kind: "Job"}
	work.Metadata.Name = id
	_, pods, err := split([]item{work, pod("../../x"), pod("/etc/x"), pod("-x"), pod(""), pod("a\nb"), pod("a-0")}, id)
	if err != nil || len(pods) != 1 || pods[0].Metadata.Name != "a-0" {
		t.Errorf("pods %+v, %v; want a-0 only", pods, err)
	}
}

// TestWhereIsACommand: it is shown to be copied into a shell.
func TestWhereIsACommand(t *testing.T) {
	e := newEngine(t, "image: i\nmpi: false\n")
	e.o.Context, e.o.Namespace = "a b; touch X", "$(touch X)"
	e.o.Kubectl = filepath.Join(t.TempDir(), "my kubectl")
	answer := `{"items": [{"kind": "Job", "metadata": {"name": "` + id + `"}}]}`
	if err := os.WriteFile(e.o.Kubectl, []byte("#!/bin/sh\necho '"+answer+"'\n"), 0o755); err != nil { //nolint:gosec // G306: a program
		t.Fatal(err)
	}
	s, err := e.Status(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "printf '%s\\n' "+s.Where).CombinedOutput()
	words := strings.Split(string(out), "\n")
	if err != nil || !slices.Contains(words, "--context=a b; touch X") || !slices.Contains(words, "--namespace=$(touch X)") {
		t.Errorf("%s is read as %q, %v", s.Where, words, err)
	}
}
