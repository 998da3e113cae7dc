package units

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
)

const service = "batchscore.service"

// settings are the values of a unit by name, in order.
func settings(t *testing.T, file string) map[string][]string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(body)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			all[name] = append(all[name], value)
		}
	}
	return all
}

// TestExitCodes: systemd retries what a retry may mend, and nothing else.
func TestExitCodes(t *testing.T) {
	unit := settings(t, service)
	codes := func(name string) (list []int) {
		for _, word := range strings.Fields(strings.Join(unit[name], " ")) {
			n, err := strconv.Atoi(word)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			list = append(list, n)
		}
		return list
	}
	if have := codes("RestartPreventExitStatus"); !slices.Equal(have, deploy.FinalCodes) {
		t.Errorf("RestartPreventExitStatus=%v, want %v", have, deploy.FinalCodes)
	}
	if have := codes("RestartForceExitStatus"); !slices.Equal(have, deploy.RetryCodes) {
		t.Errorf("RestartForceExitStatus=%v, want %v", have, deploy.RetryCodes)
	}
	for _, code := range codes("SuccessExitStatus") {
		if slices.Contains(deploy.FinalCodes, code) || code == 75 {
			t.Errorf("SuccessExitStatus=%d: that is not a success", code)
		}
	}
}

// TestVerify: systemd knows every setting of the units.
func TestVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is missing: make deps installs it")
		}
		t.Skip("systemd-analyze is missing: make deps installs it")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	others, err := filepath.Glob("batchscore*.*")
	if others = slices.DeleteFunc(others, func(name string) bool { return name == service }); err != nil || len(others) < 2 {
		t.Fatalf("units besides %s: %q, %v", service, others, err)
	}
	folder := t.TempDir()
	copied := func(name, extra string) string {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// It looks for the program, which need not be installed here.
		text := strings.ReplaceAll(string(body), "/usr/local/bin/batchscore", self)
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text+extra), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	verify := func(extra string) string {
		files := []string{"verify", "--man=no", copied(service, extra)}
		for _, other := range others {
			files = append(files, copied(other, ""))
		}
		out, _ := exec.Command(analyze, files...).CombinedOutput()
		return string(out)
	}
	if out := verify(""); strings.Contains(out, folder) || strings.Contains(out, "batchscore") {
		t.Errorf("systemd-analyze: %s", out)
	}
	if out := verify("\n[Service]\nRestartOn=failure\n"); !strings.Contains(out, "RestartOn") {
		t.Errorf("a misspelt setting was not found, so this test proves nothing: %q", out)
	}
}

// TestScripts: shellcheck finds nothing in the check with a real systemd.
func TestScripts(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shellcheck is missing: make deps installs it")
		}
		t.Skip("shellcheck is missing: make deps installs it")
	}
	if out, err := exec.Command(shellcheck, "-x", "-P", "../..", "nights/check.sh").CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %s", out)
	}
}

// TestCredentials: the unit passes the copy of the credentials. Its specifier, %d, is unknown
// to systemd 249, which Ubuntu 22.04 has.
func TestCredentials(t *testing.T) {
	unit := settings(t, service)
	name, _, _ := strings.Cut(unit["LoadCredential"][0], ":")
	if flag := " --credentials ${CREDENTIALS_DIRECTORY}/" + name + " "; !strings.Contains(unit["ExecStart"][0], flag) {
		t.Errorf("ExecStart=%s has no%s", unit["ExecStart"][0], flag)
	}
}

// TestResume: what the machine's end interrupts continues at boot, wherever the timer is enabled.
func TestResume(t *testing.T) {
	const resume = "batchscore-resume.service"
	if also := settings(t, "batchscore.timer")["Also"]; !slices.Equal(also, []string{resume}) {
		t.Errorf("enabling the timer enables %q, want %s", also, resume)
	}
	unit, of := settings(t, resume), settings(t, service)
	state := "/var/lib/" + of["StateDirectory"][0] + "/run"
	if !strings.Contains(of["EnvironmentFile"][1], "/run") || !slices.Equal(unit["ConditionFileNotEmpty"], []string{state}) {
		t.Errorf("it continues if there is %q, want the name of a run that has not ended, %s", unit["ConditionFileNotEmpty"], state)
	}
	if start := unit["ExecStart"][0]; !strings.HasSuffix(start, " start --no-block "+service) {
		t.Errorf("ExecStart=%s does not start %s", start, service)
	}
}

// TestIncrement: a night continues the last one in the folder that holds its own run, and the
// same folder is pruned.
func TestIncrement(t *testing.T) {
	start := settings(t, service)["ExecStart"][0]
	for _, flag := range []string{" --out ${OUT}/${RUN} ", " --after ${OUT} "} {
		if !strings.Contains(start, flag) {
			t.Errorf("ExecStart=%s has no%s", start, flag)
		}
	}
	prune := settings(t, "batchscore-prune.service")
	if start := prune["ExecStart"][0]; !strings.Contains(start, " prune ${OUT} --keep ${KEEP} --yes ") {
		t.Errorf("ExecStart=%s does not prune the runs", start)
	}
	if keep := settings(t, "nightly.env")["KEEP"]; len(keep) != 1 || "KEEP="+keep[0] != prune["Environment"][0] {
		t.Errorf("KEEP is %q in nightly.env, and %q without it", keep, prune["Environment"])
	}
	if also := settings(t, "batchscore.timer")["Also"]; slices.Contains(also, "batchscore-prune.timer") {
		t.Error("enabling the nightly timer deletes runs")
	}
}

// TestRunNames: a run keeps its name until it has ended, and the next one has
// another.
func TestRunNames(t *testing.T) {
	unit := settings(t, service)
	// The shells of the lines must not run what is in a value or in the folder's name.
	state := filepath.Join(t.TempDir(), "it's $(touch canary) `touch canary`")
	if err := os.Mkdir(state, 0o755); err != nil {
		t.Fatal(err)
	}
	place := "az://acme/a b's \"labels\" $(touch canary) `touch canary` %h %% \\n ; touch canary"
	run := func(setting, status string) string {
		// What systemd makes of a line: $$ and %% stand for one of each.
		line := strings.NewReplacer("$$", "$", "%%", "%").Replace(unit[setting][0])
		script, ok := strings.CutPrefix(strings.TrimPrefix(line, "-"), "/bin/sh -c '")
		if !ok {
			t.Fatalf("%s=%s", setting, line)
		}
		cmd := exec.Command("/bin/sh", "-c", strings.TrimSuffix(script, "'"))
		cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+state, "EXIT_STATUS="+status, "OUT="+place, "RUN=2026")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", setting, err, out)
		}
		body, err := os.ReadFile(filepath.Join(state, "run"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(body)
	}
	first := run("ExecStartPre", "")
	if !strings.HasPrefix(first, "RUN=20") {
		t.Fatalf("the run is named %q, want RUN=20...", first)
	}
	for _, status := range []string{"1", "75", "78", "143", "KILL"} {
		if again := run("ExecStopPost", status); again != first {
			t.Errorf("after %s the run is %q, want %q", status, again, first)
		}
		if again := run("ExecStartPre", ""); again != first {
			t.Errorf("after %s the run begins again as %q, want %q", status, again, first)
		}
	}
	run("ExecStartPost", "")
	for _, status := range []string{"0", "3", "4", "6"} {
		run("ExecStartPre", "")
		if left := run("ExecStopPost", status); left != "" {
			t.Errorf("after %s the next run would continue with %q", status, left)
		}
		if last, err := os.ReadFile(filepath.Join(state, "last-run")); err != nil || string(last) != place+"/2026\n" {
			t.Errorf("after %s monitors find the last run in %q, %v; want %q", status, last, err, place)
		}
	}
	if _, err := os.Lstat("canary"); err == nil {
		t.Error("a value was run as a command")
	}
}
