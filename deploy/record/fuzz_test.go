package record

import (
	"bytes"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// FuzzRecord reads any bytes as the record of a job. An accepted record can be written and
// read again without change.
func FuzzRecord(f *testing.F) {
	r := sample("nightly-260302-080000-aaaa", monday)
	r.Phase, r.Outcome, r.ExitCode = Done, "complete", 3
	text, err := yaml.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("id: nightly-260302-080000-aaaa\nservice: &a [*a]\n"))
	f.Add([]byte("id: nightly-260302-080000-aaaa\njob: {timeLimit: 90m, nodes: -1}\nlaunched: 2026-03-02T08:00:00+01:00\n"))
	const path = "jobs/nightly-260302-080000-aaaa.yaml"
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parse(path, body)
		if err != nil {
			return
		}
		r.Launched = r.Launched.Round(time.Second).UTC()
		written, err := yaml.Marshal(r)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", r, err)
		}
		again, err := parse(path, written)
		if err != nil {
			t.Fatalf("%+v is written as a record that is refused: %v\n%s", r, err, written)
		}
		if twice, err := yaml.Marshal(again); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("%+v became %+v, %v, by way of\n%s", r, again, err, written)
		}
	})
}
