package serve

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// limited is a listener that refuses clients beyond a number. One that waited instead would be
// closed to everybody by a few slow clients.
type limited struct {
	net.Listener
	most    int64
	open    atomic.Int64
	refused atomic.Int64
}

// tooMany is the answer to clients beyond the limit.
const tooMany = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Type: text/plain\r\nContent-Length: 44\r\n\r\n" +
	"Too many clients at once; try again shortly\n"

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &client{Conn: c, of: l}, nil
		}
		l.open.Add(-1)
		l.refused.Add(1)
		_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // the answer fits the buffer of a socket
		_, _ = c.Write([]byte(tooMany))
		_ = c.Close()
	}
}

// client is one connection that counts.
type client struct {
	net.Conn
	of   *limited
	once sync.Once
}

func (c *client) Close() error {
	c.once.Do(func() { c.of.open.Add(-1) })
	return c.Conn.Close()
}

// errBusy means that too many wait for the same kind of work already.
var errBusy = errors.New("too much is asked for at once; try again shortly")

// gate lets a few do some work at a time, and few more wait for it.
type gate struct {
	turn    chan struct{}
	waiting atomic.Int64
	most    int64
}

func newGate(atOnce, waiting int) *gate {
	return &gate{turn: make(chan struct{}, atOnce), most: int64(atOnce + waiting)}
}

// do calls fn when there is a turn for it.
func (g *gate) do(ctx context.Context, fn func() error) error {
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.most {
		return errBusy
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.turn }()
	return fn()
}

// cache keeps what was made last, up to a size. Many that ask for the same wait for one making.
type cache[K comparable, V any] struct {
	most int64 // the sum of the sizes

	mu     sync.Mutex
	used   int64
	recent list.List // of *slot[K, V], the most recent first
	slots  map[K]*list.Element
	making map[K]*making[V]
}

type slot[K comparable, V any] struct {
	key   K
	value V
	size  int64
}

type making[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func newCache[K comparable, V any](most int64) *cache[K, V] {
	return &cache[K, V]{most: most, slots: map[K]*list.Element{}, making: map[K]*making[V]{}}
}

// get returns the value of a key, and makes it if it is not kept. Errors are not kept. fn continues
// if ctx ends: others may wait for it.
func (c *cache[K, V]) get(ctx context.Context, key K, fn func() (V, int64, error)) (V, error) {
	c.mu.Lock()
	if e := c.slots[key]; e != nil {
		c.recent.MoveToFront(e)
		v := e.Value.(*slot[K, V]).value
		c.mu.Unlock()
		return v, nil
	}
	m := c.making[key]
	if m == nil {
		m = &making[V]{done: make(chan struct{})}
		c.making[key] = m
		go func() {
			var size int64
			m.value, size, m.err = unbroken(fn)
			c.mu.Lock()
			delete(c.making, key)
			if m.err == nil {
				c.keep(&slot[K, V]{key, m.value, size})
			}
			c.mu.Unlock()
			close(m.done)
		}()
	}
	c.mu.Unlock()
	select {
	case <-m.done:
		return m.value, m.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// unbroken calls fn. A panic of it, which would end the server, is an error of the one value.
func unbroken[V any](fn func() (V, int64, error)) (v V, size int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("this is a mistake in batchscore: %v", p)
		}
	}()
	return fn()
}

func (c *cache[K, V]) keep(s *slot[K, V]) {
	c.slots[s.key] = c.recent.PushFront(s)
	for c.used += s.size; c.used > c.most && c.recent.Len() > 0; {
		old := c.recent.Remove(c.recent.Back()).(*slot[K, V])
		delete(c.slots, old.key)
		c.used -= old.size
	}
}
