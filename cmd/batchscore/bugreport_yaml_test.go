package main

import (
	"strings"
	"testing"
)

// TestReportedJobs: of a job.yaml, right or wrong, a report shows known fields of kinds that
// hold no credentials, and nothing else.
func TestReportedJobs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, shows string }{
		"a job": {
			text: "name: nightly # planted\nimages: in\nout: out\nmodel: m.onnx\nnodes: 2\ntimeLimit: 7h30m\nrun: {batch: 32, static: true, Planted: 1, yes: true}\n" +
				"environment: {OMP_NUM_THREADS: \"2\", MINE: planted}\nsecrets: {A: {env: STORAGE_KEY}}\nmounts: [{source: /data, path: /in, readOnly: true}]\n",
			shows: "name: nightly\nimages: in\nout: out\nmodel: m.onnx\nnodes: 2\ntimeLimit: 7h30m\n" +
				"run: {batch: 32, static: true, '<not shown, bytes: 7>': '<not shown, bytes: 1>', yes: true}\n" +
				"environment: {OMP_NUM_THREADS: \"2\", MINE: '<not shown, bytes: 7>'}\nsecrets: {A: {env: STORAGE_KEY}}\n" +
				"mounts: [{source: /data, path: /in, readOnly: true}]\n",
		},
		"a name cut short":     {text: "env: {DBPLACE: planted}", shows: "env: '<not shown, fields: 1>'"},
		"a name in capitals":   {text: "Environment:\n  DBPLACE: planted\n", shows: "Environment: '<not shown, fields: 1>'"},
		"a list of variables":  {text: "environment: [DBPLACE=planted, OMP_NUM_THREADS=2, planted, cGxhbnRlZA==]", shows: "OMP_NUM_THREADS=2"},
		"lists in lists":       {text: "environment: [[planted, [planted]], {DBPLACE: planted}]", shows: "items: 2"},
		"one variable":         {text: "environment: DBPLACE=planted", shows: "environment: '<not shown, bytes: 15>'"},
		"names without values": {text: "environment: {DBPLACE, planted}\n", shows: "environment"},
		"names that are not":   {text: "environment: {\"DBPLACE=planted\": x, DB planted: y, ? [DBPLACE, planted] : planted}", shows: "items: 2"},
		"values with values":   {text: "environment: {A: {B: planted}, PATH: [planted]}", shows: "PATH: '<not shown, items: 1>'"},
		"an alias":             {text: "name: x\nx-env: &e {DBPLACE: planted}\nenvironment: *e", shows: "DBPLACE: '<not shown, bytes: 7>'"},
		"a merged mapping":     {text: "name: x\nx-env: &planted {DBPLACE: planted}\nenvironment: {<<: *planted, A: planted}", shows: "merged: {DBPLACE:"},
		"merged at the top":    {text: "x: &e {environment: {DBPLACE: planted}, planted: planted, name: x}\n<<: *e\n", shows: "name: x"},
		"tags":                 {text: "name: !planted x\nnodes: !!null planted\n? !planted z\n: planted\n", shows: "name: x"},
		"fields of other kinds": {text: "nodes: planted\npriority: [planted]\nname: {planted: planted}\n" +
			"timeLimit: planted\nsecrets: planted\nmounts: [planted]", shows: "nodes:"},
		"a secret's value": {text: "secrets: {A: {env: planted-1, password: planted}, planted=: {env: B}, C: planted}", shows: "A: {env: '<not shown"},
		"a command": {
			text:  "command: [sh, -c, \"DB=planted curl -u me:planted\", -pplanted, --user, me:planted, --batch=planted, planted]",
			shows: "command: [sh, -c, '<not shown, bytes: 29>', '<not shown, bytes: 9>', --user, '<not shown, bytes: 10>', --batch=..., '<not shown, bytes: 7>']",
		},
		"a line as a command":  {text: "command: planted --planted", shows: "command: '<not shown, bytes: 17>'"},
		"a variable before it": {text: "command: [DB=planted, sh]", shows: "command:"},
		"no mapping":           {text: "- planted\n- {name: planted}\n", shows: "items: 2"},
		"a text":               {text: "planted", shows: "bytes: 7"},
	} {
		got, err := new(scrubber).yaml([]byte(test.text), jobShape())
		unfolded := strings.Join(strings.Fields(got), " ")
		if err != nil || strings.Contains(got, "planted") || strings.Contains(got, "cGxh") ||
			!strings.Contains(unfolded, strings.Join(strings.Fields(test.shows), " ")) {
			t.Errorf("%s: %v, want %q in\n%s", name, err, test.shows, got)
		}
	}
	for _, text := range []string{"a: [", "a: *planted", "planted: a: b\n",
		"a: \"\\planted\"", "environment:\n  A: 'planted\n", "%planted\n---\na: b\n", "\tplanted"} {
		got, err := new(scrubber).yaml([]byte(text), jobShape())
		if err == nil || got != "" || strings.Contains(err.Error(), "planted") {
			t.Errorf("%q: %q, %v; want an error without the text", text, got, err)
		}
	}
}

// TestReportedRecords: the record of a job has that job.
func TestReportedRecords(t *testing.T) {
	t.Parallel()
	got, err := new(scrubber).yaml([]byte("id: x\nengine: local\nservice: {hosts: [a, b], mca: {a: planted}, accountKey: {env: planted}}\n"+
		"phase: done\nexit_code: 1\njob:\n  name: nightly\n  environment: {A: planted}\n"), recordShape())
	for _, want := range []string{"engine: local", "hosts: [a, b]", "mca: '<not shown", "exit_code: 1", "  name: nightly\n", "A: '<not"} {
		if err != nil || strings.Contains(got, "planted") || !strings.Contains(got, want) {
			t.Errorf("%v, want %q in\n%s", err, want, got)
		}
	}
}
