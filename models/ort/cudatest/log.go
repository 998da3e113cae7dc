package cudatest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
)

// An Event is one line of the log. The fields that an event does not have are zero.
type Event struct {
	Event  string `json:"event"`
	Micros int64  `json:"us"` // monotonic clock, microseconds
	PID    int    `json:"pid"`
	TID    int    `json:"tid"`

	Device   int    `json:"device"`   // CUDA's number in the process
	Physical int    `json:"physical"` // the GPU's number in the machine
	UUID     string `json:"uuid"`
	Stream   int    `json:"stream"` // 0 is the device's own
	Call     string `json:"call"`
	Code     int    `json:"code"`

	// Of allocate, free and copy: device or pinned; h2d, d2h, d2d or h2h.
	Kind     string `json:"kind"`
	Bytes    int64  `json:"bytes"`
	OK       bool   `json:"ok"`
	Used     int64  `json:"used"` // bytes of the device's memory
	Pinned   bool   `json:"pinned"`
	Async    bool   `json:"async"`
	Blocking bool   `json:"blocking"`

	// Of synchronize: device, stream or event.
	What       string `json:"what"`
	WaitMicros int64  `json:"wait_us"`

	// Of launch: the kernel, or library:function.
	Name       string `json:"name"`
	BusyMicros int64  `json:"busy_us"`

	// Of batch: its images, when its first kernel begins and when its scores are on the
	// host, and how long the device has computed (BusyMicros) and the program has taken
	// processors since they started.
	Images          int   `json:"images"`
	Number          int   `json:"number"`
	FromMicros      int64 `json:"from_us"`
	ToMicros        int64 `json:"to_us"`
	ProcessorMicros int64 `json:"processor_us"`

	// Of plan: float16, float32 or other; the input's and the weights' dimensions.
	Type         string `json:"type"`
	X            []int  `json:"x"`
	W            []int  `json:"w"`
	ChannelsLast bool   `json:"channels_last"`
	TensorCores  bool   `json:"tensor_cores"`

	Library      string `json:"library"`
	Flags        int    `json:"flags"`
	BlockingSync bool   `json:"blocking_sync"`
}

// A Log is what the libraries were asked to do, in order.
type Log []Event

// Log reads what has been logged so far, by all processes.
func (m *Machine) Log(t testing.TB) Log {
	t.Helper()
	l, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Read reads what has been logged so far, by all processes.
func (m *Machine) Read() (Log, error) {
	f, err := os.Open(m.log)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var l Log
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", m.log, err, lines.Bytes())
		}
		l = append(l, e)
	}
	return l, lines.Err()
}

// Forget empties the log.
func (m *Machine) Forget(t testing.TB) {
	t.Helper()
	if err := os.Truncate(m.log, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// Of returns the events of the given kinds.
func (l Log) Of(events ...string) Log {
	return l.Where(func(e Event) bool {
		for _, name := range events {
			if e.Event == name {
				return true
			}
		}
		return false
	})
}

// Where returns the events for which keep is true.
func (l Log) Where(keep func(Event) bool) Log {
	var kept Log
	for _, e := range l {
		if keep(e) {
			kept = append(kept, e)
		}
	}
	return kept
}
