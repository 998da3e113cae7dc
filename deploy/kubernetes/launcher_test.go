package kubernetes

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// workers are the workers of a fake MPIJob, one folder for each, and the programs that its
// launcher calls.
type workers struct {
	t           *testing.T
	folder, bin string
}

// Programs of the fake. A worker's folder has a file ranks while ranks run there.
var workerPrograms = map[string]string{
	"ssh": `host= command=
for word; do
	shift
	case $word in
	-n) ;; -o) skip=yes ;; *) if [ -n "$skip" ]; then skip=; elif [ -z "$host" ]; then host=$word; else command="$command $word"; fi ;;
	esac
done
cd "$FAKE/$host" 2>/dev/null || { echo "ssh: Could not resolve hostname $host: Name or service not known"; exit 255; }
[ -e worker ] || { echo "ssh: connect to host $host port 2222: Connection refused"; exit 255; }
echo "$command" >>../asked
[ ! -e ../slow ] || case $command in *" drain") while [ ! -e ../down ]; do /bin/sleep 0.02; done; /bin/sleep 0.2 ;; esac &
sh -c "$(echo "$command" | sed "s|/run/batchscore/worker|$FAKE/$host/worker|")"
code=$?
wait
exit "$code"
`,
	"pgrep": `[ "$1" = -x ] || exit 2
case $2 in *orted*) [ -e orted ] ;; *) [ "$2" = batchscore ] && [ -e ranks ] ;; esac
`,
	"pkill": `echo "$*" >>signals
case $* in "-USR1 -x batchscore"|"-KILL -x batchscore") rm -f ranks ;; -KILL*orted*) rm -f orted ;; esac
`,
	// Each start takes the first line of the file codes. Ranks that are late begin after
	// the launcher has asked them to stop, and give up if nobody asks again.
	"mpirun": `cd "$FAKE"
echo "$*" >>starts
code=$(head -n 1 codes)
sed -i 1d codes
case $code in
drained) # and the pod is replaced
	rm -f b/known
	code=143
	;;
hang*|late*)
	case $code in late*)
		echo up >a/orted
		echo up >up
		until grep -q " drain" asked; do /bin/sleep 0.02; done
		/bin/sleep 0.1
	esac
	trap 'exit 143' USR1 TERM
	echo >a/ranks
	echo >b/ranks
	echo up >up
	tries=500
	while [ -e a/ranks ]; do
		/bin/sleep 0.02
		tries=$((tries - 1))
		[ "$tries" != 0 ] || exit 99
	done
	rm -f a/orted
	code=${code#*:}
	;;
esac
echo >down
exit "$code"
`,
	"sleep": "[ \"$1\" != 0 ] || echo >\"$FAKE/hurry\"\nexec /bin/sleep 0.01\n",
	"date":  "cd \"$FAKE\" || exit\nn=$(cat clock)\nn=$((n + $(cat step)))\necho $n >clock\necho $n\n",
}

func newWorkers(t *testing.T, hosts ...string) workers {
	t.Helper()
	w := workers{t, t.TempDir(), t.TempDir()}
	for name, text := range workerPrograms {
		if err := os.WriteFile(filepath.Join(w.bin, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil { //nolint:gosec // G306: a program
			t.Fatal(err)
		}
	}
	list := "# made by the operator\n"
	for _, host := range hosts {
		list += host + " slots=2\n"
		w.serve(host)
	}
	w.write("hostfile", list)
	w.write("clock", "1000\n")
	w.write("step", "20\n") // how many seconds pass between two looks at the clock
	return w
}

// serve starts a worker as its pod does.
func (w workers) serve(host string) {
	w.t.Helper()
	if err := os.MkdirAll(w.path(host), 0o755); err != nil {
		w.t.Fatal(err)
	}
	text := strings.ReplaceAll(serve, workerFolder, w.path(host))
	out, err := exec.CommandContext(w.t.Context(), "sh", "-c", text, "worker", workerScript, "batchscore", "45", "echo", "serving").CombinedOutput()
	if err != nil || string(out) != "serving\n" {
		w.t.Fatalf("serve: %v, %q", err, out)
	}
}

func (w workers) path(parts ...string) string {
	return filepath.Join(append([]string{w.folder}, parts...)...)
}

func (w workers) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w workers) read(parts ...string) string {
	body, err := os.ReadFile(w.path(parts...))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return string(body)
}

// launcher returns a launcher's process with the parameters that the engine gives it.
func (w workers) launcher(retries int) *exec.Cmd {
	e := newEngine(w.t, fmt.Sprintf("image: i\nretries: %d\n", retries))
	b := builder{Engine: e, job: newJob(w.t, "images: az://a/b\nout: az://a/c\nmodel: m\nnodes: 2\n"), id: id}
	command := b.mpiJob().MPIReplicaSpecs["Launcher"].Template.Spec.Containers[0].Command
	for i := range command {
		if command[i] == launcherFolder {
			command[i] = w.path("launcher")
		}
	}
	w.change(command, "_drains=100\n", "_drains=3\n")
	cmd := exec.CommandContext(w.t.Context(), command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + w.bin + ":" + os.Getenv("PATH"), "FAKE=" + w.folder, "OMPI_MCA_orte_default_hostfile=" + w.path("hostfile")}
	return cmd
}

// change changes the launcher's script.
func (w workers) change(command []string, before, after string) {
	w.t.Helper()
	if strings.Count(command[2], before) != 1 {
		w.t.Fatalf("launcher.sh has %q not once", before)
	}
	command[2] = strings.Replace(command[2], before, after, 1)
}

// run runs a launcher to its end.
func (w workers) run(retries int) (code int, said string) {
	w.t.Helper()
	return w.end(w.launcher(retries))
}

func (w workers) end(cmd *exec.Cmd) (code int, said string) {
	w.t.Helper()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func (w workers) starts() int { return strings.Count(w.read("starts"), "\n") }

// TestFault48_Launcher: mpirun starts again only where that may help.
func TestFault48_Launcher(t *testing.T) {
	for name, c := range map[string]struct {
		retries      int
		codes        string
		code, starts int
		ended        string // what the workers know afterwards
		says         string
	}{
		"success":             {retries: 6, codes: "0", code: 0, starts: 1},
		"wrong flags":         {retries: 6, codes: "64", code: 64, starts: 1, ended: "64\n"},
		"too many failed":     {retries: 6, codes: "3", code: 3, starts: 1, ended: "3\n"},
		"a lost worker":       {retries: 6, codes: "205\n0", code: 0, starts: 2, says: "starting the ranks again (1 of 6): mpirun ended with status 205"},
		"storage is away":     {retries: 2, codes: "75\n75\n75\n0", code: 75, starts: 3, ended: "75\n"},
		"a final code later":  {retries: 6, codes: "75\n78\n0", code: 78, starts: 2, ended: "78\n"},
		"nodes are drained":   {retries: 1, codes: "drained\ndrained\ndrained\n0", code: 0, starts: 4, says: "starting the ranks again (0 of 1)"},
		"drains without end":  {retries: 1, codes: strings.Repeat("drained\n", 9), code: 143, starts: 5, ended: "143\n"},
		"no node is drained":  {retries: 2, codes: "143\n143\n143\n143", code: 143, starts: 3, ended: "143\n"},
		"no retries":          {retries: 0, codes: "75\n0", code: 75, starts: 1, ended: "75\n"},
		"no retries, drained": {retries: 0, codes: "143\n0", code: 143, starts: 1, ended: "143\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkers(t, "a", "b")
			w.write("codes", c.codes+"\n")
			code, said := w.run(c.retries)
			if code != c.code || w.starts() != c.starts || !strings.Contains(said, c.says) {
				t.Errorf("exit code %d after %d starts, want %d after %d:\n%s", code, w.starts(), c.code, c.starts, said)
			}
			for _, host := range []string{"a", "b"} {
				if ended := w.read(host, "ended"); ended != c.ended {
					t.Errorf("%s knows of the end %q, want %q", host, ended, c.ended)
				}
			}
			if w.read("hurry") != "" {
				t.Error("ranks started again at once")
			}
			if !strings.HasPrefix(w.read("starts"), "-np 2 --bind-to none ") {
				t.Errorf("mpirun got %q", w.read("starts"))
			}
			if c.ended == "" {
				return
			}
			// The cluster starts another launcher, which knows from one worker that is left.
			if err := os.Remove(w.path("b", "ended")); err != nil {
				t.Fatal(err)
			}
			code, said = w.run(c.retries)
			if code != c.code || w.starts() != c.starts || !strings.Contains(said, "an earlier launcher ended with exit code "+strings.TrimSpace(c.ended)) {
				t.Errorf("the next launcher: exit code %d after %d starts, want %d and no start:\n%s", code, w.starts()-c.starts, c.code, said)
			}
		})
	}
}

// TestFault48_LauncherWaits: workers that come late cost no retry.
func TestFault48_LauncherWaits(t *testing.T) {
	w := newWorkers(t, "a", "b")
	w.write("codes", "0\n")
	if err := os.Rename(w.path("b"), w.path("away")); err != nil {
		t.Fatal(err)
	}
	w.write("step", "200\n")
	code, said := w.run(6)
	const lost = "workers that could not be used for 1000 s: 1; b: ssh: Could not resolve hostname b"
	const waits = "workers that are waited for: 1; b: ssh: Could not resolve hostname b"
	if code != 75 || w.starts() != 0 || !strings.Contains(said, lost) || strings.Count(said, waits) != 1 {
		t.Errorf("without a worker: exit code %d after %d starts, want 75, none, and one message of each kind:\n%s", code, w.starts(), said)
	}
	if err := os.Remove(w.path("a", "ended")); err != nil { // this is another job
		t.Fatal(err)
	}
	late := "[ -e " + w.path("b") + " ] || mv " + w.path("away") + " " + w.path("b") + "\nexec /bin/sleep 0.01\n"
	if err := os.WriteFile(filepath.Join(w.bin, "sleep"), []byte("#!/bin/sh\n"+late), 0o755); err != nil { //nolint:gosec // G306: a program
		t.Fatal(err)
	}
	if code, said := w.run(0); code != 0 || w.starts() != 1 {
		t.Errorf("with a worker that is late: exit code %d after %d starts, want 0 after 1:\n%s", code, w.starts(), said)
	}
}

// TestFault48_LauncherLeavesNoRanks: ranks of a launcher that was lost end before others begin.
func TestFault48_LauncherLeavesNoRanks(t *testing.T) {
	w := newWorkers(t, "a", "b")
	w.write("codes", "0\n")
	w.write("a/orted", "") // ends by itself, as its ranks do not
	w.write("a/ranks", "")
	if err := os.Mkdir(w.path("a", "asked"), 0o755); err != nil { // by the launcher that was lost
		t.Fatal(err)
	}
	w.write("b/ranks", "")
	code, said := w.run(6)
	if code != 0 || w.starts() != 1 || !strings.Contains(said, "2; a: ranks of an earlier launcher still run there") {
		t.Errorf("exit code %d after %d starts, want 0 after 1:\n%s", code, w.starts(), said)
	}
	if signals := w.read("a", "signals"); signals != "-KILL -x orted|prted\n-KILL -x batchscore\n" {
		t.Errorf("ranks that were asked already got %q, want SIGKILL and no other signal", signals)
	}
	if signals := w.read("b", "signals"); signals != "-USR1 -x batchscore\n" {
		t.Errorf("ranks that were not asked got %q, want SIGUSR1", signals)
	}
	for _, host := range []string{"a", "b"} {
		if _, err := os.Stat(w.path(host, "asked")); err == nil {
			t.Errorf("the next ranks of %s cannot be asked to stop", host)
		}
	}
}

// TestFault48_LauncherDrains: the signal that asks the launcher's pod to end makes the ranks of all
// workers drain, once each.
func TestFault48_LauncherDrains(t *testing.T) {
	w := newWorkers(t, "a", "b")
	w.write("codes", "hang:143\n")
	cmd := w.launcher(6)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for w.read("up") == "" {
		time.Sleep(10 * time.Millisecond)
	}
	// The pod of b ends at the same time.
	if out, err := w.worker("b", "ending"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 143 {
		t.Errorf("%v, want exit status 143:\n%s", err, said.String())
	}
	for _, host := range []string{"a", "b"} {
		if signals := w.read(host, "signals"); signals != "-USR1 -x batchscore\n" {
			t.Errorf("ranks of %s got %q, want SIGUSR1 once", host, signals)
		}
		if _, err := os.Stat(w.path(host, "ended")); !os.IsNotExist(err) {
			t.Errorf("%s takes the job for ended: %v", host, err)
		}
	}
	// A worker whose pod ends gets no ranks.
	if out, err := w.worker("b", "ready", "0"); err != nil || out != "its pod is being ended\n" {
		t.Errorf("ready: %v, %q", err, out)
	}
}

// TestFault48_LauncherDrainsToTheEnd: a launcher that is asked to end does so with the exit code
// of mpirun, also if that ends first.
func TestFault48_LauncherDrainsToTheEnd(t *testing.T) {
	for _, code := range []int{0, 64, 75, 143} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			w := newWorkers(t, "a", "b")
			w.write("codes", fmt.Sprintf("hang:%d\n", code))
			w.write("slow", "") // workers answer after mpirun has ended
			got, said := w.interrupt(w.launcher(6))
			want, ended := code, ""
			switch code {
			case 64: // no launcher shall start the ranks again
				ended = "64\n"
			case 75: // the next one does
				want = 143
			}
			if got != want || w.starts() != 1 || w.read("b", "ended") != ended {
				t.Errorf("exit code %d after %d starts, workers know of the end %q; want %d, 1, %q:\n%s",
					got, w.starts(), w.read("b", "ended"), want, ended, said)
			}
		})
	}
}

// TestFault48_LauncherDrainsEarly: ranks that do not run yet when the launcher is asked to end
// are asked once they do.
func TestFault48_LauncherDrainsEarly(t *testing.T) {
	for name, change := range map[string][2]string{
		"before mpirun": {"\t\"$@\" &\n", "\tkill -TERM $$\n\t\"$@\" &\n"},
		"before ranks":  {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkers(t, "a", "b")
			w.write("codes", "late:143\n")
			cmd := w.launcher(6)
			var code int
			var said string
			if change[0] != "" {
				w.change(cmd.Args, change[0], change[1])
				code, said = w.end(cmd)
			} else {
				code, said = w.interrupt(cmd)
			}
			if signals := w.read("a", "signals"); code != 143 || signals != "-USR1 -x batchscore\n" {
				t.Errorf("exit code %d, ranks got %q, want 143 and SIGUSR1 once:\n%s", code, signals, said)
			}
		})
	}
}

// TestFault48_LauncherOfOtherPrograms: what no rank was asked to do is a failure.
func TestFault48_LauncherOfOtherPrograms(t *testing.T) {
	w := newWorkers(t, "a", "b")
	w.write("codes", strings.Repeat("drained\n", 9))
	cmd := w.launcher(2)
	at := slices.Index(cmd.Args, "drain")
	if at < 0 {
		t.Fatalf("%q has no drain", cmd.Args[3:])
	}
	cmd.Args[at] = "end"
	if code, said := w.end(cmd); code != 143 || w.starts() != 3 {
		t.Errorf("exit code %d after %d starts, want 143 after 3:\n%s", code, w.starts(), said)
	}
}

// TestFault48_LauncherLacksPrograms: an image without what the scripts call is told so at once.
func TestFault48_LauncherLacksPrograms(t *testing.T) {
	for lacking, want := range map[string]string{
		"":        "",
		"xargs":   "the image lacks xargs\n",
		"timeout": "the image lacks timeout\n",
		"pgrep":   "the image lacks pgrep and pkill (the package procps), as a says\n",
	} {
		t.Run(lacking, func(t *testing.T) {
			t.Parallel()
			w := newWorkers(t, "a", "b")
			w.write("codes", "0\n")
			for _, program := range []string{"sh", "cat", "cp", "grep", "head", "mkdir", "mv", "rm", "rmdir", "sed", "timeout", "xargs"} {
				at, err := exec.LookPath(program)
				if err == nil {
					err = os.Symlink(at, filepath.Join(w.bin, program))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			code := 0
			if lacking != "" {
				code = 78
				if err := os.Remove(filepath.Join(w.bin, lacking)); err != nil {
					t.Fatal(err)
				}
			}
			cmd := w.launcher(6)
			cmd.Env[0] = "PATH=" + w.bin
			if got, said := w.end(cmd); got != code || !strings.Contains(said, want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", got, code, want, said)
			}
		})
	}
}

// interrupt asks a launcher to end once mpirun runs.
func (w workers) interrupt(cmd *exec.Cmd) (code int, said string) {
	w.t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	for w.read("up") == "" {
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code says it
	return cmd.ProcessState.ExitCode(), out.String()
}

// worker runs a worker's script.
func (w workers) worker(host string, words ...string) (string, error) {
	cmd := exec.CommandContext(w.t.Context(), "sh", append([]string{w.path(host, "worker")}, words...)...)
	cmd.Env = []string{"PATH=" + w.bin + ":" + os.Getenv("PATH"), "FAKE=" + w.folder}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestScriptsReachPods: Kubernetes changes nothing in the scripts.
func TestScriptsReachPods(t *testing.T) {
	for name, text := range map[string]string{"launcher.sh": launcherScript, "worker.sh": workerScript, "serve": serve} {
		if have := expand(text, map[string]string{"ended": "x", "_waited": "x", "date": "x"}); have != text {
			t.Errorf("Kubernetes changes %s", name)
		}
	}
	if _, err := fs.Stat(os.DirFS("."), "launcher.sh"); err != nil || !strings.Contains(launcherScript, workerFolder+"/worker ") {
		t.Errorf("%v; launcher.sh does not call %s", err, workerFolder)
	}
}
