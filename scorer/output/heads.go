package output

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/row"
)

// JobHead is one of several answers in the rows of a job; its fields mean what those of Job
// of the same names mean.
type JobHead struct {
	Name       string           `json:"name"`
	Task       string           `json:"task,omitempty"`
	Settings   *models.Settings `json:"settings,omitempty"`
	Width      int              `json:"width,omitempty"`
	Activation string           `json:"activation,omitempty"`
	// Outputs names the outputs that the answer is made of, where the graph has several.
	Outputs []string `json:"outputs,omitempty"`
	TopK    int      `json:"topk,omitempty"`
}

// JobModel is one of several models of a job, for people; workers compare Job.ModelDigest,
// which is that of all.
type JobModel struct {
	Name      string `json:"name"` // that begins the names of its columns
	Model     string `json:"model"`
	Digest    string `json:"digest"`
	Precision string `json:"precision,omitempty"`
}

// mostHeads bounds the record.
const mostHeads = 64

// SetAnswers records what the answers of a model with that contract are: the task, its
// settings and width, and the heads if there are several. asked is how many of the best
// classes an answer is to list.
func (j *Job) SetAnswers(c *models.Contract, task row.Task, asked int) {
	j.Heads = nil
	list := row.HeadsOf(c, asked)
	for i, h := range list {
		one := JobHead{Name: h.Name, Task: h.Task, Width: h.Width, Activation: string(h.Activation), TopK: h.TopK}
		if h.Task == models.Classify {
			one.Task = "" // as in the record of a job with one answer
		}
		if one.Task != "" {
			one.Settings = &list[i].Settings
		}
		for _, o := range c.Head(i).OutputsUsed() {
			if o.Name != "" {
				one.Outputs = append(one.Outputs, o.Name)
			}
		}
		j.Heads = append(j.Heads, one)
	}
	if list != nil {
		j.Task, j.Settings, j.Width = j.Heads[0].Task, j.Heads[0].Settings, j.Heads[0].Width
		return
	}
	if j.Task = row.RecordedName(task); j.Task != "" {
		j.Settings, j.Width = &c.Settings, c.AnswerWidth()
	}
}

// severalHeads returns what the answers of several heads are.
func (j *Job) severalHeads() (row.Task, error) {
	var list []row.Head
	for _, h := range j.Heads {
		one := row.Head{Name: h.Name, Task: h.Task, Width: h.Width, Activation: models.Activation(h.Activation), TopK: h.TopK}
		if h.Settings != nil {
			one.Settings = *h.Settings
		}
		list = append(list, one)
	}
	return row.Several(list)
}

// checkHeads returns an error if the record has heads that no job has.
func (j *Job) checkHeads() error {
	if len(j.Heads) > mostHeads || len(j.Models) > mostHeads {
		return fmt.Errorf("%d heads and %d models", len(j.Heads), len(j.Models))
	}
	for _, h := range j.Heads {
		if err := checkWidth(h.Settings, h.Width); err != nil || h.TopK < 0 {
			return fmt.Errorf("head %q: width %d, top-k %d", h.Name, h.Width, h.TopK)
		}
	}
	return nil
}

// checkWidth returns an error if no task has such settings and that width.
func checkWidth(s *models.Settings, width int) error {
	if width < 0 || width > mostWidth || s != nil && (len(s.Columns) > models.MaxColumns || s.MaxBoxes > mostWidth) {
		return fmt.Errorf("answers of %d numbers", width)
	}
	return nil
}

// compareHeads compares several answers.
func (c *comparison) compareHeads(have, want *Job) {
	if len(have.Heads) != len(want.Heads) {
		c.model = append(c.model, difference{what: "answers of a row", have: headNames(have), want: headNames(want)})
		return
	}
	for i := range have.Heads {
		if a, b := headText(&have.Heads[i]), headText(&want.Heads[i]); a != b {
			c.model = append(c.model, difference{what: fmt.Sprintf("answer %d of a row", i+1), have: a, want: b})
		}
	}
}

func headNames(j *Job) string {
	if len(j.Heads) == 0 {
		return "one"
	}
	var names []string
	for _, h := range j.Heads {
		names = append(names, h.Name)
	}
	return strings.Join(names, ", ")
}

func headText(h *JobHead) string {
	text, err := json.Marshal(h)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(text), "{}")
}
