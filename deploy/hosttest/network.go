package hosttest

import (
	"fmt"
	"os/exec"
)

// Cut drops all packets between two hosts until Join. Nobody tells the hosts: they see a
// connection on which nothing arrives.
func (h *Hosts) Cut(a, b string) { h.t.Helper(); h.rule("add", h.Host(a), h.Host(b)) }

// Join ends a Cut.
func (h *Hosts) Join(a, b string) { h.t.Helper(); h.rule("del", h.Host(a), h.Host(b)) }

// Isolate drops all packets from and to a host until Rejoin.
func (h *Hosts) Isolate(name string) { h.t.Helper(); h.rule("add", h.Host(name), nil) }

// Rejoin ends an Isolate. Cuts of the host remain.
func (h *Hosts) Rejoin(name string) { h.t.Helper(); h.rule("del", h.Host(name), nil) }

// rule adds or deletes the rules of the router that drop what two hosts send to each other,
// or what the first sends to and gets from all.
func (h *Hosts) rule(verb string, a, b *Host) {
	h.t.Helper()
	peer, preference := "all", 100
	if b != nil {
		peer, preference = b.Address(), 200
	}
	h.route(fmt.Sprintf("ip rule %[1]s from %[2]s to %[3]s pref %[4]d blackhole\nip rule %[1]s from %[3]s to %[2]s pref %[4]d blackhole",
		verb, a.Address(), peer, preference))
}

// route runs commands on the router.
func (h *Hosts) route(script string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if out, err := exec.Command("nsenter", "--target", h.router.pid(), "--net", "sh", "-euc", script).CombinedOutput(); err != nil {
		h.t.Fatalf("hosttest: router: %s: %v\n%s", script, err, out)
	}
}
