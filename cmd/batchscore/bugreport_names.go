package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

const (
	wordBits      = 1 << 27 // 16 MiB, whatever the texts are
	mostNames     = 200_000 // of images, that may be in the texts
	leastName     = 6       // bytes of a name that is searched for; a shorter one may be any word
	longestOfList = 1 << 20 // bytes of a line of a list of images
)

// imageEnding matches what the name of an image ends in.
const imageEnding = `\.(?:jpe?g|jpe|jfif|png|gif|bmp|tiff?|webp|hei[cf]|avif|jp2|jxl|svg|dcm|dicom|nii|dng|cr2|nef|psd|tga|p[gpbn]m)`

// Quoted, a name may have spaces.
var (
	quotedImage = regexp.MustCompile(`(?i)"(?:[^"\\\n]|\\[^\n])*` + imageEnding + `"`)
	plainImage  = regexp.MustCompile(`(?i)[^\s"'<>|,;:=()\[\]{}\\]+` + imageEnding + `\b`)
)

// hideImageFiles replaces what looks like the name of an image.
func hideImageFiles(text string) string {
	return plainImage.ReplaceAllString(quotedImage.ReplaceAllString(text, `"IMAGE"`), "IMAGE")
}

// imageNames are those names of a list of images that may be in some texts. The list may
// be far larger than the texts: of each name is only asked whether its words are there.
type imageNames struct {
	seed  maphash.Seed
	words []uint64 // a bit for the hash of each word of the texts
	found map[string]bool
	// starts says where a name may begin, by the hash of its first word.
	starts map[uint64][]nameSpan
	listed int // names of the list that were read
	more   bool
}

// nameSpan is the length of a name, and how much of it is in front of its first word.
type nameSpan struct{ lead, length int }

func newImageNames() *imageNames {
	return &imageNames{seed: maphash.MakeSeed(), words: make([]uint64, wordBits/64), found: map[string]bool{}, starts: map[uint64][]nameSpan{}}
}

// eachWord calls fn with where the words of a text are: letters, digits, and all bytes
// that are not ASCII. What a backslash escapes is no part of one.
func eachWord(text string, fn func(from, to int) bool) {
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
			if i < len(text) && text[i] == 'u' {
				i += 4
			}
			continue
		}
		from := i
		for i < len(text) && isWord(text[i]) {
			i++
		}
		if i > from {
			if !fn(from, i) {
				return
			}
			i--
		}
	}
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// read notes the words of a text in which names are to be found.
func (n *imageNames) read(text string) {
	eachWord(text, func(from, to int) bool {
		bit := maphash.String(n.seed, text[from:to]) % wordBits
		n.words[bit/64] |= 1 << (bit % 64)
		return true
	})
}

// add adds an image of the list, by its whole path and by its base name.
func (n *imageNames) add(name string) {
	n.listed++
	for _, one := range []string{name, path.Base(name)} {
		for _, form := range nameForms(one) {
			n.addForm(form)
		}
	}
}

// nameForms returns the spellings of a name in texts.
func nameForms(name string) []string {
	if !strings.ContainsFunc(name, func(c rune) bool { return c >= 0x80 || !isWord(byte(c)) && !strings.ContainsRune("._-/", c) }) {
		return []string{name}
	}
	quoted, _ := json.Marshal(name)
	ascii, plain := strconv.QuoteToASCII(name), strconv.Quote(name)
	u := url.URL{Path: name}
	forms := []string{name, string(quoted[1 : len(quoted)-1]), ascii[1 : len(ascii)-1], plain[1 : len(plain)-1], u.EscapedPath(), url.QueryEscape(name)}
	slices.Sort(forms)
	return slices.Compact(forms)
}

func (n *imageNames) addForm(name string) {
	if len(name) < leastName || n.found[name] {
		return
	}
	lead, first, all := -1, uint64(0), true
	eachWord(name, func(from, to int) bool {
		h := maphash.String(n.seed, name[from:to])
		if lead < 0 {
			lead, first = from, h
		}
		bit := h % wordBits
		all = n.words[bit/64]&(1<<(bit%64)) != 0
		return all
	})
	if lead < 0 || !all {
		return
	}
	if len(n.found) == mostNames {
		n.more = true
		return
	}
	n.found[name] = true
	span := nameSpan{lead, len(name)}
	spans := n.starts[first]
	at, there := slices.BinarySearchFunc(spans, span, func(a, b nameSpan) int {
		return cmp.Or(cmp.Compare(b.length, a.length), cmp.Compare(a.lead, b.lead)) // the longest first
	})
	if !there {
		n.starts[first] = slices.Insert(spans, at, span)
	}
}

// hide returns a text without the names.
func (n *imageNames) hide(text string) string {
	if len(n.found) == 0 {
		return text
	}
	var b strings.Builder
	done := 0
	eachWord(text, func(from, to int) bool {
		if from < done {
			return true
		}
		for _, span := range n.starts[maphash.String(n.seed, text[from:to])] {
			begin := from - span.lead
			end := begin + span.length
			if begin < done || end > len(text) || !n.found[text[begin:end]] || isWord(text[end-1]) && end < len(text) && isWord(text[end]) {
				continue
			}
			b.WriteString(text[done:begin])
			b.WriteString("IMAGE")
			done = end
			break
		}
		return true
	})
	b.WriteString(text[done:])
	return b.String()
}

// list adds the names of the list of images of an output.
func (n *imageNames) list(ctx context.Context, st store.Store) error {
	body, _, err := st.Open(ctx, output.Folder+"manifest.jsonl", "")
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), longestOfList)
	for lines.Scan() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var entry struct {
			Path string `json:"path"`
		}
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Path != "" {
			n.add(entry.Path)
		}
	}
	return lines.Err()
}

// hideNames takes the names of images out of all that the report has by now: those of the
// list of images of the output, if there is one, and what looks like one.
func (r *bugReport) hideNames(ctx context.Context, s *scrubber, st store.Store) {
	names := newImageNames()
	if st != nil {
		for _, f := range r.files {
			names.read(string(f.body))
			names.read(f.name)
		}
		for _, line := range r.out {
			names.read(line)
		}
		ctx, cancel := context.WithTimeout(ctx, bugReportLimit)
		err := names.list(ctx, st)
		cancel()
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			r.leave("names of images after the first "+strconv.Itoa(names.listed),
				"not all of the list was read, so that texts may have those without the ending of an image: "+reason(s, err))
		}
		if names.more {
			r.leave("names of images", fmt.Sprintf("the texts may have some without the ending of an image: more than %d may be in them", mostNames))
		}
	}
	hide := func(text string) string { return hideImageFiles(names.hide(text)) }
	taken := map[string]bool{}
	for i := range r.files {
		f := &r.files[i]
		was := len(f.body)
		f.body, f.what = []byte(hide(string(f.body))), hide(f.what)
		r.size += len(f.body) - was
		name := path.Join(path.Dir(f.name), hide(path.Base(f.name)))
		f.name = name
		for n := 2; taken[f.name]; n++ {
			f.name = fmt.Sprintf("%s.%d", name, n)
		}
		taken[f.name] = true
	}
	for i, line := range r.out {
		r.out[i] = hide(line)
	}
}
