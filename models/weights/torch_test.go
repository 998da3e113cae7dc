package weights_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/weights"
)

// The checkpoints in testdata/torch were written by PyTorch, which also said what they hold.
func TestTorch(t *testing.T) {
	want, err := weights.Open(t.Context(), "testdata/torch/values.npz", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	for _, c := range []struct{ file, prefix string }{
		{file: "state.pth"}, {file: "legacy.pth"}, {file: "protocol4.pth"}, {file: "training.pth", prefix: "module."},
	} {
		t.Run(c.file, func(t *testing.T) {
			got, err := weights.Open(t.Context(), filepath.Join("testdata/torch", c.file), weights.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close()
			shapes := map[string]weights.Tensor{}
			for _, tensor := range got.Tensors() {
				shapes[tensor.Name] = tensor
			}
			if len(shapes) != len(want.Tensors()) {
				t.Errorf("%d tensors, want %d", len(shapes), len(want.Tensors()))
			}
			for _, w := range want.Tensors() {
				n := 1
				for _, d := range w.Shape {
					n *= int(d)
				}
				g := shapes[c.prefix+w.Name]
				if !slices.Equal(g.Shape, w.Shape) {
					t.Errorf("%s has the shape %v, want %v", w.Name, g.Shape, w.Shape)
					continue
				}
				a, b := make([]float32, n), make([]float32, n)
				if err := errors.Join(got.Read(c.prefix+w.Name, a), want.Read(w.Name, b)); err != nil || !slices.Equal(a, b) {
					t.Errorf("%s holds %v, want %v: %v", w.Name, a, b, err)
				}
			}
			if d, err := got.Digest(); err != nil || !strings.HasPrefix(d, "sha256:") {
				t.Errorf("digest %q, %v", d, err)
			}
		})
	}
}

// pickled returns a checkpoint whose pickle has these bytes, with one storage of 16 bytes.
func pickled(pickle string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range [][2]string{{"a/data.pkl", pickle}, {"a/data/0", "0123456789abcdef"}} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e[0], Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(w, e[1])
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// tensor returns a pickle of a dictionary with one tensor, of these numbers below 256.
func tensor(count, offset, size, stride byte) string {
	return "\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n" +
		"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK" + string(count) + "tQK" + string(offset) + "K" + string(size) + "\x85K" + string(stride) +
		"\x85\x89}tRs."
}

func TestTorchRefused(t *testing.T) {
	whole, err := os.ReadFile("testdata/torch/legacy.pth")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		says string
	}{
		{
			name: "a command", data: pickled("\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."),
			says: `"posix.system", which is refused: reading it would run a program`,
		},
		{name: "a command by protocol 4", data: pickled("\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."), says: `"posix.system"`},
		{name: "an instance", data: pickled("\x80\x02(cos\nsystem\no."), says: `"os.system"`},
		{name: "an old instruction", data: pickled("\x80\x02(ios\nsystem\n."), says: "0x69 is refused"},
		{name: "a persistent text", data: pickled("\x80\x02Px\n."), says: "0x50 is refused"},
		{name: "an extension", data: pickled("\x80\x02\x82\x01."), says: "0x82 is refused"},
		{name: "not a dictionary", data: pickled("\x80\x02K\x01."), says: "neither a state dict"},
		{name: "no tensors", data: pickled("\x80\x02}X\x01\x00\x00\x00aK\x01s."), says: `its keys are "a"`},
		{name: "no stack", data: pickled("\x80\x020."), says: "the stack is empty"},
		{name: "no memory", data: pickled("\x80\x02h\x07."), says: "nothing is remembered as 7"},
		{name: "cut", data: pickled("\x80\x02}X\xff\xff\x00\x00a"), says: "ends too early"},
		{name: "a huge text", data: pickled("\x80\x02}X\xff\xff\xff\x7fa"), says: "a text of 2147483647 bytes"},
		{name: "too many instructions", data: pickled("\x80\x02" + strings.Repeat("]0", 2<<20) + "."), says: "instructions"},
		{name: "another protocol", data: pickled("\x80\x09."), says: "protocol 9"},
		{name: "outside by size", data: pickled(tensor(4, 0, 5, 1)), says: "more than the 4 elements"},
		{name: "outside by offset", data: pickled(tensor(4, 3, 2, 1)), says: "leads out of a storage of 4"},
		{name: "outside by strides", data: pickled(tensor(4, 0, 2, 4)), says: "leads out of a storage of 4"},
		{name: "a smaller storage", data: pickled(tensor(5, 0, 2, 1)), says: "storage 0 has 16 bytes, and should have 20"},
		{name: "cut behind the pickles", data: whole[:len(whole)-8], says: "may be truncated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := weights.Open(t.Context(), write(t, "x.pth", c.data), weights.Options{})
			if err == nil {
				_ = s.Close()
			}
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want ErrModel about %q", err, c.says)
			}
		})
	}
	for file, says := range map[string]string{"module.pth": "torch.nn.modules.linear.Linear", "script.pt": "TorchScript program"} {
		_, err := weights.Open(t.Context(), filepath.Join("testdata/torch", file), weights.Options{})
		if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "state_dict()") {
			t.Errorf("%s: got %v, want ErrModel about %q", file, err, says)
		}
	}
	s, err := weights.Open(t.Context(), write(t, "x.pth", pickled(tensor(4, 1, 3, 1))), weights.Options{})
	if err != nil {
		t.Fatalf("what the others are changed from: %v", err)
	}
	_ = s.Close()
}
