package export

import (
	"crypto/sha256"
	"encoding/hex"
)

// Key returns 12 hexadecimal digits for a name: the same on any machine.
func Key(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:6])
}
