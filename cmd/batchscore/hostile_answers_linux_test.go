package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob"
)

// asked are the commands that ask an engine about a job.
var asked = [][]string{{"list"}, {"status", "nightly-1"}, {"logs", "nightly-1"}, {"cancel", "nightly-1"}, {"fetch", "nightly-1", "fetched"}}

// TestHostilePrograms has the programs of engines answer with texts of an attacker: as their
// data, and as their error.
func TestHostilePrograms(t *testing.T) {
	state, bin, jobs := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("ANSWER", filepath.Join(bin, "answer.txt"))
	service := filepath.Join(bin, "service.yaml")
	t.Setenv(serviceVar, service)
	t.Chdir(t.TempDir())
	script := "#!/bin/sh\ncat \"$ANSWER\"\ncat \"$ANSWER\" >&2\nexit \"$CODE\"\n"
	for _, name := range []string{"kubectl", "sbatch", "squeue", "sacct", "scancel", "mpirun", "ssh"} {
		writeFile(t, filepath.Join(bin, name), []byte(script))
		if err := os.Chmod(filepath.Join(bin, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	condition := map[string]any{"type": "Failed", "status": "True", "reason": planted, "message": planted}
	waiting := map[string]any{"state": map[string]any{"waiting": map[string]any{"reason": planted, "message": planted}}}
	list := func(status map[string]any) string {
		body, err := json.Marshal(map[string]any{"items": []any{
			map[string]any{"kind": "Job", "metadata": map[string]any{"name": "nightly-1", "uid": planted}, "status": status},
			map[string]any{"kind": "Pod", "metadata": map[string]any{"name": planted}, "status": map[string]any{"phase": planted}},
			map[string]any{"kind": "Pod", "metadata": map[string]any{"name": "nightly-1-0"}, "status": map[string]any{
				"phase": planted, "containerStatuses": []any{waiting}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	line := strings.ReplaceAll(planted, "\n", "")
	for _, engine := range []struct {
		name, section string
		answers       []string // besides a text that is none
	}{
		{name: "kubernetes", section: "{image: i, mpi: false}", answers: []string{list(map[string]any{"conditions": []any{condition}}), list(nil)}},
		{name: "slurm", section: "{folder: " + jobs + ", binary: /bin/batchscore}", answers: []string{
			"7|FAILED|" + line + "|256|1|2||", "7|PENDING|" + line + "|0|" + line + "|2|" + line + "|", "7|" + line + "||0|1|2||"}},
		{name: "local", section: "{}"},
	} {
		writeFile(t, service, []byte(engine.name+": "+engine.section+"\n"))
		writeFile(t, filepath.Join(state, "batchscore", "jobs", "nightly-1.yaml"), fmt.Appendf(nil, "id: nightly-1\nengine: %s\nservice: %s\n"+
			"launched: 2026-01-02T15:04:05Z\nphase: started\njob: {name: nightly, images: /in, out: /out, model: /m.onnx}\n", engine.name, engine.section))
		for i, answer := range append(engine.answers, planted) {
			writeFile(t, os.Getenv("ANSWER"), []byte(answer))
			for _, code := range []string{"0", "1"} {
				t.Setenv("CODE", code)
				what := fmt.Sprintf("%s, answer %d, exit status %s", engine.name, i, code)
				for _, args := range asked {
					checkCommand(t, what, args[0] == "logs", append([]string{"jobs"}, args...)...)
				}
				if i == len(engine.answers) && code == "1" && engine.name != "local" { // which passes on what ranks print
					checkCommand(t, what, false, "launch", "--to", engine.name, "--images", "/in", "--out", "/out", "--model", "/m.onnx")
				}
			}
		}
	}
}

// TestHostileServices has Azure's services answer with texts of an attacker.
func TestHostileServices(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv(arm.TokenVariable, "token-of-the-test")
	t.Chdir(t.TempDir())
	var status int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { rawAnswer(w, status, body) }))
	defer server.Close()
	service := filepath.Join(state, "service.yaml")
	t.Setenv(serviceVar, service)
	refusal := map[string]any{"code": planted, "message": planted, "target": planted, "details": []any{map[string]any{"code": planted, "message": planted}}}
	object := func(fields map[string]any) string {
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	answers := []struct {
		status int
		body   string
	}{
		{status: 400, body: object(map[string]any{"error": refusal})}, {status: 403, body: planted},
		{status: 200, body: object(map[string]any{"id": planted, "name": planted, "properties": map[string]any{"status": planted, "executionState": planted,
			"provisioningState": planted, "allocationState": planted, "errors": []any{refusal}, "error": refusal}})},
		{status: 200, body: object(map[string]any{"properties": map[string]any{"status": "Failed", "executionState": "failed",
			"executionInfo": map[string]any{"errors": []any{refusal}, "exitCode": 1}, "error": map[string]any{"error": refusal}}})},
	}
	for _, engine := range []struct{ name, of string }{{name: "azureml", of: "compute: nodes"}, {name: "batchai", of: "cluster: nodes"}} {
		section := "{endpoint: " + server.URL + ", subscription: 11111111-2222-3333-4444-555555555555, resourceGroup: g, workspace: work, " + engine.of + "}"
		writeFile(t, service, []byte(engine.name+": "+section+"\n"))
		writeFile(t, filepath.Join(state, "batchscore", "jobs", "nightly-1.yaml"), fmt.Appendf(nil, "id: nightly-1\nengine: %s\nservice: %s\n"+
			"launched: 2026-01-02T15:04:05Z\nphase: started\njob: {name: nightly, images: az://a/in, out: az://a/out, model: /m.onnx}\n", engine.name, section))
		for i, answer := range answers {
			status, body = answer.status, answer.body
			what := fmt.Sprintf("%s, answer %d", engine.name, i)
			for _, args := range asked {
				checkCommand(t, what, args[0] == "logs", append([]string{"jobs"}, args...)...)
			}
			checkCommand(t, what, false, "cluster", "show", "nodes")
		}
	}
}

// TestHostileStorage has a storage service answer with texts of an attacker, in its errors,
// its headers and in the names of blobs.
func TestHostileStorage(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv(azblob.SASToken, "sv=2024-11-04&sp=rwl&sr=c&sig=c2lnbmF0dXJl")
	t.Chdir(t.TempDir())
	name := strings.NewReplacer("\x1b", "", "\x07", "", "\b", "").Replace(planted) // XML has no others
	escaped := strings.NewReplacer("\r", "&#13;", "\n", "&#10;", "\t", "&#9;").Replace(name)
	listing := `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="photos"><Blobs><Blob><Name>` + escaped + `.jpg</Name><Properties>` +
		`<Content-Length>3</Content-Length><Etag>"` + escaped + `"</Etag><BlobType>BlockBlob</BlobType></Properties></Blob></Blobs><NextMarker/></EnumerationResults>`
	var status int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("comp") == "list" && status == 200 {
			rawAnswer(w, 200, listing)
			return
		}
		rawAnswer(w, status, body)
	}))
	defer server.Close()
	model := tiny(t, graphtest.Options{})
	place := "az://acme/photos"
	for _, answer := range []struct {
		status int
		body   string
	}{
		{status: 200, body: planted}, {status: 404, body: planted},
		{status: 403, body: `<?xml version="1.0"?><Error><Code>` + escaped + `</Code><Message>` + escaped + `</Message></Error>`},
	} {
		status, body = answer.status, answer.body
		for _, args := range [][]string{
			{"sample", "--images", place, "-n", "1", "--out", "sample"}, {"plan", "--images", place}, {"jobs", "status", place}, {"show", place},
			{"run", "--images", place, "--out", "labels", "--model", model, "--provider", "simulate:rate=inf", "--rank", "0", "--world", "1"},
			{"verify", place},
		} {
			checkCommand(t, fmt.Sprint("status ", status), false, append(args, "--endpoint", server.URL, "--patience", "1ms")...)
		}
	}
}

// rawAnswer answers with headers as net/http would not write them.
func rawAnswer(w http.ResponseWriter, status int, body string) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	text := strings.Map(func(c rune) rune {
		if c < ' ' {
			return -1 // net/http refuses such a header
		}
		return c
	}, planted)
	out := bufio.NewWriter(buffered)
	fmt.Fprintf(out, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nx-ms-error-code: %[2]s\r\nx-ms-request-id: %[2]s\r\nETag: \"%[2]s\"\r\n"+
		"Content-Length: %[3]d\r\nConnection: close\r\n\r\n%[4]s", status, text, len(body), body)
	_ = out.Flush()
	_ = buffered.Flush()
}
