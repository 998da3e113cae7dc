package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess"
)

// TestVersion: version names what decides the bytes of a result, for people and for
// programs, with ONNX Runtime and without it.
func TestVersion(t *testing.T) {
	t.Parallel()
	says(t, must(t, 0, "version"), "commit", "ONNX Runtime", "libjpeg-turbo", "decoding", "job records")

	var v versionReport
	r := finish(t, command(t, []string{"ONNXRUNTIME_LIB=" + t.TempDir() + "/none.so"}, "version", "--json"))
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || r.code != 0 {
		t.Fatalf("got %v, %v; want JSON", r, err)
	}
	if v.ONNXRuntime.Missing == "" || v.ONNXRuntime.Version != "" || v.Decoding != preprocess.Decoding || v.Records < 1 || v.Go == "" {
		t.Errorf("got %+v, want all versions and why ONNX Runtime is missing", v)
	}

	needRuntime(t)
	v = versionReport{}
	r = must(t, 0, "version", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.ONNXRuntime.Version == "" || v.ONNXRuntime.Path == "" {
		t.Errorf("got %v, %v; want the version and the path of ONNX Runtime", r, err)
	}
}

// TestVersionOfNvImageCodec: version names nvImageCodec where it is found, also one that
// cannot be loaded.
func TestVersionOfNvImageCodec(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "libnvimgcodec.so.0")
	if err := os.WriteFile(bad, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := finish(t, command(t, []string{"NVIMGCODEC_LIB=" + bad}, "version"))
	says(t, r, "nvImageCodec", "none that can be used")
	r = finish(t, command(t, []string{"NVIMGCODEC_LIB=" + bad}, "version", "--json"))
	var v versionReport
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.NvImageCodec == nil || v.NvImageCodec.Missing == "" || v.NvImageCodec.Path != bad {
		t.Errorf("got %v, %v; want the path of the library and why it cannot be used", r, err)
	}
	r = finish(t, command(t, []string{"NVIMGCODEC_LIB=" + bad + ".none"}, "version", "--json"))
	v = versionReport{}
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.NvImageCodec != nil {
		t.Errorf("got %v, %v; want nothing of nvImageCodec", r, err)
	}
}
