package kubernetes

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/batchscore/batchscore/models/device"
)

// TestCPUsVar compares the variable with the one that ranks read.
func TestCPUsVar(t *testing.T) {
	if cpusVar != device.CPUsEnv {
		t.Errorf("pods have %s, ranks read %s", cpusVar, device.CPUsEnv)
	}
}

// TestQuantity compares isQuantity with Kubernetes' own reader.
func TestQuantity(t *testing.T) {
	for _, s := range []string{
		"4", "+4", "-4", "0", "0.0Gi", "0.5", ".5", "5.", ".", "16Gi", "16gi", "16 Gi", "16GB", "16G", "16K", "16k", "1Ki", "500m", "1e3", "1E3", "1E",
		"1e", "1e+3", "1E-3", "12u", "12n", "1Ei", "lots", "Gi", "4Gi\n", "{4: }", "4,5", "0x10", "1_000", "\u0664",
	} {
		q, err := resource.ParseQuantity(s)
		if want := err == nil && q.Sign() > 0; isQuantity(s) != want {
			t.Errorf("isQuantity(%q) = %v, Kubernetes says %v (%v)", s, !want, want, err)
		}
	}
	for _, o := range []Options{{Memory: "lots"}, {CPU: "many"}, {SharedMemory: "1GB"}} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "is not a quantity") {
			t.Errorf("New(%+v): %v, want an error about the quantity", o, err)
		}
	}
}

func TestDecimal(t *testing.T) {
	for quantity, want := range map[string]string{
		"4": "4", "500m": "0.5", "2.5": "2.5", "+1": "1", "1e1": "10", "1k": "1000", "1n": "0.001", "1500m": "1.5", ".25": "0.25", "100m": "0.1",
	} {
		if have := decimal(quantity); have != want {
			t.Errorf("decimal(%q) = %q, want %q", quantity, have, want)
		}
	}
}
