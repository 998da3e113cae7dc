//go:build grafana

package monitoring

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// TestSchema checks the dashboard against the schema that Grafana publishes as types of its
// Foundation SDK: every field must be one that Grafana knows, with a value it takes. The
// SDK takes long to compile, so make metrics-check does this, with a tag.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins() // the options of each kind of panel, and the queries of each kind of source
	body, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(body); err != nil {
		t.Error(err)
	}
	for right, wrong := range map[string]string{
		`"gridPos"`: `"gridPoz"`, `"showLegend": true`: `"showLegend": "yes"`, `"expr": "sum`: `"exprr": "sum`,
		`"graphMode": "none"`: `"graphMod": "none"`, `"schemaVersion": 39`: `"schemaVersion": "x"`,
	} {
		if check([]byte(strings.Replace(string(body), right, wrong, 1))) == nil {
			t.Errorf("%s is taken for valid", wrong)
		}
	}
}

func check(body []byte) error {
	var d dashboard.Dashboard
	return errors.Join(found(d.UnmarshalJSONStrict(body)), found(d.Validate()))
}

// found returns nil for an empty list of errors, which the SDK returns as an error.
func found(err error) error {
	var all cog.BuildErrors
	if errors.As(err, &all) && len(all) == 0 {
		return nil
	}
	return err
}
