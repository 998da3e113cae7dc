package jpeg

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec"
)

// DeviceCPU is the Config.JPEG of nvImageCodec's back end on the CPU, for tests and
// comparisons.
const DeviceCPU = "nvimgcodec-cpu"

// DeviceGPU returns the Config.JPEG of nvImageCodec on a GPU, as CUDA numbers those that
// are visible.
func DeviceGPU(n int) string { return "gpu:" + strconv.Itoa(n) }

// DeviceOf returns the device that a job was begun on, by what its record calls the JPEG
// decoder: DeviceCPU, "gpu", or "" for libjpeg-turbo and image/jpeg.
func DeviceOf(kind string) string {
	switch {
	case !strings.HasPrefix(kind, nvimgcodec.KindPrefix):
		return ""
	case strings.HasSuffix(kind, " cpu"):
		return DeviceCPU
	}
	return "gpu"
}

// Device returns the kind of decoder that device is, as job records name it, with its
// version, and its name with the library's file. It opens the device. The error says what
// is missing and how to install it.
func Device(device string) (kind, name string, err error) {
	pool, err := openDevice(device)
	if err != nil {
		return "", "", err
	}
	return pool.Kind(), pool.Name(), nil
}

func openDevice(device string) (*nvimgcodec.Pool, error) {
	if device == DeviceCPU {
		return nvimgcodec.Open(nvimgcodec.CPU)
	}
	number, ok := strings.CutPrefix(device, "gpu:")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 0 {
		return nil, fmt.Errorf("jpeg: no device %q to decode on", device)
	}
	return nvimgcodec.Open(n)
}

// newDeviceDecoder returns a decoder on a device. It needs libjpeg-turbo too, for what the
// device does not decode.
func newDeviceDecoder(device string) (codec.Decoder, error) {
	pool, err := openDevice(device)
	if err != nil {
		return nil, err
	}
	d := &decoder{device: pool.NewDecoder(), memory: memory{quick: new(wholeScan)}}
	if d.turbo, err = NewTurbo(); err != nil {
		return nil, err
	}
	return d, nil
}

// onDevice reports whether a device decodes JPEGs with this header: grey ones and YCbCr in
// Huffman codes, of the usual chroma ratios, and of no doubtful structure. libjpeg-turbo
// decodes the others.
func onDevice(h *header) bool {
	f := &h.frame
	switch {
	case h.doubt, f.arithmetic, int64(h.width)*int64(h.height) > nvimgcodec.MaxPixels:
		return false
	case f.components == 1:
		return true
	case h.colour() != colourYCbCr:
		return false
	}
	luma, cb, cr := f.comp[0], f.comp[1], f.comp[2]
	if cb.h != 1 || cb.v != 1 || cr.h != 1 || cr.v != 1 {
		return false
	}
	switch [2]byte{luma.h, luma.v} {
	case [2]byte{1, 1}, [2]byte{2, 1}, [2]byte{1, 2}, [2]byte{2, 2}, [2]byte{4, 1}:
		return true
	}
	return false
}

// decodeOnDevice decodes src on the device. It reports false for what libjpeg-turbo has to
// decode, or has the last word about. That depends on src alone.
//
// A device has no warnings: it shows damaged data as some picture. So check decides first,
// as it does for libjpeg-turbo where there is doubt, and the device gets the JPEG that
// check has written: it never reads a damaged one.
func (d *decoder) decodeOnDevice(src []byte, h header, bounds codec.Bounds, to codec.Canvas) (bool, error) {
	plain, fail := check(&d.memory, src, h, bounds, h.colour())
	if fail != nil || plain.partial || plain.uneven {
		return false, nil
	}
	// The device cannot shrink while it decodes.
	done, err := d.device.Decode(to.Prepare(h.width, h.height, h.orientation, nil), plain.data)
	if errors.Is(err, codec.ErrInUse) {
		d.memory.plain = nil
	}
	return done, err
}
