package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// liveState is what this test needs of what the live page is told.
type liveState struct {
	Stage   string `json:"stage"`
	Rows    int    `json:"rows"`
	Failed  int    `json:"failed"`
	After   string `json:"after"`
	Trouble string `json:"trouble"`
	Waiting string `json:"waiting"`
}

// startView starts the command view, and returns it with the line that it prints, the address, and
// what it writes to standard error.
func startView(t *testing.T, args ...string) (*exec.Cmd, string, *bytes.Buffer) {
	t.Helper()
	cmd, stderr := command(t, nil, append([]string{"view"}, args...)...), new(bytes.Buffer)
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("it prints no address: %v\n%s", err, stderr)
	}
	return cmd, address, stderr
}

// TestView follows a job with the live page, from before its beginning until after a retry.
func TestView(t *testing.T) {
	t.Parallel()
	in, out, model := pictures(t, 6), filepath.Join(t.TempDir(), "result"), tiny(t, graphtest.Options{})
	writeFile(t, filepath.Join(in, "z-bad.jpg"), []byte("<html>"))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.jpg")
	writeFile(t, elsewhere, picture(t, 9))
	if err := os.Symlink(elsewhere, filepath.Join(in, "a-link.jpg")); err != nil {
		t.Fatal(err)
	}

	cmd, address, stderr := startView(t, out, "--every", "100ms")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	var base string // the address without the token
	get := func(target string) (int, string) {
		t.Helper()
		r, err := client.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if base == "" {
			base = r.Request.URL.String()
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(body)
	}
	if code, body := get(strings.TrimSpace(address)); code != http.StatusOK || !strings.Contains(body, "<title>batchscore view</title>") {
		t.Fatalf("%s: %d %s", address, code, body)
	}
	var state liveState
	await := func(what string, ok func() bool) {
		t.Helper()
		eventually(t, what, func() bool {
			_, body := get(base + "progress")
			state = liveState{}
			if err := json.Unmarshal([]byte(body), &state); err != nil {
				t.Fatal(err)
			}
			return ok()
		})
	}
	await("a word about the output that is not there", func() bool {
		return state.Stage == "waiting" && strings.Contains(state.Waiting, out) && state.Trouble == ""
	})
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--log-level", "error", "--max-errors", "100%"}
	must(t, 0, args...)
	await("the end of the job", func() bool { return state.Stage == "complete" && state.Rows == 8 })
	if state.Failed != 1 || state.Trouble != "" {
		t.Errorf("the complete job: %+v", state)
	}
	if code, body := get(base + "image?size=large&row=1"); code != http.StatusOK || !strings.HasPrefix(body, "\xff\xd8") {
		t.Errorf("a picture: %d %.100q", code, body)
	}
	if code, body := get(base + "image?size=small&row=0"); code != http.StatusNotFound || !strings.Contains(body, "link") {
		t.Errorf("a link out of the images: %d %.200q", code, body)
	}
	if code, body := get(base + "row?row=7"); code != http.StatusOK || !strings.Contains(body, `"status":"not_image"`) {
		t.Errorf("a row: %d %s", code, body)
	}
	writeFile(t, filepath.Join(in, "z-bad.jpg"), picture(t, 7))
	must(t, 0, append(args, "--retry", "failed")...)
	await("the rows of the retry", func() bool {
		_, row := get(base + "row?row=7")
		code, _ := get(base + "image?size=small&row=7")
		return state.Stage == "complete" && state.Failed == 0 && state.Rows == 8 && strings.Contains(row, `"status":"ok"`) && code == http.StatusOK
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, stderr)
	}
	if token := strings.TrimSpace(address[strings.Index(address, "=")+1:]); strings.Contains(stderr.String(), token) {
		t.Errorf("standard error has the token: %s", stderr)
	}
	if !strings.Contains(stderr.String(), "the page shows the job once it has begun") {
		t.Errorf("it does not say that there is no output yet: %s", stderr)
	}
}

func TestViewRefuses(t *testing.T) {
	t.Parallel()
	in := pictures(t, 1)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{code: 64, says: "--allow-other-machines", args: []string{in, "--listen", "0.0.0.0:0"}},
		{code: 64, says: "--allow-other-machines", args: []string{in, "--listen", ":0"}},
		{code: 64, says: "--allow-other-machines", args: []string{in, "--listen", "example.com:0"}},
		{code: 64, says: "HOST:PORT", args: []string{in, "--listen", ""}},
		{code: 64, says: "HOST:PORT", args: []string{in, "--listen", "127.0.0.1"}},
		{code: 64, says: "too often", args: []string{in, "--every", "1ms"}},
		{code: 64, says: "--no-images", args: []string{in, "--no-images", "--images", in}},
		{code: 78, says: "is not an output folder", args: []string{in}},
	} {
		r := must(t, c.code, append([]string{"view"}, c.args...)...)
		says(t, r, c.says)
		if r.stdout != "" {
			t.Errorf("%q prints %q", c.args, r.stdout)
		}
	}
}

// TestViewForOtherMachines lets another address of this machine ask, with a warning.
func TestViewForOtherMachines(t *testing.T) {
	t.Parallel()
	cmd, address, stderr := startView(t, filepath.Join(t.TempDir(), "none"), "--listen", "0.0.0.0:0", "--allow-other-machines")
	for host, want := range map[string]int{"127.0.0.2": http.StatusUnauthorized, "localhost": http.StatusUnauthorized} {
		target := fmt.Sprint("http://", host, ":", strings.Split(strings.Split(address, ":")[2], "/")[0], "/")
		r, err := http.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", target, r.StatusCode, want)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if !strings.Contains(stderr.String(), "plain HTTP") {
		t.Errorf("it does not warn: %s", stderr)
	}
}
