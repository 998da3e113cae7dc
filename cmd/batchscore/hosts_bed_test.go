package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/batchscore/batchscore/deploy/hosttest"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// bed is hosts with a collection to score: desk, which launches, and those that ranks run on,
// under Open MPI. They share one folder. With the emulator there is also the host store.
type bed struct {
	*testing.T
	hosts  *hosttest.Hosts
	ranks  []string
	shared string
	images int
	// What takes part in a command line: where images and outputs are, and how they are
	// reached.
	place   string
	storage []string
	env     []string
	start   time.Time
	log     *os.File // nil if nobody asked for it
}

// bedUpload makes the test binary upload a folder, from a host.
const bedUpload = "BATCHSCORE_TEST_UPLOAD"

// newBed starts hosts, with images in the shared folder or in the emulator.
func newBed(t *testing.T, ranks []string, images int, emulator bool) *bed {
	t.Helper()
	needMpirun(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{T: t, ranks: ranks, shared: t.TempDir(), images: images, start: time.Now()}
	plan := hosttest.Plan{Names: append([]string{"desk"}, ranks...), Shared: []string{b.shared}, ReadOnly: []string{filepath.Dir(self)}}
	if emulator {
		plan.Names = append(plan.Names, "store")
		plan.ReadOnly = append(plan.ReadOnly, filepath.Dir(azuritetest.Program(t)))
	}
	for i := range images {
		writeFile(t, filepath.Join(b.shared, "images", fmt.Sprintf("year %d", i%3), fmt.Sprintf("%05d.jpg", i)), picture(t, i))
	}
	writeFile(t, filepath.Join(b.shared, "model.onnx"), graphtest.Tiny(graphtest.Options{}))
	b.hosts = hosttest.Start(t, plan)
	b.env = []string{asBatchscore + "=1"}
	if !emulator {
		b.place = b.shared
		return b
	}
	b.startStore(self)
	return b
}

// startStore runs the emulator on the host store, which all hosts trust, and uploads the
// images.
func (b *bed) startStore(self string) {
	cert, key := certificate(b, "store")
	for _, name := range append([]string{"desk", "store"}, b.ranks...) {
		b.hosts.Host(name).Write(b.Context(), "/etc/ssl/certs/ca-certificates.crt", cert, 0o644)
	}
	store := b.hosts.Host("store")
	store.Write(b.Context(), "/root/cert.pem", cert, 0o644)
	store.Write(b.Context(), "/root/key.pem", key, 0o600)
	const secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0cw=="
	azurite := store.Command(b.Context(), azuritetest.Program(b), "--blobHost", "0.0.0.0", "--blobPort", "10000", "--inMemoryPersistence",
		"--skipApiVersionCheck", "--disableTelemetry", "--silent", "--disableProductStyleUrl", "--cert", "/root/cert.pem", "--key", "/root/key.pem")
	azurite.Env = append(azurite.Env, "AZURITE_ACCOUNTS="+azuritetest.Account+":"+secret)
	var said bytes.Buffer
	azurite.Stdout, azurite.Stderr = &said, &said
	if err := azurite.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = azurite.Wait() }) // it ends with its host
	eventually(b.T, "the emulator", func() bool {
		return store.Command(b.Context(), "bash", "-c", "exec 2>/dev/null 3<>/dev/tcp/127.0.0.1/10000").Run() == nil
	})
	b.env = append(b.env, azblob.Account+"="+azuritetest.Account, azblob.Key+"="+secret)
	b.place, b.storage = "az://"+azuritetest.Account+"/box", []string{"--endpoint", "https://store:10000/" + azuritetest.Account}
	upload := b.hosts.Host("desk").Command(b.Context(), self, "-test.run=^TestBedUpload$", "-test.v")
	upload.Env = append(append(upload.Env, b.env[1:]...), bedUpload+"="+b.shared)
	if out, err := upload.CombinedOutput(); err != nil {
		b.Fatalf("upload: %v\n%s", err, out)
	}
}

// TestBedUpload uploads the images of a bed, from a host.
func TestBedUpload(t *testing.T) {
	shared := os.Getenv(bedUpload)
	if shared == "" {
		return // it is a process of another test
	}
	credential, err := service.NewSharedKeyCredential(azuritetest.Account, os.Getenv(azblob.Key))
	if err != nil {
		t.Fatal(err)
	}
	client, err := service.NewClientWithSharedKeyCredential("https://store:10000/"+azuritetest.Account, credential, nil)
	if err == nil {
		_, err = client.CreateContainer(t.Context(), "box", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	place, err := azblob.ParsePlace("az://" + azuritetest.Account + "/box/images/")
	if err != nil {
		t.Fatal(err)
	}
	store := azuritetest.Open(t, azblob.Options{
		Place: place, Endpoint: "https://store:10000/" + azuritetest.Account, Credentials: azblob.FromEnvironment(os.LookupEnv),
	})
	files, err := filepath.Glob(filepath.Join(shared, "images", "*", "*.jpg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no images: %v", err)
	}
	for _, file := range files {
		name, _ := filepath.Rel(filepath.Join(shared, "images"), file) // it is below it
		if _, err := store.Create(t.Context(), name, []byte(readFile(t, file))); err != nil {
			t.Fatal(err)
		}
	}
}

// certificate returns one for a name, signed by itself, and its key.
func certificate(t testing.TB, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// batchscore runs a command line on the host desk.
func (b *bed) batchscore(args ...string) processResult {
	b.Helper()
	return finish(b, b.command(b.Context(), args...))
}

func (b *bed) command(ctx context.Context, args ...string) *exec.Cmd {
	self, _ := os.Executable() // as newBed made sure
	cmd := b.hosts.Host("desk").Command(ctx, append([]string{"sh", "-c", `mkdir -p /srv/desk && cd /srv/desk && exec "$@"`, "desk", self}, args...)...)
	cmd.Env = append(cmd.Env, b.env...)
	return cmd
}

// bedJob is a job of a bed.
type bedJob struct {
	out   string
	rate  string            // images/s of each rank
	flags map[string]string // further ones of run
}

// launch starts a job on the ranks' hosts, from desk.
func (b *bed) launch(job bedJob) *launched {
	b.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, "name: bed\nimages: %s/images\nout: %s/%s\nmodel: %s/model.onnx\nnodes: %d\nranksPerNode: 1\n",
		b.place, b.place, job.out, b.shared, len(b.ranks))
	fmt.Fprintf(&y, "run:\n  provider: simulate:rate=%s\n  chunk: 4\n  batch: 2\n", job.rate)
	if len(b.storage) > 0 {
		fmt.Fprintf(&y, "  endpoint: %s\n", b.storage[1])
	}
	for name, value := range job.flags {
		fmt.Fprintf(&y, "  %s: %q\n", name, value)
	}
	fmt.Fprintf(&y, "environment:\n  %s: \"1\"\n", asBatchscore)
	if len(b.storage) > 0 {
		fmt.Fprintf(&y, "  %s: %s\nsecrets:\n  %s: {env: %[3]s}\n", azblob.Account, azuritetest.Account, azblob.Key)
	}
	// What only the launching host has: these files, the folder it is launched from, and
	// that of the jobs.
	desk := b.hosts.Host("desk")
	desk.Write(b.Context(), "/srv/desk/job.yaml", []byte(y.String()), 0o600)
	desk.Write(b.Context(), "/srv/desk/service.yaml", []byte("local: {hosts: ["+strings.Join(b.ranks, ", ")+"]}\n"), 0o600)
	cmd := b.command(context.WithoutCancel(b.Context()), "launch", "--to", "local", "-f", "job.yaml", "--service", "service.yaml")
	cmd.Env = append(cmd.Env, "XDG_STATE_HOME=/srv/desk/state")
	l := &launched{b: b, begun: time.Now(), cmd: cmd, ended: make(chan struct{})}
	l.cmd.Stdout, l.cmd.Stderr = l, l
	if err := l.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		_ = l.cmd.Wait() // the exit code tells
		l.end, l.code = time.Now(), l.cmd.ProcessState.ExitCode()
		close(l.ended)
	}()
	return l
}

// launched is a launch on a bed. It keeps what it prints, with the time.
type launched struct {
	b     *bed
	cmd   *exec.Cmd
	begun time.Time
	ended chan struct{}
	end   time.Time
	code  int

	mu    sync.Mutex
	lines []printed
	rest  []byte
}

type printed struct {
	at   time.Time
	text string
}

func (l *launched) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.lines = append(l.lines, printed{time.Now(), string(line)})
		if l.b.log != nil {
			fmt.Fprintf(l.b.log, "%7.2f %s\n", time.Since(l.begun).Seconds(), line)
		}
		l.rest = append([]byte(nil), rest...)
	}
}

// find returns the first line since then that contains one of the texts.
func (l *launched) find(since time.Time, texts ...string) (printed, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		for _, text := range texts {
			if line.at.After(since) && strings.Contains(line.text, text) {
				return line, true
			}
		}
	}
	return printed{}, false
}

// String returns what was printed.
func (l *launched) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s strings.Builder
	for _, line := range l.lines {
		fmt.Fprintf(&s, "%7.2f %s\n", line.at.Sub(l.begun).Seconds(), line.text)
	}
	return s.String()
}

// wait waits for the end, and reports whether there was one in this time.
func (l *launched) wait(limit time.Duration) bool {
	select {
	case <-l.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// working waits until every rank has begun to score.
func (b *bed) working(l *launched, out string) {
	b.Helper()
	eventually(b.T, "the first parts", func() bool {
		select {
		case <-l.ended:
			b.Fatalf("launch ended at once, with %d:\n%s", l.code, l)
		default:
		}
		if b.place == b.shared {
			return countParts(b.T, filepath.Join(b.shared, out)) > 0
		}
		begun, ok := l.find(l.begun, "needs to process")
		return ok && time.Since(begun.at) > 5*time.Second
	})
}

// verify returns what verify says about an output.
func (b *bed) verify(out string) (output.Report, int) {
	b.Helper()
	r := b.batchscore(append([]string{"verify", "--json", b.place + "/" + out}, b.storage...)...)
	var report output.Report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		b.Fatalf("verify: %v: %v", err, r)
	}
	return report, r.code
}

// merged returns the merged rows of an output.
func (b *bed) merged(out string) []byte {
	b.Helper()
	r := b.batchscore(append([]string{"merge", "--format", "jsonl", "-o", "-", b.place + "/" + out}, b.storage...)...)
	if r.code != 0 {
		b.Fatalf("merge: %v", r)
	}
	return []byte(r.stdout)
}
