package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// byOthers are the commands that other tests run on planted texts.
var byOthers = map[string]string{
	"batchscore jobs status": "TestHostileRecords", "batchscore show": "TestHostileRecords", "batchscore verify": "TestHostileRecords",
	"batchscore merge": "TestHostileRecords", "batchscore repair": "TestHostileRecords",
	"batchscore exit-codes": "a topic", "batchscore places": "a topic",
}

// TestHostileCommands runs each command on texts that are planted in what it reads, in its
// arguments and in the environment. A command without a case fails the test.
func TestHostileCommands(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("SLURM_JOB_ID", planted)
	t.Setenv("CUDA_VISIBLE_DEVICES", planted)
	t.Chdir(t.TempDir())
	images := hostileImages(t)
	good := tiny(t, graphtest.Options{})
	bench := hostileBench(t)
	place := filepath.Join(t.TempDir(), planted)
	out := filepath.Join(place, "out")

	cases := map[string][][]string{
		"run": {{"--images", images, "--out", out, "--model", good, "--provider", "simulate:rate=inf", "--rank", "0", "--world", "1"},
			{"--images", images, "--out", out, "--model", good, "--provider", "simulate:rate=inf", "--rank", "0", "--world", "1", "--log-format", "text"},
			{"--images", place, "--out", planted, "--model", planted}},
		"launch":    {{"--dry-run", "--", "--images", images, "--out", out, "--model", planted}, {"--to", planted}, {"-f", planted}},
		"jobs list": {{}},
		"view": {{planted, "--listen", planted}, {place, "--images", place, "--every", "0s"}, {images},
			{place, "--listen", "192.0.2.1:0", "--allow-other-machines"}},
		"jobs logs":      {{planted}},
		"jobs cancel":    {{planted}},
		"jobs fetch":     {{planted, "new"}},
		"jobs export":    {{place, "--metrics", planted}, {planted, "--metrics-file", planted}, {planted}},
		"similar":        {{place, planted}, {planted, "--pairs"}, {place, "--queries", planted}},
		"prune":          {{place}, {planted}, {planted, "--forget", planted}},
		"plan":           {{"--images", images, "--world", "2"}, {"--images", place}},
		"sample":         {{"--images", images, "-n", "2", "--out", filepath.Join(place, "sample")}},
		"models build":   {{planted}, {"vgg16", "--weights", place}},
		"models import":  {{place, "-o", "new.onnx"}},
		"models add":     {{planted, place}, {place}},
		"models remove":  {{planted}},
		"models list":    {{}},
		"models inspect": {{place}},
		"models check":   {{place}},
		"models convert": {{place, "-o", "new.onnx", "--precision", "fp16"}},
		"models fuse":    {{place, "-o", "new.onnx"}},
		"models cut":     {{place, "-o", "new.onnx"}, {place, planted, "-o", "new.onnx"}},
		"models golden":  {{place, "--images", images}},
		"doctor":         {{}, {"--images", place}},
		"gpu-check":      {{"--out", place}, {"--only", planted}},
		"bench decode":   {{planted}},
		"bench infer":    {{planted}},
		"bench run":      {{planted}},
		"bench scale":    {{planted}},
		"bench simulate": {{planted}, {"--device", planted}},
		"bench read":     {{bench}, {place}},
		"bench compare":  {{bench}, {bench, "--format", "markdown"}, {place}},
		"cluster create": {{planted}},
		"cluster show":   {{planted}},
		"cluster resize": {{planted}},
		"cluster delete": {{planted}},
		"report": {{planted, "-o", planted}, {place, "--json"}, {out, "--json"}, {out, "-o", "-", "--truth", "folder-names"}, {out, "--fail-on", planted},
			{out, "--fail-on", "share[" + planted + "]>0.5"}, {out, "--json", "--against", place}, {out, "-o", "-", "--truth", planted}},
		"version":    {{}, {planted}},
		"completion": {{planted}},
		"export": {{planted, "--to", "csv", "-o", "-"}, {place, "--to", planted, "-o", planted}, {out, "--to", "csv", "-o", "-", "--label", planted},
			{out, "--to", "label-studio", "-o", planted, "--where", planted}, {out, "--to", "cvat", "-o", filepath.Join(place, "cvat"), "--truth", planted},
			{out, "--to", "yolo", "-o", filepath.Join(place, "yolo")}, {place, "--to", "csv", "-o", "-", "--score", planted, "--urls", planted}},
	}
	for _, cmd := range leaves(newRoot(nil)) {
		path := strings.TrimPrefix(cmd.CommandPath(), "batchscore ")
		lines, has := cases[path]
		if !has && byOthers[cmd.CommandPath()] == "" {
			t.Errorf("%s has no case here", cmd.CommandPath())
		}
		for _, line := range lines {
			checkCommand(t, "planted", path == "launch", append(strings.Fields(path), line...)...)
		}
	}

	t.Run("records of jobs", func(t *testing.T) { hostileJobs(t, filepath.Join(state, "batchscore", "jobs")) })
	t.Run("models", func(t *testing.T) { hostileModels(t, good, images) })
}

// hostileJobs plants texts in each string of the record of a launched job.
func hostileJobs(t *testing.T, folder string) {
	r := record.Record{ID: "nightly-1", Engine: "local", Launched: time.Now(), Phase: record.Done,
		Job: deploy.Job{Name: "nightly", Images: "in", Out: "out", Model: "m.onnx"}}
	for _, l := range stringsOf(reflect.TypeOf(r)) {
		if strings.HasPrefix(l.name, "Service") {
			continue // settings of an engine, which are not shown
		}
		hostile := r
		plantAt(reflect.ValueOf(&hostile).Elem(), l.steps, planted)
		body, err := yaml.Marshal(hostile)
		if err != nil {
			t.Fatal(l.name, err)
		}
		writeFile(t, filepath.Join(folder, "nightly-1.yaml"), body)
		for _, args := range [][]string{{"list"}, {"list", "--json"}, {"status"}, {"logs"}, {"cancel", "nightly-1"}, {"fetch", "nightly-1", "fetched"}} {
			checkCommand(t, l.name, false, append([]string{"jobs"}, args...)...)
		}
		checkCommand(t, l.name, false, "__complete", "jobs", "logs", "")
	}
}

// hostileModels plants texts in each string of an ONNX file and of a contract in it.
func hostileModels(t *testing.T, good, images string) {
	body, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	parsed := func() *onnxpb.ModelProto {
		m := new(onnxpb.ModelProto)
		if err := proto.Unmarshal(body, m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	check := func(what string, m *onnxpb.ModelProto, commands ...[]string) {
		changed, err := proto.Marshal(m)
		if err != nil {
			return // text in Protocol Buffers is UTF-8
		}
		file := filepath.Join(t.TempDir(), "hostile.onnx")
		writeFile(t, file, changed)
		for _, args := range commands {
			args = slices.Clone(args)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "FILE", file)
			}
			checkCommand(t, what, false, args...)
		}
	}
	// What ONNX Runtime says of names, which it is given in each of these places.
	for what, plant := range map[string]func(m *onnxpb.ModelProto){
		"operator": func(m *onnxpb.ModelProto) { m.Graph.Node[0].OpType = proto.String(planted) },
		"node": func(m *onnxpb.ModelProto) {
			m.Graph.Node[0].Name, m.Graph.Node[0].Input = proto.String(planted), []string{"none" + planted}
		},
		"domain": func(m *onnxpb.ModelProto) { m.Graph.Node[0].Domain = proto.String(planted) },
		"input":  func(m *onnxpb.ModelProto) { m.Graph.Input[0].Name = proto.String(planted) },
		"output": func(m *onnxpb.ModelProto) { m.Graph.Output[0].Name = proto.String(planted) },
		"attribute": func(m *onnxpb.ModelProto) {
			m.Graph.Node[0].Attribute = []*onnxpb.AttributeProto{{Name: proto.String(planted)}}
		},
		"producer": func(m *onnxpb.ModelProto) { m.ProducerName, m.DocString = proto.String(planted), proto.String(planted) },
		"weights": func(m *onnxpb.ModelProto) {
			m.Graph.Initializer[0].DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
			m.Graph.Initializer[0].ExternalData = []*onnxpb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String(planted)}}
		},
	} {
		m := parsed()
		plant(m)
		check(what, m, []string{"models", "inspect", "FILE"}, []string{"models", "inspect", "FILE", "--json"}, []string{"models", "check", "FILE"},
			[]string{"run", "--images", images, "--out", "refused", "--model", "FILE"})
	}
	var contract models.Contract
	at := slices.IndexFunc(parsed().MetadataProps, func(p *onnxpb.StringStringEntryProto) bool { return p.GetKey() == models.MetadataKey })
	done := 0
	for _, l := range stringsOf(reflect.TypeOf(contract)) {
		m := parsed()
		contract = models.Contract{}
		if err := json.Unmarshal([]byte(m.MetadataProps[at].GetValue()), &contract); err != nil {
			t.Fatal(err)
		}
		plantAt(reflect.ValueOf(&contract).Elem(), l.steps, planted)
		text, err := json.Marshal(&contract)
		if err != nil {
			continue
		}
		m.MetadataProps[at].Value = proto.String(string(text))
		done++
		check("contract."+l.name, m, []string{"models", "inspect", "FILE"}, []string{"models", "add", "--models", "library", "--replace", "FILE"},
			[]string{"models", "list", "--models", "library"},
			[]string{"run", "--images", images, "--out", fmt.Sprint("labelled", done), "--model", "FILE",
				"--provider", "simulate:rate=inf", "--rank", "0", "--world", "1"},
			[]string{"show", fmt.Sprint("labelled", done)})
	}
	if done < 10 {
		t.Errorf("%d strings of a contract were planted, want 10 at least", done)
	}
}

// hostileBench returns a file of measurements with texts of an attacker, as far as lines of
// that form can have them.
func hostileBench(t *testing.T) string {
	t.Helper()
	text := strings.NewReplacer("\r", "", "\n", "", "\t", "", "\b", "").Replace(planted)
	file := filepath.Join(t.TempDir(), "hostile.txt")
	word := strings.ReplaceAll(text, " ", "_")
	var body strings.Builder
	for i := range 4 {
		fmt.Fprintf(&body, "date: 2026-01-02T15:04:05Z\ncpu: %s\ngpu: %[1]s<script>\nonnxruntime: %[1]s\nkind: measured\n"+
			"BenchmarkRun/model=%[2]s/device=<script>%[2]s|%[3]d 1 %[3]d.5 images/s 2 %[2]s/s\n", text, word, i%2+1)
	}
	writeFile(t, file, []byte(body.String()))
	return file
}
