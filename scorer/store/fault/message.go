package fault

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
)

// message is an HTTP/1.1 request or answer of which only the head was read. Heads
// are passed on byte for byte, since they may be signed.
type message struct {
	head   []byte
	method string
	// size is the body's size in bytes; -1 if the body ends with the connection.
	size    int64
	chunked bool
	last    bool // whether the connection ends with this message
}

const maxHead = 64 << 10

// readHead reads up to the empty line, which is included.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if head = append(head, line...); len(head) > maxHead {
			return nil, errors.New("fault: message header too long")
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 && len(head) > len(line) {
			return head, nil
		}
	}
}

func readRequest(r *bufio.Reader) (message, error) {
	head, err := readHead(r)
	if err != nil {
		return message{}, err
	}
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return message{}, err
	}
	return message{head: head, method: req.Method, size: max(req.ContentLength, 0),
		chunked: len(req.TransferEncoding) > 0, last: req.Close}, nil
}

// readAnswer reads the final answer to a request of that method.
func readAnswer(r *bufio.Reader, method string) (message, error) {
	for {
		head, err := readHead(r)
		if err != nil {
			return message{}, err
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: method})
		if err != nil {
			return message{}, err
		}
		m := message{head: head, method: method, size: resp.ContentLength,
			chunked: len(resp.TransferEncoding) > 0, last: resp.Close}
		switch {
		case resp.StatusCode < 200:
			continue // the whole request is on its way in any case
		case method == http.MethodHead, resp.StatusCode == http.StatusNoContent, resp.StatusCode == http.StatusNotModified:
			m.size, m.chunked = 0, false
		case m.size < 0 && !m.chunked:
			m.last = true
		}
		return m, nil
	}
}

// copyBody copies the body from r to w.
func (m message) copyBody(w io.Writer, r *bufio.Reader) error {
	switch {
	case m.chunked:
		return copyChunks(w, r)
	case m.size < 0:
		_, err := io.Copy(w, r)
		return err
	case m.size == 0:
		return nil
	}
	_, err := io.CopyN(w, r, m.size)
	return err
}

// copyChunks copies a chunked body, without its trailers.
func copyChunks(w io.Writer, r *bufio.Reader) error {
	chunks := httputil.NewChunkedWriter(w)
	if _, err := io.Copy(chunks, httputil.NewChunkedReader(r)); err != nil {
		return err
	}
	if err := chunks.Close(); err != nil {
		return err
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			_, err := io.WriteString(w, "\r\n")
			return err
		}
	}
}
