package fault

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// answer returns the answer that refuses a request, as Azure Blob Storage words
// it. ok reports whether the fault is such an answer.
func (f Fault) answer() (status int, header http.Header, ok bool) {
	header = http.Header{}
	switch f.Kind {
	case Throttle:
		status = http.StatusTooManyRequests
		header.Set("x-ms-error-code", "ServerBusy")
	case Busy:
		status = http.StatusServiceUnavailable
		header.Set("x-ms-error-code", "ServerBusy")
	case ServerError:
		status = http.StatusInternalServerError
		header.Set("x-ms-error-code", "InternalError")
	case Redirect:
		header.Set("Location", f.Location)
		return http.StatusTemporaryRedirect, header, true
	default:
		return 0, nil, false
	}
	if f.After > 0 {
		header.Set("Retry-After", strconv.Itoa(int((f.After+time.Second-1)/time.Second)))
	}
	return status, header, true
}

// message returns that answer as bytes of HTTP/1.1.
func (f Fault) message() ([]byte, bool) {
	status, header, ok := f.answer()
	if !ok {
		return nil, false
	}
	text := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n", status, http.StatusText(status))
	for name := range header {
		text += name + ": " + header.Get(name) + "\r\n"
	}
	return []byte(text + "\r\n"), true
}
