package telemetry

import (
	"fmt"
	"strconv"
	"time"
)

// Rate returns a speed in images per second with about three digits, for people.
func Rate(perSecond float64) string {
	digits := 0
	switch {
	case perSecond < 9.995:
		digits = 2
	case perSecond < 99.95:
		digits = 1
	}
	return strconv.FormatFloat(perSecond, 'f', digits, 64) + " images/s"
}

// Duration returns a time in its two largest units, for people.
func Duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case seconds < 59.95:
		return fmt.Sprintf("%.1f s", seconds)
	case d.Round(time.Second) < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d.Round(time.Minute) < 48*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
}
