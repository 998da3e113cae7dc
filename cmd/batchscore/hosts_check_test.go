package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
)

// TestFault47_HostsWithFilesOfTheirOwn launches on two hosts that share nothing with the launching one but the
// folder of the images and the output, loses one of them, and launches again.
func TestFault47_HostsWithFilesOfTheirOwn(t *testing.T) {
	b := newBed(t, []string{"north", "south"}, 60, false)
	job := bedJob{out: "out", rate: "5"}
	l := b.launch(job)
	b.working(l, "out")
	south := b.hosts.Host("south")
	south.Kill()
	if !l.wait(processTimeout) || l.code != 75 {
		t.Fatalf("got %d, want exit code 75\n%s", l.code, l)
	}
	if _, ok := l.find(l.begun, "host south was lost"); !ok {
		t.Errorf("launch does not say that host south was lost:\n%s", l)
	}
	south.Start()
	if l = b.launch(job); !l.wait(processTimeout) || l.code != 0 {
		t.Fatalf("got %d, want exit code 0\n%s", l.code, l)
	}
	if report, code := b.verify("out"); code != 0 || report.Rows != b.images {
		t.Errorf("verify: exit code %d, %+v, want %d rows", code, report, b.images)
	}
}

// hostsScenario is what happens to hosts while they score.
type hostsScenario struct {
	name string
	// strike disturbs a launch whose ranks work, and restores what a rerun needs.
	strike func(b *bed, l *launched)
	// restore is called once the launch has ended, or was given up.
	restore func(b *bed)
	// store means that it needs the emulator.
	store bool
	rate  string
	flags map[string]string
	// code is the exit code that launch must end with, -1 for none, because its host is lost, and says is
	// what it must print, if anything.
	code int
	says string
}

var hostsScenarios = []hostsScenario{
	{name: "nothing happens", rate: "8", strike: func(*bed, *launched) {}},
	{
		name: "host killed", rate: "4", code: 75, says: "host b was lost",
		strike:  func(b *bed, _ *launched) { b.hosts.Host("b").Kill() },
		restore: func(b *bed) { b.hosts.Host("b").Start() },
	},
	{
		name: "host falls silent", rate: "0.5", code: 75, says: "host b was lost",
		strike:  func(b *bed, _ *launched) { b.hosts.Host("b").Lose() },
		restore: func(b *bed) { b.hosts.Host("b").Start() },
	},
	{
		name: "orted killed", rate: "4", code: 75, says: "host b",
		strike: func(b *bed, _ *launched) { b.hosts.Host("b").Run(b.Context(), "pkill -KILL -x orted") },
	},
	{
		// mpirun kills the other ranks in their batches of several seconds, too.
		name: "rank killed twice", rate: "0.5",
		strike: func(b *bed, l *launched) {
			for range 2 {
				struck := time.Now()
				b.hosts.Host("b").Run(b.Context(), "pkill -KILL -f '[-]-provider.simulate'") // not sh
				eventually(b.T, "a restart", func() bool {
					_, restarted := l.find(struck, "starting the ranks again")
					return restarted
				})
				again := time.Now()
				eventually(b.T, "work", func() bool {
					_, working := l.find(again, "needs to process")
					return working
				})
				time.Sleep(5 * time.Second)
			}
			l.b.hosts.Host("desk").Run(b.Context(), "pkill -TERM -f '[-]-service service.yaml'")
		},
		code: 143,
	},
	{
		name: "launching host killed", rate: "4", code: -1,
		strike:  func(b *bed, _ *launched) { b.hosts.Host("desk").Kill() },
		restore: func(b *bed) { b.hosts.Host("desk").Start() },
	},
	{
		name: "launching host falls silent", rate: "4", code: -1,
		strike:  func(b *bed, _ *launched) { b.hosts.Host("desk").Lose() },
		restore: func(b *bed) { b.hosts.Host("desk").Start() },
	},
	{name: "one host cut off the store for 5 s", rate: "4", store: true, strike: cutStore("b", 5*time.Second)},
	{name: "one host cut off the store for 60 s", rate: "1.5", store: true, strike: cutStore("b", 60*time.Second)},
	{
		name: "one host cut off the store, never again", rate: "0.3", store: true, code: 75, says: "host b", flags: map[string]string{"patience": "90s"},
		strike:  func(b *bed, _ *launched) { b.hosts.Cut("b", "store") },
		restore: func(b *bed) { b.hosts.Join("b", "store") },
	},
	{
		name: "store cut off all for 60 s", rate: "1.5", store: true,
		strike: func(b *bed, _ *launched) {
			b.hosts.Isolate("store")
			time.Sleep(60 * time.Second)
			b.hosts.Rejoin("store")
		},
	},
}

func cutStore(host string, d time.Duration) func(*bed, *launched) {
	return func(b *bed, _ *launched) {
		b.hosts.Cut(host, "store")
		time.Sleep(d)
		b.hosts.Join(host, "store")
	}
}

// TestHostsCheck loses hosts and networks of jobs on four hosts, starts the jobs again where
// they ended, and checks that no row is lost or doubled. BATCHSCORE_HOSTS is a folder, to
// which it writes the matrix and what each launch printed.
func TestHostsCheck(t *testing.T) {
	folder := os.Getenv("BATCHSCORE_HOSTS")
	if folder == "" {
		return // make hosts-check runs it
	}
	var matrix hostsMatrix
	t.Cleanup(func() {
		text := matrix.String()
		t.Log("\n" + text)
		writeFile(t, filepath.Join(folder, "matrix-local.txt"), []byte(text))
	})
	for _, emulator := range []bool{false, true} {
		for _, s := range hostsScenarios {
			if s.store && !emulator {
				continue
			}
			kind := map[bool]string{false: "folder", true: "store"}[emulator]
			t.Run(kind+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				b := newBed(t, []string{"a", "b", "c", "d"}, 200, emulator)
				var err error
				if b.log, err = os.Create(filepath.Join(folder, strings.ReplaceAll(kind+" "+s.name, " ", "-")+".log")); err != nil {
					t.Fatal(err)
				}
				defer b.log.Close()
				matrix.add(b.play(s, kind))
			})
		}
	}
}

// play plays a scenario and returns its line of the matrix.
func (b *bed) play(s hostsScenario, kind string) hostsLine {
	line := hostsLine{engine: "local", medium: kind, scenario: s.name, rerun: "-"}
	job := bedJob{out: "out", rate: s.rate, flags: s.flags}
	l := b.launch(job)
	b.working(l, "out")
	struck := time.Now()
	fmt.Fprintf(b.log, "%7.2f === %s\n", struck.Sub(l.begun).Seconds(), s.name)
	s.strike(b, l)
	if !l.wait(10 * time.Minute) {
		b.Errorf("launch hangs:\n%s", l)
		line.code = "hangs"
		b.hosts.Host("desk").Run(b.Context(), "pkill -KILL mpirun; pkill -KILL -f '[-]-service service.yaml' || :")
		<-l.ended
	} else {
		line.code = fmt.Sprint(l.code)
		if s.code == -1 {
			line.code = "lost"
		}
	}
	line.after = l.end.Sub(struck).Round(time.Second)
	fmt.Fprintf(b.log, "%7.2f === launch ended with %d\n", l.end.Sub(l.begun).Seconds(), l.code)
	if s.code >= 0 && l.code != s.code {
		b.Errorf("got %d, want exit code %d\n%s", l.code, s.code, l)
	}
	if said, ok := l.find(struck, s.says); s.says != "" {
		if !ok {
			b.Errorf("launch does not print %q:\n%s", s.says, l)
		}
		line.said = said.text
	}
	if s.restore != nil {
		s.restore(b)
	}
	if l.code != 0 {
		again := b.launch(bedJob{out: "out", rate: s.rate, flags: s.flags})
		if !again.wait(20 * time.Minute) {
			b.Errorf("the rerun hangs:\n%s", again)
		}
		line.rerun = fmt.Sprint(again.code)
		if again.code != 0 {
			b.Errorf("rerun: got %d, want exit code 0\n%s", again.code, again)
		}
	}
	// No image is to blame.
	if suspect, ok := l.find(l.begun, "quarantined"); ok {
		b.Errorf("launch: %s", suspect.text)
	}
	report, code := b.verify("out")
	line.rows, line.images, line.lost = report.Rows, report.Images, report.MissingImages
	line.doubled = report.Found[output.Doubled] + report.Found[output.Surplus]
	if line.verify = code == 0 && report.Complete; !line.verify || line.rows != b.images || line.images != b.images {
		b.Errorf("verify: exit code %d, %+v, want %d rows", code, report, b.images)
	}
	if r := b.batchscore(append([]string{"run", "--images", b.place + "/images", "--out", b.place + "/alone", "--model", b.shared + "/model.onnx",
		"--provider", "simulate:rate=inf", "--chunk", "4", "--batch", "2"}, b.storage...)...); r.code != 0 {
		b.Fatalf("one rank: %v", r)
	}
	if line.same = string(b.merged("out")) == string(b.merged("alone")); !line.same {
		b.Error("the merged file differs from that of one rank")
	}
	return line
}

// hostsMatrix is the result of a check of hosts.
type hostsMatrix struct {
	mu    sync.Mutex
	lines []hostsLine
}

// hostsLine is a scenario on an engine.
type hostsLine struct {
	engine, medium, scenario string
	code                     string        // exit code of launch
	after                    time.Duration // from the fault to the end of launch
	rerun                    string        // exit code of the same command, if there was a rerun
	rows, images             int
	lost, doubled            int
	verify, same             bool
	said                     string
}

func (m *hostsMatrix) add(line hostsLine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, line)
}

// String returns the matrix as a table.
func (m *hostsMatrix) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	yes := map[bool]string{true: "OK", false: "WRONG"}
	var s strings.Builder
	fmt.Fprintln(&s, "engine | medium | scenario | launch exits | after | rerun exits | rows/manifest | lost | doubled | verify | merged as of one rank | says")
	for _, l := range m.lines {
		fmt.Fprintf(&s, "%s | %s | %s | %s | %v | %s | %d/%d | %d | %d | %s | %s | %s\n", l.engine, l.medium, l.scenario, l.code, l.after, l.rerun,
			l.rows, l.images, l.lost, l.doubled, yes[l.verify], yes[l.same], l.said)
	}
	return s.String()
}
