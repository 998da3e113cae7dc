package local

import (
	"bytes"
	"io"
	"regexp"
)

// rule is the line between which mpirun prints its explanations.
var rule = []byte("------------------------------------------------------------------")

// expected matches what mpirun explains whenever a rank has failed. The rank has said
// why, and the exit status says which rank it was.
var expected = regexp.MustCompile(`Primary job +terminated normally, but|` +
	`detected that one or more processes exited with non-zero status|noticed that process rank \d+ with PID`)

// forwarding begins what mpirun prints when ranks are asked to stop.
var forwarding = []byte("mpirun: Forwarding signal ")

// Quiet returns a writer to w for the messages of mpirun that leaves out those that it
// prints whenever a rank has failed, some twenty lines below the message that matters,
// or was asked to stop.
// Close writes what is left of the last line and message.
func Quiet(w io.Writer) io.WriteCloser { return &quiet{w: w} }

type quiet struct {
	w       io.Writer
	line    []byte
	message []byte // the lines since the rule above; nil outside
}

func (q *quiet) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n') + 1
		if i == 0 {
			q.line = append(q.line, rest...)
			break
		}
		line := append(q.line, rest[:i]...)
		q.line, rest = nil, rest[i:]
		if err := q.add(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// add passes a whole line on, or the message that it ends.
func (q *quiet) add(line []byte) error {
	border := bytes.HasPrefix(line, rule)
	switch {
	case q.message == nil && border:
		q.message = line
		return nil
	case q.message == nil && bytes.HasPrefix(line, forwarding):
		return nil
	case q.message == nil:
		_, err := q.w.Write(line)
		return err
	}
	q.message = append(q.message, line...)
	if !border {
		return nil
	}
	return q.flush()
}

func (q *quiet) flush() error {
	message := q.message
	q.message = nil
	if len(message) == 0 || expected.Match(message) {
		return nil
	}
	_, err := q.w.Write(message)
	return err
}

func (q *quiet) Close() error {
	err := q.flush()
	if err == nil && len(q.line) > 0 {
		_, err = q.w.Write(q.line)
		q.line = nil
	}
	return err
}
