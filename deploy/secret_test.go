package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEmptySecret: a variable or a file without a value is not a secret.
func TestEmptySecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BATCHSCORE_TEST_EMPTY", "")
	for _, s := range []Secret{{Env: "BATCHSCORE_TEST_EMPTY"}, {File: file}} {
		if _, err := (Job{Secrets: map[string]Secret{"TOKEN": s}}).Resolve(); err == nil || !strings.Contains(err.Error(), "is empty") {
			t.Errorf("%+v: %v, want an error", s, err)
		}
	}
}
