package local

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/deploy"
)

// hostName matches the names of hosts, in the form [USER@]NAME[:SLOTS] that mpirun takes;
// also IPv4 addresses. ssh would take a name that begins with a hyphen for a flag.
var hostName = regexp.MustCompile(`^((?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*)(?::([0-9]+))?$`)

// parseHost reads the name of a host and its slots.
func parseHost(text string) (host, error) {
	if strings.Count(text, ":") > 1 {
		return host{}, fmt.Errorf("%s looks like an IPv6 address, whose end Open MPI may take for a number of slots:"+
			" want a name, which may stand for that address in DNS, in /etc/hosts or in an ssh configuration", deploy.Shown(text))
	}
	found := hostName.FindStringSubmatch(text)
	if found == nil {
		return host{}, fmt.Errorf("%s is not the name of a host: want letters, digits and ._-, a letter or digit first,"+
			" or USER@ in front, or :SLOTS behind", deploy.Shown(text))
	}
	h := host{name: found[1]}
	if found[2] == "" {
		return h, nil
	}
	var err error
	h.slots, err = parseSlots(found[2])
	if err != nil {
		err = fmt.Errorf("%s: %w", deploy.Shown(text), err)
	}
	return h, err
}

// mostSlots is more ranks than any host takes.
const mostSlots = 1 << 16

func parseSlots(digits string) (int, error) {
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > mostSlots {
		return 0, fmt.Errorf("want 1 to %d slots", mostSlots)
	}
	return n, nil
}

// host is a machine that ranks run on.
type host struct {
	name  string
	slots int // how many ranks it takes; 0 is unknown
}

// hosts returns the machines that service.yaml names, in mpirun's order; none for
// this machine.
func (e *Engine) hosts() ([]host, error) {
	if e.o.HostFile == "" {
		hosts, err := listed(e.o.Hosts)
		if err != nil {
			return nil, fmt.Errorf("%s: hosts: %w: %w", Name, err, deploy.ErrService)
		}
		return hosts, nil
	}
	// mpirun reads it again, so it is not a pipe.
	text, err := deploy.ReadSmall(e.o.HostFile)
	if err != nil {
		return nil, fmt.Errorf("%s: hostFile: %w: %w", Name, err, deploy.ErrService)
	}
	hosts, err := parseHosts(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: hostFile %s: %w: %w", Name, e.o.HostFile, err, deploy.ErrService)
	}
	return hosts, nil
}

// hostList is hosts in mpirun's order. One that is named again is one host, with the slots
// of both.
type hostList struct {
	hosts []host
	index map[string]int
}

func (l *hostList) add(h host) {
	if i, again := l.index[h.name]; again {
		l.hosts[i].slots += h.slots
		return
	}
	if l.index == nil {
		l.index = map[string]int{}
	}
	l.index[h.name] = len(l.hosts)
	l.hosts = append(l.hosts, h)
}

// listed reads hosts as mpirun's flag --host has them.
func listed(names []string) ([]host, error) {
	var l hostList
	for _, name := range names {
		h, err := parseHost(name)
		if err != nil {
			return nil, err
		}
		l.add(h)
	}
	return l.hosts, nil
}

// parseHosts reads a host file of Open MPI: one host per line, followed by settings
// such as slots=4.
func parseHosts(text string) ([]host, error) {
	var l hostList
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		h, err := parseHost(words[0])
		if err != nil {
			return nil, err
		}
		for _, word := range words[1:] {
			if digits, ok := strings.CutPrefix(word, "slots="); ok {
				n, err := parseSlots(digits)
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", words[0], deploy.Shown(word), err)
				}
				h.slots += n
			}
		}
		l.add(h)
	}
	if len(l.hosts) == 0 {
		return nil, errors.New("there is no host in it")
	}
	return l.hosts, nil
}

// placement returns which ranks run where, one line per host: its name, its first
// rank and its number of ranks. mpirun tells only the name of a host that is lost.
func placement(hosts []host, nodes, perNode int) []byte {
	var b strings.Builder
	for i, h := range hosts[:min(nodes, len(hosts))] {
		fmt.Fprintln(&b, h.name, i*perNode, perNode)
	}
	return []byte(b.String())
}

// ranksOn returns the ranks on a machine. mpirun may leave out the domain of its
// name.
func ranksOn(machine string, placement []byte) []int {
	var ranks []int
	for line := range strings.Lines(string(placement)) {
		var name string
		var first, n int
		if _, err := fmt.Sscan(line, &name, &first, &n); err != nil {
			continue
		}
		if name == machine || strings.HasPrefix(name, machine+".") {
			for r := range n {
				ranks = append(ranks, first+r)
			}
		}
	}
	return ranks
}

// hostOf returns the host of all these ranks, or nothing if there are several, or none.
func hostOf(ranks []int, placement []byte) string {
	found := ""
	for line := range strings.Lines(string(placement)) {
		var name string
		var first, n int
		if _, err := fmt.Sscan(line, &name, &first, &n); err != nil {
			continue
		}
		if slices.ContainsFunc(ranks, func(r int) bool { return r >= first && r < first+n }) {
			if found != "" {
				return ""
			}
			found = name
		}
	}
	return found
}
