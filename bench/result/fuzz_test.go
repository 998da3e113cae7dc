package result

import (
	"bytes"
	"testing"
)

// FuzzReadBench reads any bytes as samples. Accepted runs can be written and read again.
func FuzzReadBench(f *testing.F) {
	f.Add([]byte("cpu: AMD EPYC\ncores: 2\ndate: 2026-01-02T03:04:05Z\n\nBenchmarkDecode/decoder=ours/size=299 1 12.5 images/s\n"))
	f.Add([]byte("BenchmarkX 1 NaN images/s\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		runs, err := ReadBench(bytes.NewReader(text), "file")
		if err != nil {
			return
		}
		var b bytes.Buffer
		for _, r := range runs {
			if err := WriteBench(&b, r); err != nil {
				return // what Go's format cannot hold
			}
		}
		again, err := ReadBench(bytes.NewReader(b.Bytes()), "file")
		if err != nil || len(again) > len(runs) || len(runs) > 0 && len(again) == 0 {
			t.Errorf("%d runs became %d, %v, by way of\n%s", len(runs), len(again), err, b.Bytes())
		}
	})
}
