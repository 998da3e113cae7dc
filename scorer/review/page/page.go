// Package page writes the findings of a review as one HTML file that needs nothing else: no
// network, no font, no script from elsewhere. It works from a file, on paper and without
// scripts; those only filter, sort and show pictures one by one.
//
//  1. Write writes the report. It streams: pictures are encoded one at a time.
//  2. New and Templates are for a page of other parts, such as that of a server: each part of
//     the report is a template of its own, to be executed with what New returns. Style and
//     Script are what all of them need, and Policy is the Content-Security-Policy that allows
//     just these.
//
// All texts in findings are hostile: file names and labels are whatever somebody wrote. They
// reach the page as text only, which html/template escapes for its place, after characters that
// are not seen have been made visible.
package page

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"

	"github.com/batchscore/batchscore/scorer/review"
)

// Options are how a page shows findings.
type Options struct {
	// Thumb returns the JPEG of the thumbnail with that number, and its sides in pixels; nil if
	// there is none. It is called once for each place where the picture is shown.
	Thumb func(n int) (jpeg []byte, width, height int)
	// Source returns the address of the small picture of an image instead, and Large that of a
	// larger one, for pages that a server shows; empty if there is none.
	Source, Large func(p *review.Picture) string
	// Program names the program that makes the page, with its version.
	Program string
}

// Page is what the templates show.
type Page struct {
	*review.Findings
	Options Options
}

// New returns the page of findings.
func New(f *review.Findings, opt Options) *Page { return &Page{Findings: f, Options: opt} }

// Write writes the report as one HTML file.
func Write(w io.Writer, f *review.Findings, opt Options) error {
	out := bufio.NewWriterSize(w, 64<<10)
	if err := Templates().ExecuteTemplate(out, "report", New(f, opt)); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return out.Flush()
}

//go:embed parts
var parts embed.FS

// parsed holds the templates. It is never executed, so that it can be cloned.
var parsed = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(functions).ParseFS(parts, "parts/*.html"))
})

// Templates returns the parts of the report, to be executed by name or to be used by other
// templates that are added: "report" is the whole page, "top" its title and banners, and each
// section has a template called "section-" and its ID. Parts that are smaller take what a
// function returns: {{template "gallery" (gallery $ .)}}.
func Templates() *template.Template { return template.Must(parsed().Clone()) }

// Style is the style sheet of all parts.
func Style() template.CSS { return template.CSS(asset("page.css")) }

// Script is the script of the page. It needs no other, and the page works without it.
func Script() template.JS { return template.JS(asset("page.js")) }

// Policy is a Content-Security-Policy that allows Style, Script and embedded pictures, and
// nothing else. sources are more that pages of a server need, such as "connect-src 'self'".
func Policy(sources ...string) string {
	own := []string{"default-src 'none'", "img-src data:", "style-src " + digest(string(Style())), "script-src " + digest(string(Script())),
		"base-uri 'none'", "form-action 'none'"}
	for _, more := range sources {
		kind, _, _ := strings.Cut(more, " ")
		for i, have := range own {
			if strings.HasPrefix(have, kind+" ") {
				own[i], more = have+strings.TrimPrefix(more, kind), ""
			}
		}
		if more != "" {
			own = append(own, more)
		}
	}
	return strings.Join(own, "; ")
}

// digest returns the hash of a text as a policy has it.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// asset returns a file that is embedded.
func asset(name string) string {
	body, err := parts.ReadFile("parts/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(bytes.TrimSpace(body))
}
