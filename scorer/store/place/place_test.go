package place_test

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// cloud is the scheme of a storage with two names, secrets and help.
var cloud = place.Scheme{
	Names: []string{"cloud", "https"}, Forms: []string{"cloud://BUCKET"}, Help: "Set CLOUD_KEY to sign in.",
	Secrets: []string{"CLOUD_KEY", "CLOUD_TOKEN"}, SecretText: regexp.MustCompile(`token=\w`),
	Parse: func(string) (place.Place, error) { return nil, errors.New("never opened") },
}

// table returns a table of local paths, memory and a cloud.
func table() place.Table { return place.Table{dir.Scheme, mem.NewScheme(), cloud} }

func TestTable_Scheme(t *testing.T) {
	for _, test := range []struct {
		spec string
		want string // the first name of the scheme; empty for a local path
	}{
		{spec: "", want: ""},
		{spec: "photos", want: ""},
		{spec: "/data/photos", want: ""},
		{spec: "./s3://bucket", want: ""},
		{spec: "data/s3://bucket", want: ""},
		{spec: "/s3://bucket", want: ""},
		{spec: "12:30.jpg", want: ""},
		{spec: "a:b/c", want: ""},
		{spec: "C:/photos", want: ""},
		{spec: "mem/x", want: ""},
		{spec: "mem://acme/photos", want: "mem"},
		{spec: "MEM://acme/photos", want: "mem"},
		{spec: "cloud://acme/photos", want: "cloud"},
		{spec: "https://acme.example/photos", want: "cloud"},
	} {
		t.Run(test.spec, func(t *testing.T) {
			s, err := table().Scheme(test.spec)
			got := strings.Join(s.Names[:min(1, len(s.Names))], "")
			if got != test.want || err != nil {
				t.Errorf("Scheme(%q) = %q, %v; want %q", test.spec, got, err, test.want)
			}
			if got, want := s.Local(), test.want == ""; got != want {
				t.Errorf("Scheme(%q).Local() = %v, want %v", test.spec, got, want)
			}
		})
	}
}

func TestFault42_UnknownSchemes(t *testing.T) {
	for _, spec := range []string{
		"s3://b/x", "S3://b/x", "gs://b", "abfss://c@acme.dfs.core.windows.net/x", "memm://acme/c", "file:///data",
		"file://data", "ftp://x/y", "://x", " s3://b/x", " mem://acme/c", "mem:/acme/c", "mem:acme/c", "https:/acme", "s3:b/x", "gs:/b",
		"x y://z", "a.b+c-d://z", "az://acme/c",
	} {
		t.Run(spec, func(t *testing.T) {
			s, err := table().Scheme(spec)
			if !errors.Is(err, place.ErrScheme) || s.Parse != nil {
				t.Fatalf("Scheme(%q) = %v, %v; want ErrScheme", spec, s.Names, err)
			}
			for _, form := range []string{"a local path", "mem://NAME/PREFIX", "cloud://BUCKET"} {
				if !strings.Contains(err.Error(), form) {
					t.Errorf("Scheme(%q): %v does not name %s", spec, err, form)
				}
			}
		})
	}
}

func TestTable_NoLocalPaths(t *testing.T) {
	if _, err := (place.Table{cloud}).Scheme("photos"); !errors.Is(err, place.ErrScheme) {
		t.Errorf("Scheme of a local path = %v, want ErrScheme", err)
	}
}

func TestTable_Parse(t *testing.T) {
	t.Chdir(t.TempDir())
	all := table()
	for _, test := range []struct{ spec, want, folder, name string }{
		{spec: "/no/such/photos", want: "/no/such/photos", folder: "/no/such", name: "photos"},
		{spec: "MEM://acme/photos/2019", want: "mem://acme/photos/2019/", folder: "mem://acme/photos/", name: "2019"},
		{spec: "mem://acme", want: "mem://acme/", folder: "mem://acme/", name: ""},
	} {
		t.Run(test.spec, func(t *testing.T) {
			_, p, err := all.Parse(test.spec)
			if err != nil || p.String() != test.want {
				t.Fatalf("Parse(%q) = %v, %v; want %s", test.spec, p, err, test.want)
			}
			if folder, name := p.Split(); folder.String() != test.folder || name != test.name {
				t.Errorf("Split() of %s = %s, %q; want %s, %q", p, folder, name, test.folder, test.name)
			}
		})
	}
	for _, spec := range []string{"", "mem://", "mem:///x", "cloud://x"} {
		if _, p, err := all.Parse(spec); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", spec, p)
		}
	}
}

// TestPlace_Open writes through one place and reads through the folder that Split
// returns.
func TestPlace_Open(t *testing.T) {
	all := table()
	for _, spec := range []string{t.TempDir() + "/new", "mem://acme/a/new", "mem://other/new"} {
		t.Run(spec, func(t *testing.T) {
			_, p, err := all.Parse(spec)
			if err != nil {
				t.Fatal(err)
			}
			st, err := p.Open(place.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := st.Create(t.Context(), "x/y", []byte("body")); err != nil {
				t.Fatal(err)
			}
			above, name := p.Split()
			if st, err = above.Open(place.Options{}); err != nil {
				t.Fatal(err)
			}
			r, _, err := st.Open(t.Context(), name+"/x/y", "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); string(got) != "body" || err != nil {
				t.Errorf("read %q, %v; want %q", got, err, "body")
			}
		})
	}
}

func TestTable_Help(t *testing.T) {
	const want = `A place is a local path, mem://NAME/PREFIX or cloud://BUCKET. Set CLOUD_KEY to sign in.`
	if got := table().Help(); got != want {
		t.Errorf("Help() =\n%s\nwant\n%s", got, want)
	}
}

func TestTable_Secrets(t *testing.T) {
	all := table()
	if got := strings.Join(all.Secrets(), " "); got != "CLOUD_KEY CLOUD_TOKEN" {
		t.Errorf("Secrets() = %s, want those of the cloud", got)
	}
	for text, want := range map[string]bool{"x?token=abc": true, "x?token=": false, "": false} {
		if got := all.HoldsSecret(text); got != want {
			t.Errorf("HoldsSecret(%q) = %v, want %v", text, got, want)
		}
	}
	if got, want := all.Redact("x?token=a y"), "x?REDACTED y"; got != want {
		t.Errorf("Redact = %q, want %q", got, want)
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct{ spec, scheme, rest string }{
		{spec: "pvc://claim", scheme: "pvc", rest: "claim"},
		{spec: "AZ://a/b://c", scheme: "az", rest: "a/b://c"},
		{spec: "/data/x://y", scheme: "", rest: "/data/x://y"},
		{spec: "data", scheme: "", rest: "data"},
		{spec: "a:b://c", scheme: "", rest: "a:b://c"},
	} {
		if scheme, rest := place.Cut(test.spec); scheme != test.scheme || rest != test.rest {
			t.Errorf("Cut(%q) = %q, %q; want %q, %q", test.spec, scheme, rest, test.scheme, test.rest)
		}
	}
}
