package measure

import (
	"os"
	"strconv"
	"strings"
)

// coreTimes is the time of all cores of the machine since it started, in
// seconds.
type coreTimes struct{ busy, all float64 }

// CoresBusy returns a function that returns the share of the time since now in which the
// machine's cores worked, for any process; 0 if it is not known.
func CoresBusy() func() float64 {
	before := readCores()
	return func() float64 { return readCores().since(before).share() }
}

// readCores returns the present times; zero where the system does not report them.
func readCores() coreTimes {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return coreTimes{}
	}
	return parseCores(string(text))
}

// parseCores reads the line of all cores: user, nice, system, idle, iowait, irq,
// softirq, steal, and two that are part of user. Time that a hypervisor took (steal)
// is work of others.
func parseCores(stat string) (t coreTimes) {
	const idle, wait, last = 3, 4, 7
	const second = 100 // ticks, wherever Go runs on Linux
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) <= last+1 || fields[0] != "cpu" {
		return t
	}
	for i, field := range fields[1 : last+2] {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return coreTimes{}
		}
		t.all += ticks / second
		if i != idle && i != wait {
			t.busy += ticks / second
		}
	}
	return t
}

// since returns the time between before and t.
func (t coreTimes) since(before coreTimes) coreTimes {
	return coreTimes{busy: t.busy - before.busy, all: t.all - before.all}
}

// share returns the share of the time in which the cores worked; 0 if it is not
// known.
func (t coreTimes) share() float64 {
	if t.all <= 0 {
		return 0
	}
	return t.busy / t.all
}
