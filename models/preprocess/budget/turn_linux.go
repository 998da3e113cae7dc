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
// has its turn, among those that call it with the same name. Whoever listens on a socket
// of that name has the turn. The name is in the system's memory only: the kernel removes it
// with the process, however that ends, and no file is left behind. Processes in different
// network namespaces do not see each other's names.
//
// The turns bound memory and protect nothing. Where such a socket cannot be bound, another
// user has it, or a process keeps its turn for longer than any decode takes, there is no
// waiting.
func Turn(name string) func(context.Context) (done func(), err error) {
	address := turnAddress(os.Getuid(), name)
	return func(ctx context.Context) (func(), error) {
		for refused := 0; refused < turnRefusals; refused++ {
			socket, err := net.ListenUnix("unix", address)
			if err == nil {
				return func() { _ = socket.Close() }, nil // nobody reads what it holds
			}
			if !errors.Is(err, syscall.EADDRINUSE) {
				break
			}
			if c, err := net.DialUnix("unix", nil, address); err == nil {
				if !awaitEnd(ctx, c) {
					break
				}
				refused = 0
			} else {
				// The turn has just ended, or the socket does not listen yet, or it never will.
				select {
				case <-time.After(turnPoll):
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
		return func() {}, nil
	}
}

// turnAddress returns a user's name in the namespace that is not in the file system.
func turnAddress(user int, name string) *net.UnixAddr {
	return &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("@batchscore-%d-%s", user, name)}
}

const (
	// A socket that refuses turnRefusals connections, one every turnPoll, is no turn.
	turnPoll     = 20 * time.Millisecond
	turnRefusals = 50
	turnPatience = 5 * time.Minute
)

// awaitEnd waits until the socket at the other end is closed, or ctx ends, and closes c. It
// reports false if that is another user's, or stays open for turnPatience.
func awaitEnd(ctx context.Context, c *net.UnixConn) bool {
	defer c.Close()
	if !ownSocket(c) || c.SetReadDeadline(time.Now().Add(turnPatience)) != nil {
		return false
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	// Nothing is ever sent: the kernel ends the connection with the socket.
	_, err := c.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// ownSocket reports whether a process of this user listens at the other end.
func ownSocket(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	own := false
	err = raw.Control(func(fd uintptr) {
		peer, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		own = err == nil && peer.Uid == uint32(os.Getuid())
	})
	return err == nil && own
}
