package deploy

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// object is the part of a JSON schema of an object that is compared with a type.
type object struct {
	AdditionalProperties any
	Properties           map[string]struct {
		Type        string
		Ref         string `json:"$ref"`
		Description string
		Enum        []Priority
		Pattern     string
		Items       struct {
			Type string
			Ref  string `json:"$ref"`
		}
		AdditionalProperties json.RawMessage
	}
}

// TestSchemaHasTheFieldsOfTheTypes compares every field of Job, Secret and Mount, and
// its type, with the schema, in both directions.
func TestSchemaHasTheFieldsOfTheTypes(t *testing.T) {
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(JobSchema), &schema); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		of     any
		schema object
	}{{of: Job{}, schema: schema.object}, {of: Secret{}, schema: schema.Defs["secret"]}, {of: Mount{}, schema: schema.Defs["mount"]}} {
		fields := map[string]reflect.Type{}
		for _, field := range reflect.VisibleFields(reflect.TypeOf(c.of)) {
			name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			fields[name] = field.Type
		}
		if have, want := slices.Sorted(maps.Keys(c.schema.Properties)), slices.Sorted(maps.Keys(fields)); !slices.Equal(have, want) {
			t.Errorf("%T: the schema has %v, the type %v", c.of, have, want)
		}
		if c.schema.AdditionalProperties != false {
			t.Errorf("%T: the schema lets other fields pass", c.of)
		}
		for name, typ := range fields {
			p := c.schema.Properties[name]
			have := p.Type
			switch p.Type {
			case "array":
				have += " of " + p.Items.Type + p.Items.Ref
			case "object":
				var values struct {
					Ref string `json:"$ref"`
				}
				if err := json.Unmarshal(p.AdditionalProperties, &values); err != nil {
					t.Error(err)
				}
				have += " of " + values.Ref
			case "":
				if len(p.Enum) > 0 {
					have = "enum"
				}
			}
			want := map[reflect.Type]string{
				reflect.TypeFor[string]():            "string",
				reflect.TypeFor[int]():               "integer",
				reflect.TypeFor[bool]():              "boolean",
				reflect.TypeFor[Duration]():          "string",
				reflect.TypeFor[Priority]():          "enum",
				reflect.TypeFor[[]string]():          "array of string",
				reflect.TypeFor[[]Mount]():           "array of #/$defs/mount",
				reflect.TypeFor[map[string]string](): "object of ",
				reflect.TypeFor[map[string]Secret](): "object of #/$defs/secret",
			}[typ]
			if have != want || want == "" {
				t.Errorf("%T: %s is %q in the schema and %v in the type", c.of, name, have, typ)
			}
		}
	}
	if have := schema.Properties["priority"].Enum; !slices.Equal(have, []Priority{Dedicated, Low}) {
		t.Errorf("priorities %v, want %v", have, []Priority{Dedicated, Low})
	}
	if have := schema.Properties["name"].Pattern; have != jobName.String() {
		t.Errorf("name: the pattern is %s, in the code %s", have, jobName)
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(JobSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("job.schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestSchemaAgreesWithCheck checks right and wrong jobs with the schema and with the
// code.
func TestSchemaAgreesWithCheck(t *testing.T) {
	schema := compileSchema(t)
	const work = "{name: a, images: i, out: o, model: m"
	for _, c := range []struct {
		job   string
		right bool
	}{
		{job: scoring, right: true},
		{job: work + "}", right: true},
		{job: "{name: a, images: i, out: o, task: classification}", right: true},
		{job: work + ", run: {batch: 32, static: true, scale: 1/255, fraction: 0.875}}", right: true},
		{job: work + ", environment: {OMP_NUM_THREADS: 4, DEBUG: true}}", right: true},
		{job: work + ", secrets: {A: {env: B}, C: {file: /d}, E: {keyVault: 'https://v/f'}, G: {kubernetes: h/i}}}", right: true},
		{job: work + ", mounts: [{source: 'az://acme/photos', path: /photos, readOnly: true}]}", right: true},
		{job: "{name: a, images: i, out: 'o/{run}', model: m, schedule: '0 2 * * 1-5'}", right: true},
		{job: work + ", timeLimit: 1h2.5m, gpusPerNode: 4, gpu: v100, priority: low, image: acme/batchscore:1, vmSize: Standard_NC6}", right: true},
		{job: "{name: train, command: [python, train.py], nodes: 2, ranksPerNode: 4, out: az://acme/model}", right: true},

		{job: work + ", after: earlier}", right: true},
		{job: "{name: a, images: i, out: 'o/{run}', after: none, model: m, schedule: '0 2 * * *'}", right: true},

		{job: "{}", right: false},
		{job: work + ", after: 'o/{run}'}", right: false},
		{job: work + ", run: {after: o}}", right: false},
		{job: "{name: a, command: [python], after: o}", right: false},
		{job: work + ", schedule: '0 2 * * *'}", right: false},
		{job: "{name: a, images: i, out: 'o/{run}', model: m}", right: false},
		{job: "{name: a, images: i, model: m}", right: false},
		{job: "{name: a, out: o, model: m}", right: false},
		{job: "{name: a, images: i, out: o}", right: false},
		{job: work + ", task: t}", right: false},
		{job: work + ", command: [python]}", right: false},
		{job: "{name: a, command: [python], run: {batch: 1}}", right: false},
		{job: work + ", node: 3}", right: false},
		{job: "{name: Nightly, images: i, out: o, model: m}", right: false},
		{job: "{name: a-, images: i, out: o, model: m}", right: false},
		{job: "{name: " + strings.Repeat("a", 41) + ", images: i, out: o, model: m}", right: false},
		{job: work + ", nodes: -1}", right: false},
		{job: work + ", nodes: two}", right: false},
		{job: work + ", priority: cheap}", right: false},
		{job: "{name: a, images: i, out: 'o/{run}', model: m, schedule: daily}", right: false},
		{job: "{name: a, images: i, out: 'o/{run}', model: m, schedule: '0 0 2 * * *'}", right: false},
		{job: work + ", timeLimit: 8 hours}", right: false},
		{job: work + ", timeLimit: -1h}", right: false},
		{job: work + ", run: {images: elsewhere}}", right: false},
		{job: work + ", run: {--batch: 3}}", right: false},
		{job: work + ", environment: {'A B': c}}", right: false},
		{job: work + ", secrets: {TOKEN: {}}}", right: false},
		{job: work + ", secrets: {TOKEN: {env: A, file: B}}}", right: false},
		{job: work + ", secrets: {TOKEN: {value: abc}}}", right: false},
		{job: work + ", secrets: {TOKEN: abc}}", right: false},
		{job: work + ", mounts: [{source: /nfs, path: nfs}]}", right: false},
		{job: work + ", mounts: [{path: /nfs}]}", right: false},
	} {
		job, err := ReadJob(strings.NewReader(c.job))
		if err == nil {
			err = job.Check()
		}
		if (err == nil) != c.right {
			t.Errorf("%s: the code says %v, want success: %v", c.job, err, c.right)
		}
		if err := schema.Validate(generic(t, c.job)); (err == nil) != c.right {
			t.Errorf("%s: the schema says %v, want success: %v", c.job, err, c.right)
		}
	}
}

// generic returns a YAML text in the form that a JSON validator takes.
func generic(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

// TestExamplesOfTheGuides checks the jobs in the guides with the schema.
func TestExamplesOfTheGuides(t *testing.T) {
	schema := compileSchema(t)
	fence := regexp.MustCompile("(?s)```yaml file=([a-z]+).yaml\n(.*?)```")
	found := 0
	for _, guide := range []string{"practitioner.md", "administrator.md"} {
		body, err := os.ReadFile(filepath.Join("..", "docs", guide))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(body), -1) {
			if m[1] == "service" {
				continue
			}
			found++
			if err := schema.Validate(generic(t, m[2])); err != nil {
				t.Errorf("%s: %s.yaml: %v", guide, m[1], err)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d jobs in the guides, want 3 or more", found)
	}
}
