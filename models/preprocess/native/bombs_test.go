package native

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// box returns a box of ISO base media.
func box(kind string, body ...[]byte) []byte {
	b := append([]byte("\x00\x00\x00\x00"), kind...)
	b = append(b, bytes.Join(body, nil)...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func u16(values ...int) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// TestBoxesTakeLittleMemory tests files whose boxes say that there is much more than there are
// bytes for, or whose bytes would take many times their own memory.
func TestBoxesTakeLittleMemory(t *testing.T) {
	version := make([]byte, 4)
	heic := func(boxes ...[]byte) []byte {
		boxes = append([][]byte{version, box("pitm", version, u16(1))}, boxes...)
		return bytes.Join([][]byte{box("ftyp", []byte("heic\x00\x00\x00\x00mif1")), box("meta", boxes...)}, nil)
	}
	var locations, infos, associations, references []byte
	for i := range 2000 {
		locations = append(locations, u16(i+1, 0, 0xffff)...)
	}
	for i := range 1 << 18 {
		infos = append(infos, box("infe", []byte{3, 0, 0, 0}, u16(i>>16, i, 0), []byte("hvc1"))...)
		references = append(references, box("dimg", u16(i>>16, i, 1, 0, 1))...)
	}
	for range 4 << 10 {
		associations = append(append(associations, 0, 1, 255), make([]byte, 255)...)
	}
	nested := make([]byte, 8<<20)
	for i := 0; i < len(nested); i += 8 {
		binary.BigEndian.PutUint32(nested[i:], uint32(len(nested)-i))
		copy(nested[i+4:], "moov")
	}
	for _, c := range []struct {
		name string
		src  []byte
		want string
	}{
		{name: "extents that take no bytes", src: heic(box("iloc", version, u16(0, 2000), locations)), want: "corrupt: no size of its picture"},
		{name: "items", src: heic(box("iinf", version, u16(0), infos)), want: "corrupt: " + errMany.Error()},
		{name: "references", src: heic(box("iref", []byte{1, 0, 0, 0}, references)), want: "corrupt: " + errMany.Error()},
		{name: "properties", src: heic(box("iprp", box("ipco", bytes.Repeat(box("free"), 1<<18)))), want: "corrupt: " + errMany.Error()},
		{name: "properties of one item", src: heic(box("iprp", box("ipma", version, u16(0, 4<<10), associations))), want: "corrupt: " + errMany.Error()},
		{name: "boxes in each other", src: append(box("ftyp", []byte("avif\x00\x00\x00\x00mif1")), nested...), want: "unsupported: no still picture in it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, fail := readAVIF(c.src, codectest.Bounds)
			runtime.ReadMemStats(&after)
			if fail == nil || fail.Error() != c.want {
				t.Errorf("%v, want %s", fail, c.want)
			}
			const most = 64 << 20
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("a file of %d bytes takes %d of memory, more than %d", len(c.src), took, most)
			}
		})
	}
}

// TestHelperEndsWithItsParent tests that a helper whose library never returns ends when the
// other end of its pipe is closed, as it is when the process that started it is killed.
func TestHelperEndsWithItsParent(t *testing.T) {
	d, src := broken(t)
	h, err := d.library.start()
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	time.AfterFunc(200*time.Millisecond, func() { _ = h.requests.Close() })
	o, err := h.decode(task{src: do(src, 'P'), width: 60, height: 40, memory: 1 << 20, seconds: 20})
	if want := "ended with exit status 0"; err != nil || o.died != want {
		t.Errorf("%q, %v, want %q", o.died, err, want)
	}
}
