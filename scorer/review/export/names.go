package export

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// longestComponent is how many bytes a component of a name has at most: 255 is the limit
// of most file systems.
const longestComponent = 200

// Component returns a text, such as a label, as one component of a file's name on any
// system. Bytes that some system refuses are written as % and two digits, as in URLs, so
// that different texts have different names, unless they are longer than a name can be.
func Component(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if plain(r, n) && (i > 0 || r != '.') {
			b.WriteString(text[i : i+n])
		} else {
			for _, c := range []byte(text[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		i += n
	}
	name := b.String()
	if name == "" {
		return "%"
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' { // Windows removes them
		name = fmt.Sprintf("%s%%%02X", name[:len(name)-1], last)
	}
	if isDevice(name) {
		name = fmt.Sprintf("%%%02X%s", name[0], name[1:])
	}
	if len(name) > longestComponent {
		key := Key(text)
		cut := longestComponent - len(key) - 1
		for !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + "~" + key
	}
	return name
}

// plain reports whether a rune of n bytes is written as it is. The separators of paths
// and what Windows and shells refuse are not, nor is what cannot be seen.
func plain(r rune, n int) bool {
	switch {
	case r == utf8.RuneError && n == 1, r < ' ', r >= 0x7F && r < 0xA0:
		return false
	case r >= 0x200B && r <= 0x200F, r >= 0x2028 && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0xFEFF:
		return false // invisible, or changes the direction of what follows
	}
	return !strings.ContainsRune(`/\:*?"<>|%`, r)
}

// RelativeName returns the name of an image in its collection as a name below a folder:
// each of its components is made safe, and an empty one, "." and ".." lead nowhere else.
// Different images have different names, unless a component is longer than a name can be.
func RelativeName(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = Component(part)
	}
	return strings.Join(parts, "/")
}

// FlatName returns a name for an image in a folder that holds all images: the last
// component of its name, safe, with a key of the whole name before the ending, so that
// images of different folders have different names, on systems that take a for A too.
func FlatName(name string) string {
	base := name[strings.LastIndexByte(name, '/')+1:]
	ending := path.Ext(base)
	if ending == base || !plainEnding(ending) {
		ending = ""
	}
	return Component(strings.TrimSuffix(base, ending)) + "-" + Key(name) + ending
}

// plainEnding reports whether the ending of a name can stay as it is.
func plainEnding(ending string) bool {
	return len(ending) > 1 && len(ending) <= 12 && Component(ending[1:]) == ending[1:]
}

// KeyedName returns the name of an image in its collection as a name below a folder, with a
// key of the whole name before the ending. Unlike RelativeName it gives images different names
// on systems that take a for A too, and where an image has the name of another one's folder.
func KeyedName(name string) string {
	folder, _, ok := cutLast(name, "/")
	if !ok {
		return FlatName(name)
	}
	return RelativeName(folder) + "/" + FlatName(name)
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// isDevice reports whether Windows takes a name for one of a device.
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && stem[3] >= '0' && stem[3] <= '9'
}

// Key returns 12 hexadecimal digits for a name: the same on any machine.
func Key(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:6])
}
