package local

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// host is a machine that ranks run on.
type host struct {
	name  string
	slots int // how many ranks it takes; 0 is not said
}

// hosts are the machines of the service in mpirun's order, none for this one.
func (e *Engine) hosts() ([]host, error) {
	if e.o.HostFile == "" {
		var hosts []host
		for _, name := range e.o.Hosts {
			hosts = append(hosts, host{name: name})
		}
		return hosts, nil
	}
	text, err := os.ReadFile(e.o.HostFile)
	if err != nil {
		return nil, fmt.Errorf("%s: hostFile: %w", Name, err)
	}
	hosts, err := parseHosts(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: hostFile %s: %w", Name, e.o.HostFile, err)
	}
	return hosts, nil
}

// parseHosts reads a host file of Open MPI: a host a line, followed by settings
// such as slots=4. A host that stands there again has more slots.
func parseHosts(text string) ([]host, error) {
	var hosts []host
	index := map[string]int{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		i, again := index[words[0]]
		if !again {
			i = len(hosts)
			index[words[0]] = i
			hosts = append(hosts, host{name: words[0]})
		}
		for _, word := range words[1:] {
			if digits, ok := strings.CutPrefix(word, "slots="); ok {
				n, err := strconv.Atoi(digits)
				if err != nil || n < 1 {
					return nil, fmt.Errorf("%s: %s: slots are 1 or more", words[0], word)
				}
				hosts[i].slots += n
			}
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("it names no host")
	}
	return hosts, nil
}

// placement says which ranks run where, one host a line: its name, its first
// rank and how many it has. Of a host that is lost mpirun tells the name only.
func placement(hosts []host, nodes, perNode int) []byte {
	var b strings.Builder
	for i, h := range hosts[:min(nodes, len(hosts))] {
		fmt.Fprintln(&b, h.name, i*perNode, perNode)
	}
	return []byte(b.String())
}

// ranksOn are the ranks on a machine, of whose name mpirun may leave out the
// domain.
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
