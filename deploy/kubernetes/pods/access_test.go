package pods

import (
	"crypto/tls"
	"net/http"
	"os"
	"testing"
	"time"
)

// access checks that other users of this machine, who reach the node, do nothing there.
func (c *cluster) access(t *testing.T) {
	address := c.kubectl(t, "get", "node", "node", "--output=jsonpath={.status.addresses[0].address}")
	stranger := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // G402: the kubelet's certificate is its own
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: stranger}}
	answer, err := client.Get("https://" + address + ":10250/pods")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("the kubelet answers strangers with %s, want 401", answer.Status)
	}
	for _, name := range []string{"admin.kubeconfig", "user.kubeconfig", "etc"} {
		at, err := os.Stat(c.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if at.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v, and others can read it", name, at.Mode())
		}
	}
}
