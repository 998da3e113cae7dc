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
		{spec: "", want: Local},
		{spec: "photos", want: Local},
		{spec: "/data/photos", want: Local},
		{spec: "./s3://bucket", want: Local},
		{spec: "data/s3://bucket", want: Local},
		{spec: "/s3://bucket", want: Local},
		{spec: "12:30.jpg", want: Local},
		{spec: "a:b/c", want: Local},
		{spec: "C:/photos", want: Local},
		{spec: "az/x", want: Local},
		{spec: "az://acme/photos", want: AZ},
		{spec: "AZ://acme/photos", want: AZ},
		{spec: "https://acme.blob.core.windows.net/photos", want: HTTPS},
		{spec: "http://127.0.0.1:10000/acme/photos", want: HTTP},
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
