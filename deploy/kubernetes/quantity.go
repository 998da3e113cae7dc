package kubernetes

import (
	"regexp"
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
