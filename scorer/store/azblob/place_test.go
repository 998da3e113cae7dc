package azblob_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/place"
)

func TestParsePlace(t *testing.T) {
	for in, want := range map[string]string{
		"az://acme/photos":                                       "az://acme/photos/",
		"az://acme/photos/":                                      "az://acme/photos/",
		"az://acme/photos/2019":                                  "az://acme/photos/2019/",
		"az://acme/photos/2019/":                                 "az://acme/photos/2019/",
		"az://acme/photos/a b/ü?#":                               "az://acme/photos/a b/ü?#/",
		"az://acme/photos/100%":                                  "az://acme/photos/100%/",
		"az://acme/photos//twice":                                "az://acme/photos//twice/",
		"az://acme/$web/x":                                       "az://acme/$web/x/",
		"https://acme.blob.core.windows.net/photos":              "az://acme/photos/",
		"https://acme.blob.core.windows.net/photos/a%20b/%3F%23": "az://acme/photos/a b/?#/",
		"https://acme.blob.core.windows.net/photos/a%2Fb":        "az://acme/photos/a/b/",
		"https://acme.z01.blob.storage.azure.net/photos/x":       "az://acme/photos/x/",
		"http://127.0.0.1:10000/devstoreaccount1/photos/x":       "az://devstoreaccount1/photos/x/",
		"https://localhost:10000/devstoreaccount1/photos/x":      "az://devstoreaccount1/photos/x/",
	} {
		p, err := azblob.ParsePlace(in)
		if err != nil || p.String() != want {
			t.Errorf("ParsePlace(%q) = %q, %v; want %q", in, p, err, want)
		}
	}
	for in, says := range map[string]string{
		"az://": "an account", "az://acme": "a container", "az://acme/": "a container", "az://ACME/photos": "an account",
		"az://acme/Photos": "a container", "az://a/photos": "an account", "az://acme/p": "a container", "az://acme/photos/\xff": "UTF-8",
		"http://acme.blob.core.windows.net/photos":                      "clear text",
		"https://user:planted@acme.blob.core.windows.net/photos":        "a user",
		"https://acme.blob.core.windows.net/photos?comp=list":           "a query",
		"https://acme.blob.core.windows.net/photos?" + plantedSAS:       azblob.SASToken,
		"https://acme.blob.core.windows.net/photos/x?SIG=planted%2Fsig": azblob.SASToken,
		"az://acme/photos?" + plantedSAS:                                azblob.SASToken,
		"https://acme.blob.core.windows.net/photos/%zz?planted%2Fsig":   "not a URL",
	} {
		if p, err := azblob.ParsePlace(in); err == nil || !strings.Contains(err.Error(), says) ||
			leaks(strings.ReplaceAll(err.Error(), "and sig=", "")) || strings.Contains(err.Error(), "planted") {
			t.Errorf("ParsePlace(%q) = %q, %v; want an error with %q", in, p, err, says)
		}
	}
}

func TestScheme(t *testing.T) {
	table := place.Table{azblob.Scheme}
	for spec, want := range map[string]string{
		"AZ://acme/photos/2019":                          "az://acme/photos/2019/",
		"HTTPS://acme.blob.core.windows.net/photos/2019": "az://acme/photos/2019/",
		"http://127.0.0.1:10000/acme/photos/2019":        "az://acme/photos/2019/",
	} {
		s, p, err := table.Parse(spec)
		if err != nil || p.String() != want || s.Local() {
			t.Errorf("Parse(%q) = %v, %v; want %s", spec, p, err, want)
		}
	}
	if _, p, err := table.Parse("az://acme"); err == nil {
		t.Errorf("Parse of an account = %v, want an error", p)
	}
	const url = "https://acme.blob.core.windows.net/photos"
	unsigned := plantedSAS[:strings.Index(plantedSAS, "sig=")]
	wholeKey := strings.Repeat("planted+Key", 8)[:86] + "=="
	for text, want := range map[string]string{
		url + "?" + plantedSAS:                               url + "?" + unsigned + "sig=REDACTED",
		"no " + strconv.Quote(url+"?"+plantedSAS) + " here":  "no " + strconv.Quote(url+"?"+unsigned+"sig=REDACTED") + " here",
		"sig=planted%2Fsignature":                            "sig=REDACTED",
		`{"url":"x?a=b\u0026sig=planted%2Fsignature","n":1}`: `{"url":"x?a=b\u0026sig=REDACTED","n":1}`,
		"x%3Fsig%3Dplanted%2Fsignature":                      "x%3Fsig%3DREDACTED",
		"AccountName=acme;AccountKey=" + plantedKey + ";a=b": "AccountName=acme;AccountKey=REDACTED;a=b",
		wholeKey:                     "REDACTED",
		"KEY=" + wholeKey + " ":      "KEY=REDACTED ",
		url:                          url,
		"sha512-" + wholeKey:         "sha512-" + wholeKey,
		"a design=12345678 --sig=no": "a design=12345678 --sig=no",
	} {
		if got := table.Redact(text); got != want || table.HoldsSecret(text) != (text != want) {
			t.Errorf("Redact(%q) = %q and HoldsSecret %v, want %q", text, got, table.HoldsSecret(text), want)
		}
	}
	_, p, err := table.Parse("az://acme/photos")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(place.Options{Credentials: "/nonexistent"}); !errors.Is(err, azblob.ErrCredentials) {
		t.Errorf("Open with a file that does not exist = %v, want ErrCredentials", err)
	}
	t.Setenv(azblob.Key, plantedKey)
	if _, err := p.Open(place.Options{}); err != nil {
		t.Errorf("Open with a key in the environment: %v", err)
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string][2]string{
		"az://acme/photos/a/b/labels.csv": {"az://acme/photos/a/b/", "labels.csv"},
		"az://acme/photos/labels.csv":     {"az://acme/photos/", "labels.csv"},
		"az://acme/photos":                {"az://acme/photos/", ""},
	} {
		if folder, name := placeOf(t, in).Split(); folder.String() != want[0] || name != want[1] {
			t.Errorf("Split() of %s = %s, %q; want %s, %q", in, folder, name, want[0], want[1])
		}
	}
}

// TestFault31_Endpoints opens places and endpoints to which credentials may or may
// not be sent.
func TestFault31_Endpoints(t *testing.T) {
	key := map[string]string{azblob.Key: plantedKey}
	for _, test := range []struct {
		place, endpoint string
		values          map[string]string
		says            string // of the error; empty if it may
	}{
		{place: "az://acme/photos", endpoint: "", values: key, says: ""},
		{place: "az://acme/photos", endpoint: "https://blob.core.usgovcloudapi.net", values: key, says: ""},
		{place: "az://acme/photos", endpoint: "https://acme.blob.core.chinacloudapi.cn/", values: key, says: ""},
		{place: "az://acme/photos", endpoint: "http://127.0.0.1:10000", values: key, says: ""},
		{place: "az://acme/photos", endpoint: "http://[::1]:10000", values: key, says: ""},
		{place: "az://acme/photos", endpoint: "http://localhost:10000/acme", values: key, says: ""},
		{place: "az://acme/photos", endpoint: "https://storage.acme.example", values: key, says: ""},
		{place: "https://acme.blob.core.chinacloudapi.cn/photos", endpoint: "", values: key, says: ""},
		{place: "https://storage.acme.example/photos", endpoint: "", values: key, says: "not a host of Azure"},
		{place: "https://acme.evil.example/photos", endpoint: "", values: key, says: "not a host of Azure"},
		{place: "https://acme.blob.core.windows.net.evil.example/photos", endpoint: "", values: key, says: "not a host of Azure"},
		{place: "https://acme.evil.example/photos", endpoint: "https://acme.evil.example", values: key, says: ""},
		{place: "https://acme.blob.core.windows.net/photos", endpoint: "https://acme.evil.example", values: key, says: "write the place as az://"},
		{place: "az://acme/photos", endpoint: "http://storage.acme.example", values: key, says: "clear text"},
		{place: "az://acme/photos", endpoint: "http://10.0.0.1:10000", values: key, says: "clear text"},
		{place: "az://acme/photos", endpoint: "ftp://127.0.0.1", values: key, says: "https"},
		{place: "az://acme/photos", endpoint: "storage.acme.example", values: key, says: "not a URL"},
		{place: "az://acme/photos", endpoint: "https://storage.acme.example/?" + plantedSAS, values: key, says: "only the address"},
		{place: "az://acme/photos", endpoint: "http://127.0.0.1:10000", values: nil, says: "https only"},
		{
			place:    "az://acme/photos",
			endpoint: "",
			values:   map[string]string{azblob.ConnectionString: "AccountName=acme;AccountKey=" + plantedKey + ";BlobEndpoint=http://evil.example"},
			says:     "clear text",
		},
		{
			place:    "az://acme/photos",
			endpoint: "",
			values:   map[string]string{azblob.ConnectionString: "AccountName=acme;AccountKey=" + plantedKey + ";BlobEndpoint=https://evil.example"},
			says:     "not a host of Azure",
		},
		{place: "az://devstoreaccount1/photos", endpoint: "", values: map[string]string{azblob.ConnectionString: "UseDevelopmentStorage=true"}, says: ""},
		{
			place:    "az://acme/photos",
			endpoint: "",
			values:   map[string]string{azblob.ConnectionString: "AccountName=acme;AccountKey=" + plantedKey + ";EndpointSuffix=core.usgovcloudapi.net"},
			says:     "",
		},
	} {
		p, err := azblob.ParsePlace(test.place)
		if err == nil {
			_, err = azblob.New(azblob.Options{Place: p, Endpoint: test.endpoint, Credentials: planted(test.values)})
		}
		if (err == nil) != (test.says == "") || err != nil && (!strings.Contains(err.Error(), test.says) || leaks(err.Error())) {
			t.Errorf("%s at %q: %v, want %q", test.place, test.endpoint, err, test.says)
		}
	}
}

func TestCredentials(t *testing.T) {
	open := func(c azblob.Credentials) error {
		_, err := azblob.New(azblob.Options{Place: placeOf(t, "az://acme/photos"), Credentials: c})
		return err
	}
	for _, bad := range []map[string]string{
		{azblob.Key: "not base64 planted/sig"},
		{azblob.SASToken: "planted/sig"},
		{azblob.ConnectionString: "planted/sig"},
		{azblob.ConnectionString: "AccountName=acme"},
		{azblob.ConnectionString: "AccountName=acme;BlobEndpoint=https://acme.blob.core.windows.net/?" + plantedSAS},
	} {
		if err := open(planted(bad)); !errors.Is(err, azblob.ErrCredentials) || leaks(strings.ReplaceAll(err.Error(), "and sig=", "")) {
			t.Errorf("New with %v = %v, want ErrCredentials without secrets", bad, err)
		}
	}
	// Credentials of another account are never used for this one.
	for _, other := range []map[string]string{
		{azblob.Account: "other", azblob.Key: "not even base64"},
		{azblob.ConnectionString: "AccountName=other;AccountKey=not even base64"},
	} {
		if err := open(planted(other)); err != nil {
			t.Errorf("New with another account's credentials = %v, want the default chain", err)
		}
	}

	file := func(text string) (azblob.Credentials, error) {
		path := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return azblob.FromFile(path)
	}
	for _, text := range []string{
		"# a comment\n\nexport " + azblob.Key + "=\"" + plantedKey + "\"\n",
		azblob.SASToken + "='?" + plantedSAS + "'\r\nOTHER=x\n",
		azblob.ConnectionString + "=AccountName=acme;AccountKey=" + plantedKey,
	} {
		c, err := file(text)
		if err == nil {
			err = open(c)
		}
		if err != nil {
			t.Errorf("FromFile of %q = %v, want success", text, err)
		}
	}
	for _, text := range []string{"", "planted/sig", azblob.Key + "=", "OTHER=planted/sig"} {
		if _, err := file(text); !errors.Is(err, azblob.ErrCredentials) || leaks(err.Error()) {
			t.Errorf("FromFile of %q = %v, want ErrCredentials without secrets", text, err)
		}
	}
	if _, err := azblob.FromFile("/nonexistent"); !errors.Is(err, azblob.ErrCredentials) {
		t.Errorf("FromFile of a file that does not exist = %v, want ErrCredentials", err)
	}
	c, err := file(azblob.Account + "=other\n" + azblob.Key + "=" + plantedKey)
	if err == nil {
		err = open(c)
	}
	if !errors.Is(err, azblob.ErrCredentials) || !strings.Contains(err.Error(), "for the account other") {
		t.Errorf("New with the file of another account = %v, want ErrCredentials that name it", err)
	}
}
