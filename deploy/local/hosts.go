package local

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/deploy"
)

// hostName matches the names of hosts, in the form [USER@]NAME[:SLOTS] that mpirun takes;
// also addresses. ssh would take a name that begins with a hyphen for a flag.
var hostName = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._:-]*$`)

func checkHost(name string) error {
	if !hostName.MatchString(name) {
		return fmt.Errorf("%s is not the name of a host: want letters, digits and ._:-, a letter or digit first, or USER@ in front", deploy.Shown(name))
	}
	return nil
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
		var hosts []host
		for _, name := range e.o.Hosts {
			hosts = append(hosts, host{name: name})
		}
		return hosts, nil
	}
	text, err := deploy.ReadNamed(e.o.HostFile)
	if err != nil {
		return nil, fmt.Errorf("%s: hostFile: %w", Name, err)
	}
	hosts, err := parseHosts(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: hostFile %s: %w", Name, e.o.HostFile, err)
	}
	return hosts, nil
}

// mostSlots is more ranks than any host takes.
const mostSlots = 1 << 16

// parseHosts reads a host file of Open MPI: one host per line, followed by settings
// such as slots=4. The slots of a host with several lines are added up.
func parseHosts(text string) ([]host, error) {
	var hosts []host
	index := map[string]int{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := checkHost(words[0]); err != nil {
			return nil, err
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
				if err != nil || n < 1 || n > mostSlots {
					return nil, fmt.Errorf("%s: %s: want 1 to %d slots", words[0], word, mostSlots)
				}
				hosts[i].slots += n
			}
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("there is no host in it")
	}
	return hosts, nil
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
