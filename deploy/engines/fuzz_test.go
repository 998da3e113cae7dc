package engines

import (
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
)

// FuzzService reads any bytes as service.yaml and opens every engine with its section. No
// program is started and nothing is called. An engine opens, or says why not.
func FuzzService(f *testing.F) {
	for _, d := range All {
		var section strings.Builder
		for line := range strings.Lines(d.Example) {
			if text, in := strings.CutPrefix(line, "#   "); in && (strings.HasPrefix(text, d.Name+":") || section.Len() > 0) {
				section.WriteString(text)
			}
		}
		f.Add([]byte(section.String()))
	}
	f.Add([]byte("kubernetes: {namespace: &a vision, image: *a}\nslurm: null\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if deploy.CheckYAML(body) != nil {
			return
		}
		sections := map[string]yaml.Node{}
		if yaml.Load(body, &sections) != nil {
			return
		}
		for _, d := range All {
			section := sections[d.Name]
			l, err := d.Open(&section)
			if (err == nil) != (l != nil && !reflect.ValueOf(l).IsNil()) {
				t.Errorf("%s: a launcher %v, and the error %v", d.Name, l, err)
			}
			if err != nil && strings.TrimSpace(err.Error()) == "" {
				t.Errorf("%s: an error without a text", d.Name)
			}
		}
	})
}
