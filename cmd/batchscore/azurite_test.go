package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// upload puts the files of a folder into a new container and returns its place.
func upload(t testing.TB, server *azuritetest.Server, folder string) string {
	t.Helper()
	container := server.Container(t)
	client := server.Client().NewContainerClient(container)
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		_, err = client.NewBlockBlobClient("in/"+filepath.ToSlash(name)).Upload(t.Context(), streaming.NopCloser(bytes.NewReader(body)), nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return "az://" + azuritetest.Account + "/" + container + "/in"
}

// newPlace returns an empty place in a new container.
func newPlace(t testing.TB, server *azuritetest.Server) string {
	t.Helper()
	return "az://" + azuritetest.Account + "/" + server.Container(t) + "/out"
}

// withBlobs runs a command line on the emulator, with its key in the environment.
func withBlobs(t testing.TB, server *azuritetest.Server, endpoint string, args ...string) processResult {
	t.Helper()
	return finish(t, command(t, server.Env(), append(args, "--endpoint", endpoint)...))
}

// sasToken returns a SAS token for the container of a place that expires at until.
func sasToken(t testing.TB, server *azuritetest.Server, place string, until time.Time) string {
	t.Helper()
	p, err := azblob.ParsePlace(place)
	if err != nil {
		t.Fatal(err)
	}
	address, err := server.Client().NewContainerClient(p.Container).GetSASURL(
		sas.ContainerPermissions{Read: true, List: true, Create: true, Write: true}, until,
		nil)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(address, "?")
	return query
}

// readBlob returns the content of a blob in a place.
func readBlob(t testing.TB, server *azuritetest.Server, place, name string) string {
	t.Helper()
	p, err := azblob.ParsePlace(place)
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := store.ReadAll(t.Context(), azuritetest.Open(t, server.Options(t, p.Container, p.Prefix)), name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
