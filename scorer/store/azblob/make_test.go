package azblob_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestMake makes a container from several goroutines at once: one of them makes it.
func TestMake(t *testing.T) {
	server := azuritetest.Start(t)
	o := server.Options(t, "new-one", "a/b/")
	if err := do(t.Context(), azuritetest.Open(t, o), "open"); !errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrNotExist) {
		t.Errorf("open = %v, want ErrDenied", err)
	}
	var made atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			ok, err := azuritetest.Open(t, o).Make(t.Context())
			if err != nil {
				t.Error(err)
			}
			if ok {
				made.Add(1)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Errorf("%d calls made the container, want 1", made.Load())
	}
	for _, op := range []string{"create", "list"} {
		if err := do(t.Context(), azuritetest.Open(t, o), op); err != nil {
			t.Errorf("%s = %v, want success", op, err)
		}
	}
}

// TestMake_Refused has a token that is for one container. It finds a container that
// exists, and cannot make one.
func TestMake_Refused(t *testing.T) {
	server := azuritetest.Start(t)
	there := server.Container(t)
	for container, want := range map[string]error{there: nil, "new-one": store.ErrDenied} {
		address, err := server.Client().NewContainerClient(container).GetSASURL(
			sas.ContainerPermissions{Read: true, List: true, Create: true, Write: true}, time.Now().Add(time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, token, _ := strings.Cut(address, "?")
		o := server.Options(t, container, "")
		o.Credentials = planted(map[string]string{azblob.SASToken: token})
		made, err := azuritetest.Open(t, o).Make(t.Context())
		if made || !errors.Is(err, want) {
			t.Errorf("Make of %s = %v, %v; want %v", container, made, err, want)
		}
		if err != nil && (!strings.Contains(err.Error(), "refuses to make the container new-one for the SAS token") || strings.Contains(err.Error(), "sig=")) {
			t.Errorf("Make of %s = %v, want an error that says what was refused, and no secret", container, err)
		}
	}
}

// TestHowReached names address, source, proxy and credentials for each way to give an
// address.
func TestHowReached(t *testing.T) {
	const emulator = "http://127.0.0.1:10000"
	for _, test := range []struct {
		place, endpoint string
		values          map[string]string
		want            string // the beginning
	}{
		{place: "az://acme/photos", endpoint: emulator, values: map[string]string{azblob.Key: plantedKey},
			want: emulator + "/acme (from --endpoint), without a proxy, with the key in AZURE_STORAGE_KEY of the environment"},
		{place: "az://acme/photos", values: map[string]string{azblob.Key: plantedKey, azblob.Endpoint: emulator},
			want: emulator + "/acme (from AZURE_STORAGE_SERVICE_ENDPOINT of the environment), without a proxy, with the key"},
		{place: "az://acme/photos", values: map[string]string{azblob.Key: plantedKey, azblob.Endpoint: emulator + "/acme/"},
			want: emulator + "/acme (from AZURE_STORAGE_SERVICE_ENDPOINT"},
		{place: "az://acme/photos", endpoint: "http://127.0.0.1:1", values: map[string]string{azblob.Key: plantedKey, azblob.Endpoint: emulator},
			want: "http://127.0.0.1:1/acme (from --endpoint)"},
		{place: "http://127.0.0.1:2/acme/photos", values: map[string]string{azblob.Key: plantedKey, azblob.Endpoint: emulator},
			want: "http://127.0.0.1:2/acme (from the place)"},
		{place: "az://acme/photos", values: map[string]string{azblob.SASToken: plantedSAS, azblob.Endpoint: "https://blob.core.usgovcloudapi.net"},
			want: "https://acme.blob.core.usgovcloudapi.net (from AZURE_STORAGE_SERVICE_ENDPOINT"},
		{place: "az://acme/photos", values: map[string]string{azblob.SASToken: plantedSAS, azblob.Endpoint: "https://storage.acme.example"},
			want: "https://storage.acme.example (from AZURE_STORAGE_SERVICE_ENDPOINT"},
		{place: "az://devstoreaccount1/photos", values: map[string]string{azblob.ConnectionString: "UseDevelopmentStorage=true",
			azblob.Endpoint: "http://127.0.0.1:3"},
			want: emulator + "/devstoreaccount1 (from AZURE_STORAGE_CONNECTION_STRING of the environment), without a proxy, with the connection string"},
		{place: "az://acme/photos", values: map[string]string{
			azblob.ConnectionString: "AccountName=acme;AccountKey=" + plantedKey + ";BlobEndpoint=http://127.0.0.1:4/acme"},
			want: "http://127.0.0.1:4/acme (from AZURE_STORAGE_CONNECTION_STRING"},
		// The endpoint of another account is not for this one.
		{place: "az://acme/photos", values: map[string]string{azblob.Key: plantedKey, azblob.Endpoint: emulator + "/other"},
			want: "https://acme.blob.core.windows.net (the default of Azure's public cloud)"},
		{place: "az://acme/photos", values: map[string]string{azblob.Key: plantedKey, azblob.Endpoint: "https://other.blob.core.windows.net"},
			want: "https://acme.blob.core.windows.net (the default of Azure's public cloud)"},
		{place: "az://acme/photos", values: map[string]string{azblob.SASToken: plantedSAS, azblob.Account: "other", azblob.Endpoint: emulator},
			want: "https://acme.blob.core.windows.net (the default of Azure's public cloud)"},
	} {
		st := azuritetest.Open(t, azblob.Options{Place: placeOf(t, test.place), Endpoint: test.endpoint, Credentials: planted(test.values)})
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing need be looked up
		if got := st.HowReached(ctx); !strings.HasPrefix(got, test.want) || leaks(got) {
			t.Errorf("%s at %q with %v: %s, want %s", test.place, test.endpoint, test.values, got, test.want)
		}
	}
	for _, text := range []string{"not a URL", "http://acme.example", "https://127.0.0.1/?" + plantedSAS} {
		values := map[string]string{azblob.Key: plantedKey, azblob.Endpoint: text}
		_, err := azblob.New(azblob.Options{Place: placeOf(t, "az://acme/photos"), Credentials: planted(values)})
		if err == nil || !strings.Contains(err.Error(), azblob.Endpoint) || leaks(err.Error()) {
			t.Errorf("New with the endpoint %q = %v, want an error that names the variable", text, err)
		}
	}
}

// TestNoSuchHost asks for hosts that do not exist.
func TestNoSuchHost(t *testing.T) {
	for account, says := range map[string]string{
		"acme":             "no such host: acme.blob.core.windows.net: correct the account or the address, the default of Azure's public cloud",
		"devstoreaccount1": "no such host: devstoreaccount1.blob.core.windows.net: that account is the emulator's: start Azurite",
	} {
		st := azuritetest.Open(t, azblob.Options{
			Place: placeOf(t, "az://"+account+"/photos"), Credentials: planted(map[string]string{azblob.Key: plantedKey}),
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}}
			}),
		})
		for _, op := range []string{"open", "create", "list"} {
			err := do(t.Context(), st, op)
			if !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "access refused") {
				t.Errorf("%s = %v, want ErrDenied with %q", op, err, says)
			}
		}
	}
}
