package azureml

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

// The service's bodies, with the fields that are used.
type (
	environmentBody struct {
		Properties environment `json:"properties"`
	}
	environment struct {
		Image string `json:"image"`
		OS    string `json:"osType"`
	}
	jobBody struct {
		Properties command `json:"properties"`
	}
	command struct {
		Type         string            `json:"jobType"`
		Name         string            `json:"displayName"`
		Experiment   string            `json:"experimentName"`
		Command      string            `json:"command"`
		Compute      string            `json:"computeId"`
		Environment  string            `json:"environmentId"`
		Variables    map[string]string `json:"environmentVariables"`
		Distribution distribution      `json:"distribution"`
		Resources    resources         `json:"resources"`
		Limits       *limits           `json:"limits,omitempty"`
		Identity     identity          `json:"identity"`
		Inputs       map[string]input  `json:"inputs,omitempty"`
		Outputs      map[string]output `json:"outputs,omitempty"`
		Tags         map[string]string `json:"tags"`
	}
	distribution struct {
		Type      string `json:"distributionType"`
		Processes int    `json:"processCountPerInstance"`
	}
	resources struct {
		Nodes   int    `json:"instanceCount"`
		ShmSize string `json:"shmSize,omitempty"`
	}
	limits struct {
		Type    string `json:"jobLimitsType"`
		Timeout string `json:"timeout"`
	}
	identity struct {
		Type     string `json:"identityType"`
		ClientID string `json:"clientId,omitempty"`
	}
	input struct {
		Type string `json:"jobInputType"`
		Mode string `json:"mode"`
		URI  string `json:"uri"`
	}
	output struct {
		Type string `json:"jobOutputType"`
		Mode string `json:"mode"`
		URI  string `json:"uri"`
	}
	scheduleBody struct {
		Properties schedule `json:"properties"`
	}
	schedule struct {
		Name    string  `json:"displayName"`
		Enabled bool    `json:"isEnabled"`
		Trigger trigger `json:"trigger"`
		Action  action  `json:"action"`
	}
	trigger struct {
		Type       string `json:"triggerType"`
		Expression string `json:"expression"`
		TimeZone   string `json:"timeZone"`
	}
	action struct {
		Type string  `json:"actionType"`
		Job  command `json:"jobDefinition"`
	}
)

// runVariable is set by Azure ML in every job, including the jobs of a schedule.
const runVariable = "AZUREML_RUN_ID"

// environmentOf returns the path of an image's environment. A version of an
// environment never changes, so each image has its own version.
func (e *Engine) environmentOf(image string) string {
	sum := sha256.Sum256([]byte(image))
	return e.workspace() + "/environments/batchscore/versions/" + hex.EncodeToString(sum[:8])
}

// command returns the command job. It contains no secret.
func (e *Engine) command(job deploy.Job, id string) (command, error) {
	job = job.WithDefaults()
	c := command{
		Type: "Command", Name: job.Name, Experiment: e.o.Experiment,
		Compute: e.compute(e.o.Compute), Environment: e.environmentOf(job.Image),
		Variables:    map[string]string{},
		Distribution: distribution{"Mpi", job.RanksPerNode},
		Resources:    resources{job.Nodes, e.o.ShmSize},
		Identity:     identity{"Managed", e.o.IdentityClientID},
		Tags:         map[string]string{"batchscore": id},
	}
	if e.o.IdentityClientID != "" {
		// The credential chain of the ranks asks for this identity by name.
		c.Variables["AZURE_CLIENT_ID"] = e.o.IdentityClientID
	}
	maps.Copy(c.Variables, job.Environment)
	c.Variables[deploy.JobVariable] = id
	if job.TimeLimit > 0 {
		c.Limits = &limits{"Command", arm.Duration(time.Duration(job.TimeLimit))}
	}
	folders, err := c.mount(job.Mounts)
	var faults deploy.Faults
	faults.Add(unsupported(job))
	faults.Add(err)
	if err := faults.Err(); err != nil {
		return command{}, err
	}
	if c.Command, err = arm.Line(engine, job.Argv(e.o.Worker), folders); err != nil {
		return command{}, err
	}
	if job.Schedule != "" {
		// The name is within single quotes, which end before the variable.
		c.Command = strings.ReplaceAll(c.Command, deploy.RunName, `'"$`+runVariable+`"'`)
	}
	return c, nil
}

// mount turns the job's mounts into inputs and outputs.
func (c *command) mount(mounts []deploy.Mount) ([]arm.Folder, error) {
	var folders []arm.Folder
	var faults deploy.Faults
	for i, m := range mounts {
		account, container, prefix, ok := arm.Blob(m.Source)
		if !ok {
			faults.Add(deploy.Unsupported(engine, "mounts", "%s: Azure ML mounts az://ACCOUNT/CONTAINER[/PREFIX]", m.Source))
			continue
		}
		uri := "wasbs://" + container + "@" + account + ".blob.core.windows.net/" + prefix
		name, kind := "mount"+strconv.Itoa(i), "inputs"
		if m.ReadOnly {
			if c.Inputs == nil {
				c.Inputs = map[string]input{}
			}
			c.Inputs[name] = input{"uri_folder", "ReadOnlyMount", uri}
		} else {
			if c.Outputs == nil {
				c.Outputs = map[string]output{}
			}
			kind, c.Outputs[name] = "outputs", output{"uri_folder", "ReadWriteMount", uri}
		}
		folders = append(folders, arm.Folder{Path: m.Path, Expression: "${{" + kind + "." + name + "}}"})
	}
	return folders, faults.Err()
}

// unsupported returns an error for what the engine cannot do.
func unsupported(job deploy.Job) error {
	var faults deploy.Faults
	no := func(field, what string, args ...any) { faults.Add(deploy.Unsupported(engine, field, what, args...)) }
	if job.Image == "" {
		faults.Add(deploy.Lacking(engine, "image", "Azure ML runs containers: name an image that contains Open MPI"))
	}
	if job.GPU != "" {
		no("gpu", "the GPU depends on the cluster's vmSize: name vmSize instead")
	}
	faults.Add(arm.CheckOut(engine, job))
	faults.Add(deploy.CheckUTF8(engine, job))
	if names := slices.Sorted(maps.Keys(job.Secrets)); len(names) > 0 {
		no("secrets", "%s: the workspace shows the variables of a command job in clear text: "+
			"give the cluster's managed identity the role Storage Blob Data Contributor, "+
			"and let a program of your own read Key Vault with it", strings.Join(names, ", "))
	}
	return faults.Err()
}

// scheduled returns the command as a schedule.
func scheduled(job deploy.Job, c command) scheduleBody {
	return scheduleBody{schedule{
		Name: c.Name, Enabled: true,
		Trigger: trigger{"Cron", job.Schedule, "UTC"}, Action: action{"CreateJob", c},
	}}
}
