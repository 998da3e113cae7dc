package azureml

import (
	"bytes"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
)

// The files for az ml job create -f and az ml schedule create -f.
type (
	jobFile struct {
		Schema       string                `yaml:"$schema"`
		Type         string                `yaml:"type"`
		Name         string                `yaml:"name,omitempty"`
		Display      string                `yaml:"display_name"`
		Experiment   string                `yaml:"experiment_name"`
		Command      string                `yaml:"command"`
		Environment  imageFile             `yaml:"environment"`
		Variables    map[string]string     `yaml:"environment_variables"`
		Compute      string                `yaml:"compute"`
		Distribution distributionFile      `yaml:"distribution"`
		Resources    resourcesFile         `yaml:"resources"`
		Limits       *limitsFile           `yaml:"limits,omitempty"`
		Identity     identityFile          `yaml:"identity"`
		Inputs       map[string]folderFile `yaml:"inputs,omitempty"`
		Outputs      map[string]folderFile `yaml:"outputs,omitempty"`
		Tags         map[string]string     `yaml:"tags"`
	}
	imageFile struct {
		Image string `yaml:"image"`
	}
	distributionFile struct {
		Type      string `yaml:"type"`
		Processes int    `yaml:"process_count_per_instance"`
	}
	resourcesFile struct {
		Nodes   int    `yaml:"instance_count"`
		ShmSize string `yaml:"shm_size,omitempty"`
	}
	limitsFile struct {
		Seconds int `yaml:"timeout"`
	}
	identityFile struct {
		Type     string `yaml:"type"`
		ClientID string `yaml:"client_id,omitempty"`
	}
	folderFile struct {
		Type string `yaml:"type"`
		Path string `yaml:"path"`
		Mode string `yaml:"mode"`
	}
	scheduleFile struct {
		Schema  string      `yaml:"$schema"`
		Name    string      `yaml:"name"`
		Display string      `yaml:"display_name"`
		Trigger triggerFile `yaml:"trigger"`
		Job     jobLink     `yaml:"create_job"`
	}
	jobLink struct {
		Type string `yaml:"type"`
		File string `yaml:"job"`
	}
	triggerFile struct {
		Type       string `yaml:"type"`
		Expression string `yaml:"expression"`
		TimeZone   string `yaml:"time_zone"`
	}
)

const schemas = "https://azuremlschemas.azureedge.net/latest/"

// YAML implements deploy.Exporter. It returns the file for az ml job create -f and,
// for a job with a schedule, a second file for az ml schedule create -f, which
// refers to the first in the same folder.
func (e *Engine) YAML(job deploy.Job, id string) ([]deploy.Document, error) {
	c, err := e.command(job, id)
	if err != nil {
		return nil, err
	}
	f := jobFile{
		Schema: schemas + "commandJob.schema.json", Type: "command", Name: id, Display: c.Name, Experiment: c.Experiment,
		Command: c.Command, Environment: imageFile{job.Image}, Variables: c.Variables, Compute: "azureml:" + e.o.Compute,
		Distribution: distributionFile{"mpi", c.Distribution.Processes},
		Resources:    resourcesFile{c.Resources.Nodes, c.Resources.ShmSize},
		Identity:     identityFile{"managed", c.Identity.ClientID}, Tags: c.Tags,
		Inputs: map[string]folderFile{}, Outputs: map[string]folderFile{},
	}
	if job.TimeLimit > 0 {
		f.Limits = &limitsFile{int(time.Duration(job.TimeLimit).Round(time.Second) / time.Second)}
	}
	for name, in := range c.Inputs {
		f.Inputs[name] = folderFile{in.Type, in.URI, "ro_mount"}
	}
	for name, out := range c.Outputs {
		f.Outputs[name] = folderFile{out.Type, out.URI, "rw_mount"}
	}
	if job.Schedule != "" {
		f.Name = "" // a schedule names its own jobs
	}
	file := deploy.Document{Name: id + ".yaml"}
	if file.Body, err = encode(f); err != nil || job.Schedule == "" {
		return []deploy.Document{file}, err
	}
	clock := deploy.Document{Name: id + ".schedule.yaml"}
	clock.Body, err = encode(scheduleFile{
		Schema: schemas + "schedule.schema.json", Name: id, Display: c.Name,
		Trigger: triggerFile{"cron", job.Schedule, "UTC"}, Job: jobLink{"command", "./" + file.Name},
	})
	return []deploy.Document{file, clock}, err
}

func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err := encoder.Encode(v)
	return text.Bytes(), err
}
