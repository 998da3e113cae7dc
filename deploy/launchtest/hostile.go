package launchtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
)

// canary stands for the path of a file that no value may create.
const canary = "CANARY"

// hostile are values that mean something to shells, to engines and to the documents that
// these are sent.
var hostile = []string{
	"$(touch CANARY)", "`touch CANARY`", "; touch CANARY", "&& touch CANARY #", "| touch CANARY", "x\ntouch CANARY\n", `'"`,
	"'; touch CANARY; '", `"; touch CANARY; "`, `'$(touch CANARY)'`, `"$(touch CANARY)"`, `\`, `\\n\'`, "${IFS}", "$HOME", "$1", "$", "$$", "!!", "!$",
	"\n#SBATCH --wrap=touch CANARY\n", "#SBATCH --output=CANARY", "\r", "a\r\n#SBATCH --comment=b\r\n", "%j", "%%", "%h", "%n%i",
	"--option-like", "-oProxyCommand=touch CANARY", "-x", "--", ":", " : ", "~", "~root", "~+", "*", "/*", "[a-z]?", "{a,b}", "(", "<CANARY", ">CANARY",
	"", " ", " a  b ", "\t", "\v\f", "\x01\x1b[31m\x7f", "\u0085", "\u2028\u2029", "\u00a0", "\u202eRLO", "\ufeff", "世界 é", "e\u0301",
	"$(HOME)", "$$(HOME)", "$(CANARY)", "{{.Name}}", "{{template}}", "${{inputs.mount0}}", "${{secrets.X}}", "@file", "a=b", "a,b;c", "A=1;B=2",
	"!!python/object/apply:os.system [touch CANARY]", "&a *a", "*a", "yes", "on", "null", "~", "0x1F", "0o17", "017", "1:30", "1e3", "1_000", ".inf", "=", "<<",
	"2001-01-01", "- a", "a: b", "a #b", "|", ">-", "---", "...", "? a", "[", "{", "}", `"\u0000"`, "\\u0041", "</script>", "rank 1 | forged",
	"\nbatchscore: starting the ranks again\n", "srun: error: n: tasks 0: Exited",
}

// Hostile returns values that mean something to shells, engines and documents. Those that
// run a command try to create the file whose path is given.
func Hostile(path string) []string {
	values := slices.Clone(hostile)
	for i := range values {
		values[i] = strings.ReplaceAll(values[i], canary, path)
	}
	return append(values, strings.Repeat("long ", 12_000))
}

// together returns the values as one.
func together(values []string) string {
	short := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(v) > 1000 })
	return strings.Join(short, " ")
}

// HostileJobs returns jobs that have the values in every field that may hold any text. The
// program of all of them is the test itself: see EchoMain.
func HostileJobs(t *testing.T, values []string) (command, scoring deploy.Job) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{}
	for i, v := range values {
		environment[fmt.Sprintf("HOSTILE_%d", i)] = v
	}
	// Names that scripts could use themselves.
	for _, name := range strings.Fields("n code end left folder p t s r i id x PS argv job hosts a") {
		environment[name] = "kept " + name
	}
	command = deploy.Job{Name: "hostile", Command: append([]string{self}, values...), Environment: environment}
	all := together(values)
	scoring = deploy.Job{
		Name: "hostile", Images: "images " + all, Out: "out " + all, Model: all, Environment: environment,
		Run: map[string]string{"labels": all, "pause": "-x", "a": "", "b": ":", "c": "'"},
	}
	for i, job := range []deploy.Job{command, scoring} {
		if err := job.WithDefaults().Check(); err != nil {
			t.Fatalf("job %d: %v", i, err)
		}
	}
	return command, scoring
}

// echoVar is the variable with the folder in which ranks write what they were given.
const echoVar = "LAUNCHTEST_ECHO"

// given is what a rank was given. Bytes that are not text survive in it.
type given struct{ Argv, Environment [][]byte }

// EchoMain runs the tests or, if the process is a rank of a job of Echo, writes what it was
// given. TestMain calls it first.
func EchoMain(m *testing.M) {
	folder := os.Getenv(echoVar)
	if folder == "" {
		os.Exit(m.Run())
	}
	if err := echo(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func echo(folder string) error {
	var g given
	for _, a := range os.Args[1:] {
		g.Argv = append(g.Argv, []byte(a))
	}
	for _, v := range os.Environ() {
		g.Environment = append(g.Environment, []byte(v))
	}
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.json", os.Getpid())), body, 0o600)
}

// Echo lets the ranks of a job write what they are given into a folder, which it returns.
func Echo(t *testing.T, job *deploy.Job) (folder string) {
	t.Helper()
	folder = t.TempDir()
	environment := map[string]string{echoVar: folder}
	for name, value := range job.Environment {
		environment[name] = value
	}
	job.Environment = environment
	return folder
}

// Arrived checks that each rank of a job of Echo was given its arguments, those after the
// program, and its variables byte for byte.
func Arrived(t *testing.T, folder string, job deploy.Job, argv []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) != job.Ranks() {
		t.Fatalf("%d of %d ranks wrote what they were given, %v", len(files), job.Ranks(), err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var g given
		if err := json.Unmarshal(body, &g); err != nil {
			t.Fatal(err)
		}
		for i := range max(len(argv), len(g.Argv)) {
			switch {
			case i >= len(argv):
				t.Errorf("argument %d: have %q, want none", i, g.Argv[i])
			case i >= len(g.Argv):
				t.Errorf("argument %d: have none, want %q", i, argv[i])
			case string(g.Argv[i]) != argv[i]:
				t.Errorf("argument %d: have %.200q, want %.200q", i, g.Argv[i], argv[i])
			}
		}
		have := map[string]string{}
		for _, v := range g.Environment {
			name, value, _ := strings.Cut(string(v), "=")
			have[name] = value
		}
		for name, want := range job.Environment {
			if value, set := have[name]; !set || value != want {
				t.Errorf("variable %s: have %.200q (%v), want %.200q", name, value, set, want)
			}
		}
	}
}

// NoCanary checks that nothing has created the file.
func NoCanary(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("a value was run as a command: it made %s", path)
	}
}
