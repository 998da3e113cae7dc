package deploy

import (
	"bytes"
	"os"
	"testing"

	"go.yaml.in/yaml/v4"
)

// FuzzReadJob reads any bytes as job.yaml. An accepted job can be written and read again
// without change.
func FuzzReadJob(f *testing.F) {
	for _, file := range []string{"local/example.yaml", "kubernetes/example.yaml", "slurm/example.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("command: [a]\nenvironment: {A: b}\ntimeLimit: 90m\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("nodes: 0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		job, err := ReadJob(bytes.NewReader(text))
		if err != nil {
			return
		}
		written, err := yaml.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadJob(bytes.NewReader(written))
		if err != nil {
			t.Fatalf("%+v is written as a job that is refused: %v\n%s", job, err, written)
		}
		if twice, err := yaml.Marshal(again); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("%+v became %+v, %v, by way of\n%s", job, again, err, written)
		}
	})
}
