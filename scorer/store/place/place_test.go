package place

import (
	"errors"
	"strings"
	"testing"
)

func TestScheme(t *testing.T) {
	for _, test := range []struct {
		spec, want string
	}{
		{"", Local},
		{"photos", Local},
		{"/data/photos", Local},
		{"./s3://bucket", Local},
		{"data/s3://bucket", Local},
		{"/s3://bucket", Local},
		{"12:30.jpg", Local},
		{"a:b/c", Local},
		{"C:/photos", Local},
		{"az/x", Local},
		{"az://acme/photos", AZ},
		{"AZ://acme/photos", AZ},
		{"https://acme.blob.core.windows.net/photos", HTTPS},
		{"http://127.0.0.1:10000/acme/photos", HTTP},
	} {
		if got, err := Scheme(test.spec); got != test.want || err != nil {
			t.Errorf("Scheme(%q) = %q, %v; want %q", test.spec, got, err, test.want)
		}
		if IsLocal(test.spec) != (test.want == Local) {
			t.Errorf("IsLocal(%q) is wrong", test.spec)
		}
	}
}

func TestFault42_UnknownSchemes(t *testing.T) {
	for _, spec := range []string{
		"s3://b/x", "S3://b/x", "gs://b", "abfss://c@acme.dfs.core.windows.net/x", "azz://acme/c", "file:///data",
		"file://data", "ftp://x/y", "://x", " s3://b/x", " az://acme/c", "az:/acme/c", "az:acme/c", "https:/acme", "s3:b/x", "gs:/b",
		"x y://z", "a.b+c-d://z",
	} {
		scheme, err := Scheme(spec)
		if !errors.Is(err, ErrScheme) || scheme != "" {
			t.Errorf("Scheme(%q) = %q, %v; want ErrScheme", spec, scheme, err)
			continue
		}
		if !strings.Contains(err.Error(), "az://ACCOUNT") {
			t.Errorf("Scheme(%q): %v does not name the schemes that exist", spec, err)
		}
	}
}
