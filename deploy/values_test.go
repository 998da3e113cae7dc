package deploy

import (
	"errors"
	"strings"
	"testing"
)

// TestValuesAreRefused names, for a value that no engine could pass on, its field and the rule.
func TestValuesAreRefused(t *testing.T) {
	t.Parallel()
	scores := Job{Name: "a", Images: "i", Out: "o", Model: "m"}
	command := Job{Name: "a", Command: []string{"true"}}
	long := strings.Repeat("x", longest+1)
	for _, c := range []struct {
		of     Job
		change func(*Job)
		says   string
	}{
		{of: scores, change: func(j *Job) { j.Name = "a\nb" }, says: `name "a\nb": want`},
		{of: scores, change: func(j *Job) { j.Name = long }, says: "... (131072 bytes): want"},
		{of: scores, change: func(j *Job) { j.Images = "i\x00" }, says: "images: it has a zero byte"},
		{of: scores, change: func(j *Job) { j.Out = "o\x00" }, says: "out: it has a zero byte"},
		{of: scores, change: func(j *Job) { j.Model = long }, says: "model: 131072 bytes are too many"},
		{of: scores, change: func(j *Job) { j.Run = map[string]string{"labels": "\x00"} }, says: `run: "labels": it has a zero byte`},
		{of: scores, change: func(j *Job) { j.Run = map[string]string{"batch=1 --rank": "1"} }, says: `run: "batch=1 --rank": want further flags`},
		{of: command, change: func(j *Job) { j.Command = []string{"true", "\x00"} }, says: "command: argument 1: it has a zero byte"},
		{of: command, change: func(j *Job) { j.Command = []string{"--wrap=touch X"} }, says: `command: "--wrap=touch X" is not a program`},
		{of: command, change: func(j *Job) { j.Command = []string{"", "x"} }, says: `command: "" is not a program`},
		{of: scores, change: func(j *Job) { j.Environment = map[string]string{"A": "\x00"} }, says: `environment: "A": it has a zero byte`},
		{of: scores, change: func(j *Job) { j.Environment = map[string]string{"A=b\n": ""} }, says: `environment: "A=b\n" is not a valid name`},
		{of: scores, change: func(j *Job) { j.Environment = map[string]string{"A": long} }, says: `environment: "A": 131074 bytes are too many`},
		{of: scores, change: func(j *Job) { j.Environment = map[string]string{"IFS": "3"} }, says: "environment: IFS is set by the shells"},
		{of: scores, change: func(j *Job) { j.Environment = map[string]string{"_code": "0"} }, says: "environment: _code is set by the shells"},
		{of: scores, change: func(j *Job) { j.Secrets = map[string]Secret{"PWD": {Env: "A"}} }, says: "secrets: PWD is set by the shells"},
		{of: scores, change: func(j *Job) { j.Secrets = map[string]Secret{"A": {File: "/a\x00"}} }, says: `secrets: "A": it has a zero byte`},
		{of: scores, change: func(j *Job) { j.Secrets = map[string]Secret{"$(id)": {File: "/a"}} }, says: `secrets: "$(id)" is not a valid name`},
		{of: scores, change: func(j *Job) { j.Secrets = map[string]Secret{"A": {KeyVault: "http://v/secrets/a"}} }, says: "secrets: A: keyVault: want the URL"},
		{of: scores, change: func(j *Job) { j.Secrets = map[string]Secret{"A": {KeyVault: "https://v@evil/a?b#c"}} }, says: "secrets: A: keyVault: want"},
		{of: scores, change: func(j *Job) { j.GPU = "a100:8,license:x" }, says: `gpu "a100:8,license:x": want at most 63`},
		{of: scores, change: func(j *Job) { j.GPU = "a\n#SBATCH --wrap=id" }, says: `gpu "a\n#SBATCH --wrap=id": want`},
		{of: scores, change: func(j *Job) { j.VMSize = "a b" }, says: `vmSize "a b": want`},
		{of: scores, change: func(j *Job) { j.Image = "a b" }, says: `image "a b": want [REGISTRY/]NAME[:TAG][@DIGEST]`},
		{of: scores, change: func(j *Job) { j.Image = "--privileged" }, says: `image "--privileged": want`},
		{of: scores, change: func(j *Job) { j.Mounts = []Mount{{Source: "/a", Path: "/b\x00"}} }, says: "mounts: path: it has a zero byte"},
		{of: scores, change: func(j *Job) { j.Schedule, j.Out = "0 2\n* * *", "o/{run}" }, says: `schedule "0 2\n* * *": want`},
		{of: scores, change: func(j *Job) { j.Schedule, j.Out = "0 +2 * * *", "o/{run}" }, says: `"+2" is not an hour`},
	} {
		job := c.of
		c.change(&job)
		if err := job.Check(); err == nil || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 2000 {
			t.Errorf("have %.2000v, want an error that says %s", err, c.says)
		}
	}
}

// TestValuesAreAccepted has what is unusual and legitimate.
func TestValuesAreAccepted(t *testing.T) {
	t.Parallel()
	job := Job{
		Name: "a", Images: "my photos/it's \"new\" é 世界 $HOME `x` %j\n", Out: "-o", Model: "caf\xe9.onnx", // in Latin-1
		Run: map[string]string{"labels": "a\tb"}, GPU: "nvidia_a100_80gb_pcie_1g.10gb+me", VMSize: "Standard_NC24ads_A100_v4",
		Image:       "registry.example:5000/team/batch__score/x-y:v1.2_3@sha256:" + strings.Repeat("0f", 32),
		Environment: map[string]string{"n": "1", "code": "2", "__A": "3", "BASH_ENV": "/etc/modules.sh", "TEXT": strings.Repeat("x", 100_000)},
		Secrets:     map[string]Secret{"A": {File: "/run/my secret"}}, Mounts: []Mount{{Source: "/a b", Path: "/c d"}},
	}
	if err := job.Check(); err != nil {
		t.Error(err)
	}
	if err := CheckUTF8("x", job); !errors.Is(err, ErrUnsupported) || !strings.HasPrefix(err.Error(), "x: model: ") {
		t.Errorf("CheckUTF8 = %v, want one that names the model", err)
	}
}
