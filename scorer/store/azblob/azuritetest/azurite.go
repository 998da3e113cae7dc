// Package azuritetest runs Azurite, the emulator of Azure Blob Storage, for
// tests. deploy/deps/fetch.sh installs it.
package azuritetest

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// Account is the name of the emulator's one account.
const Account = "batchtest"

// Server is a running emulator.
type Server struct {
	// Endpoint is what --endpoint takes: http://127.0.0.1:PORT.
	Endpoint string
	// Key is the key of Account. Every server has another one.
	Key string

	service *service.Client
}

// hangs is far longer than a start takes: only a start that hangs reaches it.
const hangs = 2 * time.Minute

// Start runs an emulator that holds its blobs in memory, until the test ends.
// Without one installed, the test is skipped, and fails in CI.
func Start(t testing.TB) *Server {
	t.Helper()
	program := Program(t)
	key := make([]byte, 64)
	_, _ = rand.Read(key) // never fails
	s := &Server{Key: base64.StdEncoding.EncodeToString(key)}

	cmd := exec.Command(program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence",
		"--skipApiVersionCheck", "--disableTelemetry", "--silent", "--blobKeepAliveTimeout", "120")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+Account+":"+s.Key)
	cmd.SysProcAttr = attributes()
	var stderr storetest.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// The emulator ends with the thread that started it. That thread is kept until
	// the test ends.
	ended := make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		<-ended
	}()
	if err := <-started; err != nil {
		close(ended)
		t.Fatal(err)
	}
	listens := make(chan string, 1)
	var drained sync.WaitGroup
	drained.Go(func() {
		defer close(listens)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if _, url, ok := strings.Cut(lines.Text(), "successfully listens on "); ok {
				listens <- strings.TrimSpace(url)
			}
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		drained.Wait()
		_ = cmd.Wait() // killed
		close(ended)
	})
	select {
	case s.Endpoint = <-listens:
	case <-time.After(hangs):
	}
	if s.Endpoint == "" {
		t.Fatalf("Azurite does not listen: %s", stderr.String())
	}
	credential, err := service.NewSharedKeyCredential(Account, s.Key)
	if err == nil {
		s.service, err = service.NewClientWithSharedKeyCredential(s.Endpoint+"/"+Account, credential, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Program returns the path of the emulator. Without one installed, the test is
// skipped, and fails in CI.
func Program(t testing.TB) string {
	t.Helper()
	program := find()
	if program == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("Azurite is missing: make deps")
		}
		t.Skip("Azurite is missing: make deps")
	}
	return program
}

// find returns the path of the emulator, or empty.
func find() string {
	cache := os.Getenv("BATCHSCORE_CACHE")
	for at, _ := os.Getwd(); cache == ""; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			cache = filepath.Join(at, ".cache")
		} else if at == filepath.Dir(at) {
			return ""
		}
	}
	program := filepath.Join(cache, "azurite", "azurite-blob")
	if _, err := os.Stat(program); err != nil {
		return ""
	}
	return program
}

// Client returns a client with all permissions, which changes blobs without a
// store.
func (s *Server) Client() *service.Client { return s.service }

// Container creates an empty container and returns its name.
func (s *Server) Container(t testing.TB) string {
	t.Helper()
	name := make([]byte, 8)
	_, _ = rand.Read(name)
	container := fmt.Sprintf("c%x", name)
	if _, err := s.service.NewContainerClient(container).Create(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return container
}

// Place returns a folder of a container of the emulator.
func (s *Server) Place(t testing.TB, container, prefix string) azblob.Place {
	t.Helper()
	p, err := azblob.ParsePlace("az://" + Account + "/" + container + "/" + prefix)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Env returns the variables that sign in to the emulator's account.
func (s *Server) Env() []string {
	return []string{azblob.Account + "=" + Account, azblob.Key + "=" + s.Key}
}

// Options returns the options of a place with the account's key.
func (s *Server) Options(t testing.TB, container, prefix string) azblob.Options {
	t.Helper()
	env := map[string]string{}
	for _, kv := range s.Env() {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	return azblob.Options{
		Place: s.Place(t, container, prefix), Endpoint: s.Endpoint,
		Credentials: azblob.FromEnvironment(func(name string) (string, bool) { v, ok := env[name]; return v, ok }),
	}
}

// Open opens a store.
func Open(t testing.TB, o azblob.Options) *azblob.Store {
	t.Helper()
	st, err := azblob.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
