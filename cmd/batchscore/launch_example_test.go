package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy/engines"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// section returns the section of service.yaml that the comment of an example shows;
// it is empty if there is none.
func section(example, engine string) string {
	var b strings.Builder
	for line := range strings.Lines(example) {
		if text, in := strings.CutPrefix(line, "#   "); in && (strings.HasPrefix(text, engine+":") || b.Len() > 0) {
			b.WriteString(text)
		} else if b.Len() > 0 {
			break
		}
	}
	return b.String()
}

// TestLaunchExamples launches the example of each engine as it is printed, as far as
// --dry-run goes: without service.yaml where the engine needs none, and with the
// section in the example's comment where there is one.
func TestLaunchExamples(t *testing.T) {
	t.Parallel()
	for _, d := range engines.All {
		if d.Example == "" {
			continue // the engine of other tests
		}
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			service := filepath.Join(folder, "service.yaml")
			env := append(newDesk(t).env, serviceVar+"="+service, "STORAGE_KEY=a2V5")
			launch := func(args ...string) processResult {
				cmd := command(t, env, append([]string{"launch"}, args...)...)
				cmd.Dir = folder
				return finish(t, cmd)
			}
			printed := launch("--example", d.Name)
			if printed.code != 0 || printed.stdout != d.Example {
				t.Fatalf("%v", printed)
			}
			writeFile(t, filepath.Join(folder, "job.yaml"), []byte(printed.stdout))
			needed := d.Name == "azureml" || d.Name == "batchai"
			for _, text := range []string{"", section(d.Example, d.Name)} {
				if text == "" && needed {
					continue
				}
				writeFile(t, service, []byte(text))
				if r := launch("--to", d.Name, "-f", "job.yaml", "--dry-run"); r.code != 0 || !strings.Contains(r.stdout, "max-errors") {
					t.Errorf("with the service.yaml %q: %v", text, r)
				}
			}
		})
	}
}

// TestLaunchExampleRuns runs the example of the local engine.
func TestLaunchExampleRuns(t *testing.T) {
	t.Parallel()
	needMpirun(t)
	needRuntime(t)
	folder := t.TempDir()
	for i := range 3 {
		writeFile(t, filepath.Join(folder, "photos", string(rune('a'+i))+".jpg"), picture(t, i))
	}
	model, err := os.ReadFile(tiny(t, graphtest.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "model.onnx"), model)
	d, _ := engines.Find("local")
	writeFile(t, filepath.Join(folder, "job.yaml"), []byte(d.Example))
	cmd := command(t, newDesk(t).env, "launch", "--to", "local", "-f", "job.yaml")
	cmd.Dir = folder
	if r := finish(t, cmd); r.code != 0 || !strings.Contains(r.stdout, "Processed 3 images") {
		t.Fatalf("%v", r)
	}
}

// TestLaunchNamesAllFaults gives launch jobs with several faults each: all are named,
// one on a line, and what service.yaml lacks is told apart from what the engine cannot
// do.
func TestLaunchNamesAllFaults(t *testing.T) {
	t.Parallel()
	const whole = "name: nightly\nimages: az://acme/photos\nout: az://acme/labels\nmodel: m.onnx\n"
	for _, test := range []struct {
		name, engine, job, service string
		want                       []string
	}{
		{
			name: "file", engine: "local", job: "name: Nightly Run\nschedule: daily\ntimeLimit: -1s\nnodes: -1\n" +
				"run: {batches: 3, top-k: many, max-errors: 200%}\nmounts: [{source: photos, path: photos}]\n",
			want: []string{"11 faults:", "run: max-errors: \"200%\" is not a percentage", "nodes: -1: want a number above zero",
				"run: 'batchscore run' has no flag --batches", "run: top-k: invalid value \"many\"",
				"name \"Nightly Run\": want", "timeLimit -1s: want",
				"schedule \"daily\": want", "images is missing", "out is missing", "a scoring job needs either a model", "mounts: source \"photos\""},
		},
		{
			name: "kubernetes", engine: "kubernetes", job: whole + "priority: low\ngpu: v100\nmounts: [{source: az://acme/models, path: /models}]\n",
			want: []string{"4 faults:", "kubernetes: image: ranks run in a container image", "kubernetes: gpu: gpusPerNode does not say how many",
				"kubernetes: priority: service.yaml does not say which nodes have low priority: add low: {selector",
				"mounts: az://acme/models: create a persistent volume claim for it and mount pvc://CLAIM;" +
					" images and out need no mount to be in blob storage (az://): not supported by this engine"},
		},
		{
			name: "slurm", engine: "slurm", job: whole + "priority: low\nvmSize: Standard_NC24ads_A100_v4\nimage: x\n",
			want: []string{"3 faults:", "slurm: vmSize: nodes are chosen by partition and constraint in service.yaml: not supported by this engine", "slurm: image: ",
				"slurm: priority: service.yaml has no queue for low priority: add low: {partition: NAME} to its section slurm"},
		},
		{
			name: "local", engine: "local", job: whole + "priority: low\nvmSize: Standard_NC24ads_A100_v4\nnodes: 2\n" +
				"secrets: {A: {keyVault: 'https://v.vault.azure.net/secrets/b'}}\n",
			want: []string{"4 faults:", "local: nodes: 2 nodes, and this machine is one: name others with hosts or hostFile in service.yaml",
				"local: priority: ", "local: vmSize: ", "local: secrets: A comes from keyVault"},
		},
		{
			name: "zeros", engine: "local", job: whole + "nodes: 0\nranksPerNode: 0\ntimeLimit: 0h\n",
			want: []string{"3 faults:", "nodes: 0: want", "ranksPerNode: 0: want", "timeLimit: 0s: want"},
		},
		{
			name: "words", engine: "local", job: whole + "run: {provider: gpu, log-format: jsonn, log-level: loud, retry: faild, format: xlsx}\n",
			want: []string{"5 faults:", `run: provider: invalid value "gpu"`, `run: log-format: invalid value "jsonn"`, "run: log-level: ",
				"run: retry: ", "run: format: "},
		},
		{
			name: "schedule", engine: "kubernetes", job: strings.Replace(whole, "labels", "labels/{run}", 1) + "image: x\nschedule: 60 2 * * *\n",
			want: []string{`schedule "60 2 * * *": "60" is not a minute`},
		},
		{
			name: "azureml and a local output", engine: "azureml", job: strings.Replace(whole, "az://acme/labels", "/data/labels", 1) + "image: x\n",
			service: "azureml: {subscription: s, workspace: work, resourceGroup: vision, compute: gpus}\n",
			want:    []string{"azureml: out: /data/labels would be lost with the machine: write to az://"},
		},
		{
			name: "azureml without service.yaml", engine: "azureml", job: whole + "image: x\n",
			want: []string{"azureml needs a section in service.yaml"},
		},
		{
			name: "azureml with an incomplete section", engine: "azureml", job: whole + "image: x\n", service: "azureml: {workspace: a, resourceGroup: vision}\n",
			want: []string{"its section in service.yaml lacks subscription, compute; workspace \"a\" in service.yaml does not match"},
		},
		{
			name: "azureml", engine: "azureml", job: whole + "gpu: v100\nsecrets: {A: {env: B}}\nmounts: [{source: pvc://a, path: /a}, {source: /b, path: /b}]\n",
			service: "azureml: {subscription: s, workspace: work, resourceGroup: vision, compute: gpus}\n",
			want:    []string{"5 faults:", "azureml: image: ", "azureml: gpu: ", "azureml: secrets: A: ", "azureml: mounts: pvc://a: ", "azureml: mounts: /b: "},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "job.yaml")
			writeFile(t, file, []byte(test.job))
			env := newDesk(t).env
			if test.service != "" {
				service := filepath.Join(t.TempDir(), "service.yaml")
				writeFile(t, service, []byte(test.service))
				env = append(env, serviceVar+"="+service)
			} else {
				env = append(env, serviceVar+"=", "XDG_CONFIG_HOME="+t.TempDir())
			}
			r := finish(t, command(t, env, "launch", "--to", test.engine, "-f", file, "--dry-run"))
			if r.code != 78 {
				t.Errorf("exit code %d, want 78\n%v", r.code, r)
			}
			for _, want := range test.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("the message lacks %q:\n%s", want, r.stderr)
				}
			}
			for line := range strings.Lines(r.stderr) {
				if strings.Contains(line, "service.yaml does not say") && strings.Contains(line, "not supported") {
					t.Errorf("a gap in service.yaml is not what the engine cannot do: %s", line)
				}
			}
		})
	}
}
