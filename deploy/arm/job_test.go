package arm_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

func TestLine(t *testing.T) {
	folders := []arm.Folder{{Path: "/data", Expression: "$D"}, {Path: "/data/deep/", Expression: "$DEEP"}}
	for _, test := range []struct {
		argv []string
		line string
	}{
		{argv: []string{"x", "/data", "/data/deep"}, line: "x $D $DEEP"},
		{argv: []string{"x", "/data/a b", "/data/deep/c"}, line: "x $D'/a b' $DEEP/c"},
		{argv: []string{"x", "--in=/data/a", "-o=/data/deep/c"}, line: "x --in=$D/a -o=$DEEP/c"},
		{argv: []string{"it's", "/data/", "/data/deep/", "/database", "a=/data/x"}, line: `'it'\''s' $D/ $DEEP/ /database a=/data/x`},
	} {
		line, err := arm.Line("engine", test.argv, folders)
		if err != nil || line != test.line {
			t.Errorf("%q: %s, %v; want %s", test.argv, line, err, test.line)
		}
	}
	_, err := arm.Line("engine", []string{"x", "/data/deep/er"}, folders)
	if !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), "/data ") {
		t.Errorf("Line with a folder that no argument names: %v, want %v", err, deploy.ErrUnsupported)
	}
}

func TestDuration(t *testing.T) {
	for text, d := range map[string]time.Duration{
		"PT0S": 0, "PT1S": time.Second, "PT7H30M": 7*time.Hour + 30*time.Minute, "PT48H1S": 48*time.Hour + time.Second,
	} {
		if got := arm.Duration(d); got != text {
			t.Errorf("%v is %s, want %s", d, got, text)
		}
		if got, err := arm.ParseDuration(text); err != nil || got != d {
			t.Errorf("ParseDuration(%s) = %v, %v; want %v", text, got, err, d)
		}
	}
	if d, err := arm.ParseDuration("P1DT2H"); err != nil || d != 26*time.Hour {
		t.Errorf("ParseDuration(P1DT2H) = %v, %v; want 26h", d, err)
	}
	if got := arm.Duration(1600 * time.Millisecond); got != "PT2S" {
		t.Errorf("Duration(1.6s) = %s, want PT2S", got)
	}
	for _, text := range []string{"2 minutes", "PT", "P", "", "PTxM", "2M"} {
		if d, err := arm.ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, d)
		}
	}
}

func TestBlob(t *testing.T) {
	for source, want := range map[string][3]string{
		"az://a/c": {"a", "c", ""}, "az://a/c/": {"a", "c", ""}, "az://a/c/p/q/": {"a", "c", "p/q"},
	} {
		account, container, prefix, ok := arm.Blob(source)
		if got := [3]string{account, container, prefix}; !ok || got != want {
			t.Errorf("Blob(%s) = %q, %v; want %q", source, got, ok, want)
		}
	}
	for _, source := range []string{"/nfs", "az://a", "az:///c", "az://a/", "azurefile://a/s"} {
		if _, _, _, ok := arm.Blob(source); ok {
			t.Errorf("Blob(%s) reports a container", source)
		}
	}
}
