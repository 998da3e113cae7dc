package monitoring

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/goldentest"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
)

const dashboardFile = "dashboard.json"

// TestDashboard: the file is what the code writes. -update writes it.
func TestDashboard(t *testing.T) {
	t.Parallel()
	want, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *goldentest.Update {
		if err := os.WriteFile(dashboardFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(dashboardFile)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is out of date, %v: go test ./deploy/monitoring -update writes it", dashboardFile, err)
	}
}

// alert is one rule of alerts.yml.
type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// alerts returns the rules.
func alerts(t *testing.T) []alert {
	t.Helper()
	body, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(body, &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("%d alerts, want ten or more", len(all))
	}
	return all
}

var metricName = regexp.MustCompile(`\bbatchscore_[a-z_]+`)

// unknown returns the metrics that an expression names and nobody defines.
func unknown(expr string) (names []string) {
	for _, name := range metricName.FindAllString(expr, -1) {
		if !slices.ContainsFunc(metrics.All(), func(m *metrics.Metric) bool {
			return name == m.Name || m.Kind == metrics.Histogram && slices.Contains([]string{m.Name + "_bucket", m.Name + "_sum", m.Name + "_count"}, name)
		}) {
			names = append(names, name)
		}
	}
	return names
}

// TestMetricsExist: alerts and dashboard name metrics that there are, in their texts, too.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	texts := Expressions()
	for _, a := range alerts(t) {
		texts = append(texts, a.Expr, a.Annotations["summary"]+a.Annotations["action"])
	}
	body, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(texts, string(body)) {
		if names := unknown(text); len(names) > 0 {
			t.Errorf("%s: there are no metrics %q", text, names)
		}
	}
	if unknown("rate(batchscore_no_such_total[5m])") == nil {
		t.Error("a metric that is not defined is taken for one")
	}
}

// TestAlertsSay: every alert has a severity, says what is wrong and what to do, and has
// cases.
func TestAlertsSay(t *testing.T) {
	t.Parallel()
	cases, err := os.ReadFile("alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts(t) {
		if a.Labels["severity"] == "" || a.Annotations["summary"] == "" || len(a.Annotations["action"]) < 40 {
			t.Errorf("%s has no severity, no summary or no action", a.Alert)
		}
		if !covered(string(cases), a.Alert) {
			t.Errorf("alerts_test.yml has no case for %s", a.Alert)
		}
	}
}

// covered reports whether cases name an alert, by itself or in a regular expression.
func covered(cases, alert string) bool {
	for _, m := range regexp.MustCompile(`alertname(?:: |=~?")([^",}\n]+)`).FindAllStringSubmatch(cases, -1) {
		if ok, err := regexp.MatchString("^(?:"+m[1]+")$", alert); err == nil && ok {
			return true
		}
	}
	return false
}

// TestCodesThatNeedAPerson: BatchscoreRankFailed leaves out the codes after which a run is
// started again.
func TestCodesThatNeedAPerson(t *testing.T) {
	t.Parallel()
	all := alerts(t)
	i := slices.IndexFunc(all, func(a alert) bool { return a.Alert == "BatchscoreRankFailed" })
	for _, code := range append(slices.Clone(deploy.RetryCodes), 0, 130) {
		if !strings.Contains(strings.TrimSpace(all[i].Expr)+" ", fmt.Sprintf("batchscore_run_exit_status != %d ", code)) {
			t.Errorf("%s does not leave out exit code %d", all[i].Expr, code)
		}
	}
}

// promtool returns the tool of Debian's package, which make test-deps fetches.
func promtool(t *testing.T) string {
	t.Helper()
	for _, name := range []string{filepath.Join(os.Getenv("BATCHSCORE_CACHE"), "monitoring/usr/bin/promtool"), "promtool"} {
		if tool, err := exec.LookPath(name); err == nil {
			return tool
		}
	}
	const missing = "promtool is missing: deploy/deps/fetch.sh monitoring fetches it"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// TestRules has promtool check the rules and their cases.
func TestRules(t *testing.T) {
	t.Parallel()
	tool := promtool(t)
	for _, args := range [][]string{{"check", "rules", "--lint=all", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
