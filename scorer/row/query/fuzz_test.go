package query

import "testing"

// FuzzParse reads any text as conditions and as an order. What is accepted can be asked of
// rows of every kind.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"label=cat", `score<0.6 and path~"a b"`, "label!=cat,dog status=ok", "path!~^x.*$ margin>=1e-3", "score=", "label~((((", `path="\`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if filter, err := Parse(text, columns); err == nil {
			if len(filter) == 0 {
				t.Errorf("%q has no condition", text)
			}
			which(filter)
		}
		_, _ = ParseOrder(text, columns)
	})
}
