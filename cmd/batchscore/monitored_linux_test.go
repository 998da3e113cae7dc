package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy/monitoring"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// monitoringTool returns a program of Debian's packages, which make test-deps fetches.
func monitoringTool(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{filepath.Join(os.Getenv("BATCHSCORE_CACHE"), "monitoring/usr/bin", name), name} {
		if tool, err := exec.LookPath(path); err == nil {
			return tool
		}
	}
	missing := name + " is missing: deploy/deps/fetch.sh monitoring fetches it"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// alertmanager returns Debian's Alertmanager, which reads templates at a fixed place. Where the
// package is unpacked only, that place is made in a mount namespace of its own.
func alertmanager(tool string, args ...string) *exec.Cmd {
	const place = "/usr/share/prometheus/alertmanager"
	if exists(place) {
		return exec.Command(tool, args...)
	}
	templates := filepath.Join(filepath.Dir(tool), "../share/prometheus/alertmanager")
	const script = `mount -t tmpfs tmpfs /usr/share && mkdir -p "${1%/*}" && cp -r "$2" "$1" && shift 2 && exec "$@"`
	return exec.Command("unshare", append([]string{"-rm", "sh", "-c", script, "sh", place, templates, tool}, args...)...)
}

// started starts a program that is ended with the test, and returns its log.
func started(t *testing.T, cmd *exec.Cmd) (log string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		_ = file.Close()
		if body, err := os.ReadFile(file.Name()); err == nil && t.Failed() {
			t.Logf("%q: %s", cmd.Args, body)
		}
	})
	return file.Name()
}

var servedAt = regexp.MustCompile(`"event":"metrics_served".*"address":"([^"]+)"`)

// served returns the address at which a process serves metrics, from its log.
func served(t *testing.T, log string) (address string) {
	t.Helper()
	eventually(t, "metrics are served", func() bool {
		body, err := os.ReadFile(log)
		m := servedAt.FindSubmatch(body)
		if err != nil || m == nil {
			return false
		}
		address = string(m[1])
		return true
	})
	return address
}

// unusedAddress returns an address on which nobody listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask returns how many results a Prometheus has for an expression.
func ask(t *testing.T, prometheus, expr string) int {
	t.Helper()
	resp, err := http.Get("http://" + prometheus + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0 // it is starting
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []any }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0
	}
	if answer.Error != "" {
		t.Fatalf("%s: %s", expr, answer.Error)
	}
	return len(answer.Data.Result)
}

// TestMonitored has a Prometheus scrape two ranks and jobs export. Every query of the
// dashboard has an answer, and once the ranks hang, Alertmanager says so.
func TestMonitored(t *testing.T) {
	prometheusTool, alertTool, promtool := monitoringTool(t, "prometheus"), monitoringTool(t, "prometheus-alertmanager"), monitoringTool(t, "promtool")
	folder, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	images := pictures(t, 400)
	writeFile(t, filepath.Join(images, "empty-0.png"), nil)
	writeFile(t, filepath.Join(images, "0-empty.png"), nil)
	var targets []string
	var ranks []*exec.Cmd
	model := tiny(t, graphtest.Options{})
	for rank := range 2 {
		cmd := command(t, nil, "run", "--images", images, "--out", out, "--model", model, "--provider", "simulate:rate=4", "--chunk", "2", "--batch", "1",
			"--rank", fmt.Sprint(rank), "--world", "2", "--metrics", "127.0.0.1:0", "--log-format", "json", "--max-errors", "100%")
		log := started(t, cmd)
		ranks, targets = append(ranks, cmd), append(targets, served(t, log))
	}
	export := started(t, command(t, nil, "jobs", "export", out, "--metrics", "127.0.0.1:0", "--every", "1s", "--stalled-after", "4s", "--log-format", "json"))
	targets = append(targets, served(t, export))

	var mu sync.Mutex
	var told string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			told += string(body)
		}
	}))
	t.Cleanup(hook.Close)
	manager, prometheus := unusedAddress(t), unusedAddress(t)
	writeFile(t, filepath.Join(folder, "manager.yml"), fmt.Appendf(nil,
		"route: {receiver: hook, group_wait: 0s, group_interval: 1s}\nreceivers: [{name: hook, webhook_configs: [{url: '%s'}]}]\n", hook.URL))
	rules, err := os.ReadFile("../../deploy/monitoring/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "rules.yml"), regexp.MustCompile(`for: \d+m`).ReplaceAll(rules, []byte("for: 1s")))
	writeFile(t, filepath.Join(folder, "prometheus.yml"), fmt.Appendf(nil, `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ['%s']}]}]}
scrape_configs: [{job_name: batchscore, static_configs: [{targets: ['%s']}]}]
`, manager, strings.Join(targets, "', '")))
	started(t, alertmanager(alertTool, "--config.file="+filepath.Join(folder, "manager.yml"), "--web.listen-address="+manager,
		"--cluster.listen-address=", "--storage.path="+filepath.Join(folder, "manager")))
	started(t, exec.Command(prometheusTool, "--config.file="+filepath.Join(folder, "prometheus.yml"), "--web.listen-address="+prometheus,
		"--storage.tsdb.path="+filepath.Join(folder, "data")))

	for _, target := range targets {
		resp, err := http.Get("http://" + target + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		check := exec.Command(promtool, "check", "metrics")
		check.Stdin = resp.Body
		if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("promtool check metrics of %s: %v\n%s", target, err, said)
		}
		resp.Body.Close()
	}
	eventually(t, "both ranks are scraped and score", func() bool {
		return ask(t, prometheus, "rate(batchscore_images_processed_total[5s]) > 0") == 2
	})
	// There is no GPU and no storage on a network here, and the job is not complete.
	elsewhere := regexp.MustCompile(`batchscore_(gpu|storage)_|batchscore_job_(collection|increment)_images`)
	for _, expr := range monitoring.Expressions() {
		filled := strings.NewReplacer("$place", ".*", "$job_id", ".*", "$__rate_interval", "5s").Replace(expr)
		if elsewhere.MatchString(expr) {
			ask(t, prometheus, filled) // it must be one
			continue
		}
		eventually(t, "an answer to "+filled, func() bool { return ask(t, prometheus, filled) > 0 })
	}
	heard := func(alert string) bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(told, `"alertname":"`+alert+`"`)
	}
	if heard("BatchscoreJobStalled") {
		t.Error("a job that runs is called stalled")
	}
	for _, rank := range slices.Backward(ranks) {
		if err := rank.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	eventually(t, "an alert on the job that stalls", func() bool { return heard("BatchscoreJobStalled") })
	t.Logf("the alert came %.0f s after the ranks were stopped", time.Since(start).Seconds())
}
