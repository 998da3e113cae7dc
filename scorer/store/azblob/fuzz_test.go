package azblob

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzPlace reads any text as a place. An error repeats no signature, an accepted place is
// read again from its spelling, and its host is that of Azure or of this machine.
func FuzzPlace(f *testing.F) {
	for _, text := range []string{
		"az://account/container/a/b", "https://account.blob.core.windows.net/container/a%3Fb", "http://127.0.0.1:10000/devstoreaccount1/c/p",
		"https://account.blob.core.windows.net.example.com/c", "https://u:p@account.blob.core.windows.net/c?sig=x", "az://a/../b", "az://account/$root/\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const secret = "sig=s3cr3tsignature"
		if _, err := ParsePlace(text + "?" + secret); err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error repeats a signature: %v", err)
		}
		p, err := ParsePlace(text)
		if err != nil {
			return
		}
		if again, err := ParsePlace(p.String()); err != nil || again.Account != p.Account || again.Container != p.Container || again.Prefix != p.Prefix {
			t.Errorf("%q is %+v, whose spelling %q is read as %+v, %v", text, p, p.String(), again, err)
		}
		if p.endpoint == "" {
			return
		}
		if u, err := url.Parse(p.endpoint); err != nil || u.User != nil || secure(u) != nil {
			t.Errorf("%q has the endpoint %q, %v", text, p.endpoint, err)
		}
	})
}

// FuzzConnectionString reads any text as a connection string. What is accepted has a key
// or a token, and all of it is kept out of messages.
func FuzzConnectionString(f *testing.F) {
	f.Add("UseDevelopmentStorage=true")
	f.Add("DefaultEndpointsProtocol=https;AccountName=account;AccountKey=a2V5;EndpointSuffix=core.windows.net")
	f.Add("BlobEndpoint=https://account.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=abc")
	f.Fuzz(func(t *testing.T, text string) {
		s, _, err := parseConnectionString(text)
		switch {
		case err != nil:
		case s.key == "" && s.sas == nil:
			t.Errorf("%q is accepted without a key or a token", text)
		case len(s.secrets) == 0 || s.secrets[0] != text:
			t.Errorf("%q is not kept out of messages: %q", text, s.secrets)
		}
	})
}
