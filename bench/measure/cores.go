package measure

import (
	"os"
	"strconv"
	"strings"
)

// coreTimes is the time of all cores of the machine since it started, in ticks.
type coreTimes struct{ idle, all float64 }

// readCores is the present time; zero where the system does not tell it.
func readCores() coreTimes {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return coreTimes{}
	}
	return parseCores(string(text))
}

// parseCores reads the line of all cores: user, nice, system, idle, iowait, irq,
// softirq, steal, and two that are in user already. What a hypervisor took is
// work of others.
func parseCores(stat string) (t coreTimes) {
	const idle, wait, last = 3, 4, 7
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
		t.all += ticks
		if i == idle || i == wait {
			t.idle += ticks
		}
	}
	return t
}

// busySince is the share of the time since before in which the cores worked, 0
// where it cannot be told.
func (t coreTimes) busySince(before coreTimes) float64 {
	if t.all <= before.all {
		return 0
	}
	return 1 - (t.idle-before.idle)/(t.all-before.all)
}
