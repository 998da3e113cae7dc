package armtest

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSchema(t *testing.T) {
	schema := Object(Fields{
		"name": String(`^[a-z]+$`).Must(), "n": Integer(1), "on": Boolean(),
		"list": List(Object(Fields{"id": Text().Must()})), "map": Map(Integer(0)),
	})
	for text, says := range map[string]string{
		`{"name": "a", "n": 1, "on": false, "list": [{"id": "x"}], "map": {"any": 0}}`: "",
		`{"name": "a", "list": [], "map": {}}`:                                         "",
		`[]`:                                                                           "not an object",
		`{}`:                                                                           "name is missing",
		`{"name": "A"}`:                                                                "does not match",
		`{"name": 1}`:                                                                  "not a string",
		`{"name": "a", "n": 0}`:                                                        "below 1",
		`{"name": "a", "n": 1.5}`:                                                      "not an integer",
		`{"name": "a", "n": "1"}`:                                                      "not an integer",
		`{"name": "a", "on": 1}`:                                                       "not a boolean",
		`{"name": "a", "list": {}}`:                                                    "not an array",
		`{"name": "a", "list": [{"id": "x"}, {}]}`:                                     "v.list[1]: id is missing",
		`{"name": "a", "list": [{"id": ""}]}`:                                          "does not match",
		`{"name": "a", "map": {"k": "x"}}`:                                             "v.map.k",
		`{"name": "a", "other": null}`:                                                 "no field other",
		`{"name": null}`:                                                               "not a string",
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if wrong := strings.Join(schema.Check("v", v), "; "); (wrong == "") != (says == "") || !strings.Contains(wrong, says) {
			t.Errorf("%s: %q, want %q", text, wrong, says)
		}
	}
}
