package kubernetes

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// quantity is the form of Kubernetes' quantities that are not negative. Its own package
// would bring four others into the program.
var quantity = regexp.MustCompile(`^\+?(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,3})?$`)

// isQuantity reports whether a text is a quantity above zero, as Kubernetes reads it.
func isQuantity(s string) bool {
	m := quantity.FindStringSubmatch(s)
	return m != nil && strings.ContainsAny(m[1], "123456789")
}

// scales are the decimal and binary suffixes of quantities.
var scales = map[string]float64{
	"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60,
}

// decimal returns a quantity as a decimal number, rounded to thousandths as Kubernetes
// rounds cores.
func decimal(s string) string {
	m := quantity.FindStringSubmatch(s)
	if m == nil {
		return ""
	}
	scale, suffix := scales[m[2]], ""
	if scale == 0 {
		scale, suffix = 1, m[2] // none, or an exponent
	}
	n, err := strconv.ParseFloat(m[1]+suffix, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatFloat(math.Ceil(n*scale*1000-1e-6)/1000, 'f', -1, 64)
}
