package page

import (
	"bytes"
	"errors"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/batchscore/batchscore/scorer/review"
)

// TestNamesStayText checks without a browser that no name and no label leaves its place.
func TestNamesStayText(t *testing.T) {
	body := written(t, mean())
	if !utf8.ValidString(body) {
		t.Error("the page is not valid UTF-8")
	}
	for _, hidden := range []string{"\u202e", "\u200b", "\x00"} {
		if strings.Contains(body, hidden) {
			t.Errorf("the page holds %q, which nobody sees", hidden)
		}
	}
	if !strings.Contains(body, `\u202egpj.exe`) {
		t.Error("a character that changes the direction of text is not made visible")
	}
	if n := len(regexp.MustCompile(`(?i)<script`).FindAllString(body, -1)); n != 1 {
		t.Errorf("%d scripts, want that of the page", n)
	}
	for _, tag := range regexp.MustCompile(`<[a-z][^>]*>`).FindAllString(body, -1) {
		if regexp.MustCompile(`\s(on[a-z]+|style)=`).MatchString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, `""`)) {
			t.Errorf("an element with code of its own: %.200s", tag)
		}
	}
	for _, address := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		if !strings.HasPrefix(address[1], "#") && !strings.HasPrefix(address[1], "data:image/jpeg;base64,") {
			t.Errorf("the page refers to %.100s", address[1])
		}
	}
}

// TestPolicyAllowsThePage checks that the policy has the digests of what is in the page, and
// that a server can add to it.
func TestPolicyAllowsThePage(t *testing.T) {
	body := written(t, &review.Findings{})
	for element, kind := range map[string]string{"style": "style-src ", "script": "script-src "} {
		m := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("the page has no %s", element)
		}
		if want := kind + digest(m[1]); !strings.Contains(Policy(), want) {
			t.Errorf("the policy is %q, want it to allow %q", Policy(), want)
		}
	}
	if !strings.Contains(body, template.HTMLEscapeString(Policy())) && !strings.Contains(strings.ReplaceAll(body, "&#43;", "+"),
		template.HTMLEscapeString(Policy())) {
		t.Error("the page does not have the policy")
	}
	got := Policy("connect-src 'self'", "img-src 'self'")
	for _, want := range []string{"connect-src 'self'", "img-src data: 'self'", "default-src 'none'"} {
		if !slices.Contains(strings.Split(got, "; "), want) {
			t.Errorf("the policy is %q, want %q in it", got, want)
		}
	}
}

// TestWriteStreams checks that what is written does not wait for the last picture, and that an
// error ends the page.
func TestWriteStreams(t *testing.T) {
	var out bytes.Buffer
	asked, before := 0, 0
	opt := Options{Thumb: func(n int) ([]byte, int, int) {
		if asked++; asked == 30 {
			before = out.Len()
		}
		return bytes.Repeat([]byte("picture"), 5000), 160, 120
	}}
	if err := Write(&out, example(4), opt); err != nil {
		t.Fatal(err)
	}
	if asked < 50 || before < 100_000 {
		t.Errorf("%d pictures, and %d bytes were written before the 30th", asked, before)
	}
	full := errors.New("no space")
	if err := Write(failing{full}, example(4), opt); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

// TestSamePage checks that the same findings make the same bytes.
func TestSamePage(t *testing.T) {
	for _, name := range []string{"small", "hostile"} {
		first, second := written(t, examples[name]()), written(t, examples[name]())
		if first != second {
			t.Errorf("%s: two pages differ", name)
		}
	}
}

// TestRemarksLead checks that the page has all places that remarks lead to.
func TestRemarksLead(t *testing.T) {
	f := full()
	body := written(t, f)
	for _, where := range []string{"overview", "labels", "certainty", "provenance", "failures", "truth", "classes", "confusion", "reliability",
		"thresholds", "against", "flips",
		"drift", "ranks", "throughput", "sizes", "pixels", "slowest", "galleries", "random", "least-sure", "status-truncated", "label-1", "duplicates", "outliers"} {
		id := New(f, Options{}).Target(where)
		if id == "" || !strings.Contains(body, ` id="`+id+`"`) {
			t.Errorf("%s leads to %q, which the page does not have", where, id)
		}
	}
	if id := New(f, Options{}).Target("nowhere"); id != "" {
		t.Errorf("an unknown place leads to %q", id)
	}
}

// TestLoud checks that what makes rows useless is said at the top.
func TestLoud(t *testing.T) {
	for name, want := range map[string]string{"simulated": "Simulated.", "incomplete": "Incomplete.", "empty": "No images.", "all-failed": "All images failed.",
		"hostile": "Verify found faults."} {
		body := written(t, examples[name]())
		top, _, _ := strings.Cut(body, `<div class="page">`)
		if !strings.Contains(top, "<strong>"+want+"</strong>") {
			t.Errorf("%s: the top does not say %q", name, want)
		}
	}
	if top, _, _ := strings.Cut(written(t, examples["usual"]()), `<div class="page">`); strings.Contains(top, "banner") && strings.Contains(top, "<strong>") {
		t.Error("a job as it should be has a banner")
	}
}

// TestSources checks the pages of a server: pictures are at addresses, which are not code.
func TestSources(t *testing.T) {
	f := example(1)
	f.Galleries = f.Galleries[:1]
	opt := Options{Source: func(p *review.Picture) string { return "javascript:alert(1)" },
		Large: func(p *review.Picture) string { return "large?path=" + p.Path }}
	var out bytes.Buffer
	if err := Templates().ExecuteTemplate(&out, "section-galleries", New(f, opt)); err != nil {
		t.Fatal(err)
	}
	if body := out.String(); strings.Contains(body, `src="javascript`) || !strings.Contains(body, `data-large="large?path=2026/march/least-sure/IMG_00000.jpg"`) {
		t.Errorf("got %.2000s", body)
	}
}

// TestNumbers checks how figures are written.
func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{got: count(1234567), want: "1,234,567"}, {got: count(-1234), want: "−1,234"}, {got: count(999), want: "999"},
		{got: things(1, "image"), want: "1 image"}, {got: things(2000, "image"), want: "2,000 images"}, {got: things(2, "class"), want: "2 classes"},
		{got: size(999), want: "999 B"}, {got: size(1234), want: "1.23 kB"}, {got: size(45_678_901_234), want: "45.7 GB"},
		{got: percent(0), want: "0%"}, {got: percent(1e-9), want: "<0.01%"}, {got: percent(0.12345), want: "12.3%"}, {got: percent(0.0504), want: "5.04%"},
		{got: percent(0.999999), want: ">99.99%"}, {got: percent(1), want: "100%"}, {got: of(1, 0), want: "–"},
		{got: score(0.12345), want: "0.123"}, {got: score(0.00001234), want: "1.2e-05"}, {got: score(0), want: "0.000"},
		{got: binary(65536), want: "64 KiB"}, {got: binary(0), want: "0 B"}, {got: rate(12345.6), want: "12,346 images/s"}, {got: rate(15.5), want: "15.5 images/s"},
		{got: duration(0.0123), want: "12.3 ms"}, {got: duration(7942), want: "2 h 12 min"}, {got: figure(123456), want: "123,456"}, {got: figure(0.25),
			want: "0.250"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
