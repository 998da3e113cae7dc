package export

import (
	"bytes"
	goimage "image"
	"image/png"
	"io"
	"sync"
	"testing"
)

// picture returns a PNG of that size.
func picture(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, goimage.NewGray(goimage.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// locked is a Folder for several goroutines.
type locked struct {
	Folder
	mu sync.Mutex
}

func (l *locked) Create(name string) (io.WriteCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Folder.Create(name)
}
