package arm

import "testing"

// FuzzDuration reads any text as a duration of Azure's. What is accepted is not negative
// and can be written and read again.
func FuzzDuration(f *testing.F) {
	for _, text := range []string{"PT2M", "P1DT2H3M4S", "P7D", "PT99999999999H", "P", "PT"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if again, err := ParseDuration(Duration(d)); d < 0 || d > 0 && (err != nil || again != d) {
			t.Errorf("%q is %v, which is written %q and read as %v, %v", text, d, Duration(d), again, err)
		}
	})
}
