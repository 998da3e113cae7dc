package store

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// TooLarge is the error of an object that has more bytes than its kind can have: what
// wrote it was not this program.
type TooLarge struct {
	Name, Place string
	Size, Most  int64 // bytes
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("%q of %s has %d bytes; what batchscore writes under that name has %d at most", e.Name, e.Place, e.Size, e.Most)
}

// readStep is how much memory ReadAll takes at first. An object can be said to be larger
// than it is.
const readStep = 1 << 20

// ReadAll returns the whole content of an object, and what the store says of it. An object
// of more than most bytes is *TooLarge, and none of it is read. A body of another length
// than the store said is ErrUnavailable: ReadAll reads one byte more than that at most.
func ReadAll(ctx context.Context, st Store, name string, most int64) ([]byte, Object, error) {
	r, o, err := st.Open(ctx, name, "")
	if err != nil {
		return nil, o, err
	}
	defer r.Close()
	if o.Size > most {
		return nil, o, &TooLarge{Name: name, Place: st.String(), Size: o.Size, Most: most}
	}
	body := make([]byte, 0, min(max(o.Size, 0)+1, readStep))
	for int64(len(body)) <= o.Size {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := r.Read(body[len(body):min(int64(cap(body)), o.Size+1)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, o, fmt.Errorf("read %s of %s: %w", name, st, err)
		}
	}
	if int64(len(body)) != o.Size {
		return nil, o, fmt.Errorf("read %s of %s: %d bytes of %d: %w", name, st, len(body), o.Size, ErrUnavailable)
	}
	return body, o, nil
}
