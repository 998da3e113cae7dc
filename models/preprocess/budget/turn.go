package budget

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Turn returns a function that waits until no other process of this user on this machine
// has its turn, among those that call it with the same name. Whoever has bound a socket
// of that name has the turn. The name is in the system's memory only: the kernel removes it
// with the process, however that ends, and no file is left behind.
//
// The turns bound memory and protect nothing. Where such a socket cannot be bound, or
// another process keeps its turn for longer than any decode takes, there is no waiting.
func Turn(name string) func(context.Context) (done func(), err error) {
	// "@" is the namespace that is not in the file system.
	address := &net.UnixAddr{Net: "unixgram", Name: fmt.Sprintf("@batchscore-%d-%s", os.Getuid(), name)}
	return func(ctx context.Context) (func(), error) {
		patience := time.NewTimer(turnPatience)
		defer patience.Stop()
		poll := time.NewTicker(turnPoll)
		defer poll.Stop()
		for {
			socket, err := net.ListenUnixgram("unixgram", address)
			if err == nil {
				return func() { _ = socket.Close() }, nil // it holds no data
			}
			if !isTaken(err) {
				return func() {}, nil
			}
			select {
			case <-poll.C:
			case <-patience.C:
				return func() {}, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
}

const (
	turnPoll     = 20 * time.Millisecond
	turnPatience = 5 * time.Minute
)

// isTaken reports whether another process has bound the socket.
func isTaken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
