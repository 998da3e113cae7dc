package page

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/batchscore/batchscore/scorer/review/browsertest"
)

// TestBrowser opens reports in Chromium. The subtests share the browser. By default it opens
// few pages, and only small ones are searched for faults by axe-core, which takes seconds.
func TestBrowser(t *testing.T) {
	b := browsertest.New(t)
	folder := t.TempDir()
	open := func(t *testing.T, name string, opt browsertest.Options) *browsertest.Tab {
		t.Helper()
		file := filepath.Join(folder, name+".html")
		if _, err := os.Stat(file); err != nil {
			if err := os.WriteFile(file, []byte(written(t, examples[name]())), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tab := b.Open(t, "file://"+file, opt)
		t.Cleanup(func() { quiet(t, tab, file) })
		return tab
	}
	for name := range examples {
		if !everything && name != "small" && name != "hostile" && name != "empty" {
			continue
		}
		t.Run("whole/"+name, func(t *testing.T) { checkWhole(t, open(t, name, browsertest.Options{}), 1280) })
		t.Run("narrow/"+name, func(t *testing.T) {
			checkWhole(t, open(t, name, browsertest.Options{Width: 390, Height: 844, Dark: true}), 390)
		})
	}
	faults := []string{"small"} // axe-core takes seconds for large pages
	if everything {
		faults = append(faults, "full", "hostile", "incomplete", "simulated")
	}
	for _, name := range faults {
		for _, dark := range []bool{false, true} {
			t.Run(fmt.Sprintf("axe/%s/dark=%v", name, dark), func(t *testing.T) {
				for _, v := range open(t, name, browsertest.Options{Dark: dark, Still: true}).Serious() {
					t.Error(v)
				}
			})
		}
	}
	t.Run("screens", func(t *testing.T) { checkScreens(t, open, "small") })
	t.Run("filters", func(t *testing.T) { checkFilters(t, open(t, "full", browsertest.Options{})) })
	t.Run("tables", func(t *testing.T) { checkTables(t, open(t, "hundred", browsertest.Options{}), 100, 64) })
	if everything {
		t.Run("large tables", func(t *testing.T) { checkTables(t, open(t, "many", browsertest.Options{}), 1000, 1024) })
	}
	t.Run("keyboard", func(t *testing.T) { checkKeyboard(t, open(t, "usual", browsertest.Options{})) })
	t.Run("paper", func(t *testing.T) { checkPaper(t, open(t, "full", browsertest.Options{Dark: true})) })
	t.Run("no scripts", func(t *testing.T) { checkNoScript(t, open(t, "full", browsertest.Options{NoScript: true})) })
	t.Run("motion", func(t *testing.T) {
		for still, want := range map[bool]string{true: "auto", false: "smooth"} {
			tab := open(t, "empty", browsertest.Options{Still: still})
			if got := browsertest.Evaluate[string](tab, `getComputedStyle(document.documentElement).scrollBehavior`); got != want {
				t.Errorf("with reduced motion %v, scrolling is %s, want %s", still, got, want)
			}
		}
	})
}

// quiet checks that a page complained of nothing and asked for nothing but itself.
func quiet(t *testing.T, tab *browsertest.Tab, file string) {
	for _, p := range tab.Problems() {
		t.Error(p)
	}
	for _, address := range tab.Requests() {
		if before, _, _ := strings.Cut(address, "#"); before != "file://"+file {
			t.Errorf("the page asked for %s", address)
		}
	}
	if len(tab.Requests()) == 0 {
		t.Error("no request was recorded, not even that of the page")
	}
}

// checkWhole checks links, IDs, headings, that nothing is wider than a screen of that width,
// and that no name or label became code.
func checkWhole(t *testing.T, tab *browsertest.Tab, width int) {
	type found struct {
		Title                                           string
		Cut, Dead, Double, Unnamed, Wide, Foreign, Bold []string
		Headings                                        []int
		Links                                           int
	}
	got := browsertest.Evaluate[found](tab, fmt.Sprintf(`(() => {
		const width = %d; // innerWidth grows with what is wider
		const all = s => [...document.querySelectorAll(s)];
		const ids = all("[id]").map(e => e.id);
		const links = all('a[href]');
		const visible = e => e.getClientRects().length > 0;
		const contained = e => e.closest(".wide, dialog, .skip") !== null && !e.matches(".wide");
		const cut = all(".file .end").filter(e => visible(e) && e.getBoundingClientRect().right > e.closest(".shot").getBoundingClientRect().right + 1)
			.map(e => e.textContent);
		for (const e of all("details")) e.open = true;
		return {
			cut,
			title: document.title,
			links: links.length,
			dead: links.map(a => a.getAttribute("href")).filter(h => !h.startsWith("#") || !document.getElementById(decodeURIComponent(h.slice(1)))),
			double: ids.filter((id, i) => ids.indexOf(id) !== i),
			unnamed: all("table").filter(e => !e.caption || !e.caption.textContent.trim()).map(e => e.outerHTML.slice(0, 80)).concat(
				all("svg").filter(e => e.getAttribute("aria-hidden") !== "true" && !(e.getAttribute("role") === "img" &&
					(e.getAttribute("aria-label") || document.getElementById(e.getAttribute("aria-labelledby").split(" ")[0])))).map(e => e.outerHTML.slice(0, 80)),
				all("img").filter(e => e.alt === "").map(e => e.outerHTML.slice(0, 40))),
			wide: all("body *").filter(e => visible(e) && !contained(e) && e.getBoundingClientRect().right > width + 1)
				.map(e => e.tagName + " " + e.className + " " + e.textContent.slice(0, 40)),
			foreign: all("script, link, iframe, object, embed, base, [onmouseover], [onerror], [style]").filter(e => e !== document.scripts[0])
				.map(e => e.outerHTML.slice(0, 80)),
			bold: all("b").filter(e => e.textContent === "bold").map(e => e.outerHTML),
			headings: all("h1, h2, h3, h4").filter(visible).map(e => Number(e.tagName[1])),
		};
	})()`, width))
	if got.Links < 3 || len(got.Headings) < 5 {
		t.Errorf("%d links and %d headings", got.Links, len(got.Headings))
	}
	for _, list := range []struct {
		what string
		of   []string
	}{{what: "links that lead nowhere", of: got.Dead}, {what: "IDs that are there twice", of: got.Double},
		{what: "names of files whose end is beyond their picture", of: got.Cut},
		{what: "tables, drawings and pictures without a name", of: got.Unnamed},
		{what: "elements wider than the screen", of: got.Wide}, {what: "elements that are not of the page", of: append(got.Foreign, got.Bold...)}} {
		if len(list.of) > 0 {
			t.Errorf("%d %s, such as %q", len(list.of), list.what, list.of[:min(len(list.of), 4)])
		}
	}
	if got.Title == "taken" {
		t.Error("a name became a script")
	}
	for i, level := range got.Headings {
		if i > 0 && level > got.Headings[i-1]+1 {
			t.Errorf("heading %d of level %d follows one of level %d", i+1, level, got.Headings[i-1])
			break
		}
	}
}

// checkFilters uses every filter.
func checkFilters(t *testing.T, tab *browsertest.Tab) {
	const pictures = `[...document.querySelectorAll(".shot")]`
	all := browsertest.Evaluate[int](tab, pictures+".length")
	shown := func() (n int, text string) {
		n = browsertest.Evaluate[int](tab, pictures+".filter(e => e.getClientRects().length > 0).length")
		return n, browsertest.Evaluate[string](tab, `document.getElementById("picture-found").textContent`)
	}
	for _, c := range []struct{ set, matches string }{
		{set: `f.text.value = "LABEL 3"`, matches: `e.dataset.text.includes("label 3")`},
		{set: `f.text.value = "img_00111"`, matches: `e.dataset.text.includes("IMG_00111")`},
		{set: `f.status.value = "truncated"`, matches: `e.dataset.status === "truncated"`},
		{set: `f.least.value = "0.9"`, matches: `e.dataset.score !== "" && Number(e.dataset.score) >= 0.9`},
		{set: `f.most.value = "0.5"`, matches: `e.dataset.score !== "" && Number(e.dataset.score) <= 0.5`},
		{set: `f.text.value = "no such name"`, matches: `false`},
	} {
		browsertest.Evaluate[bool](tab, `(() => { const f = document.getElementById("picture-filter").elements; `+c.set+
			`; document.getElementById("picture-filter").dispatchEvent(new Event("input")); return true; })()`)
		want := browsertest.Evaluate[int](tab, pictures+".filter(e => "+c.matches+").length")
		if n, text := shown(); n != want || n == all || text != fmt.Sprintf("%d of %d pictures", want, all) {
			t.Errorf("%s: %d of %d pictures are shown, want %d; the page says %q", c.set, n, all, want, text)
		}
		tab.Run(chromedp.Click(`#picture-filter button`))
		browsertest.Evaluate[bool](tab, `new Promise(done => setTimeout(() => done(true), 20))`)
		if n, text := shown(); n != all || text != "" {
			t.Errorf("after %s and Clear, %d of %d pictures are shown; the page says %q", c.set, n, all, text)
		}
	}
	for _, table := range browsertest.Evaluate[[]string](tab, `[...document.querySelectorAll("input[data-filter]")].map(e => e.dataset.filter)`) {
		tab.Run(chromedp.SendKeys(`input[data-filter="`+table+`"]`, "Label 17"))
		got := browsertest.Evaluate[[]string](tab,
			`[...document.querySelectorAll("#`+table+` tbody tr")].filter(e => e.getClientRects().length > 0).map(e => e.cells[0].textContent)`)
		if len(got) != 1 || got[0] != "label 17" {
			t.Errorf("%s: the filter shows %q", table, got)
		}
	}
}

// checkTables sorts and unfolds tables of many labels and ranks.
func checkTables(t *testing.T, tab *browsertest.Tab, labels, ranks int) {
	click := func(selector string) {
		browsertest.Evaluate[bool](tab, fmt.Sprintf("document.querySelector(%q).click(), true", selector))
	}
	rows := func(table string, column int) []string {
		return browsertest.Evaluate[[]string](tab,
			fmt.Sprintf(`[...document.querySelectorAll("#%s tbody tr")].filter(e => e.getClientRects().length > 0).map(e => e.cells[%d].textContent)`,
				table, column))
	}
	for _, c := range []struct {
		table  string
		column int
		folded int
		all    int
		first  []string // the first cells after each click on the heading
	}{
		{table: "labels-table", column: 0, folded: 30, all: labels, first: []string{"label 1", fmt.Sprint("label ", labels)}},
		{table: "labels-table", column: 3, folded: 30, all: labels, first: []string{"0.900", fmt.Sprintf("%.3f", 0.5+0.4/float64(labels))}},
		{table: "classes-table", column: 1, folded: 30, all: min(labels+1, 1000), first: []string{"5,000"}},
		{table: "drift-table", column: 5, folded: 30, all: labels},
		{table: "ranks-table", column: 0, folded: 32, all: ranks, first: []string{fmt.Sprint(ranks - 1), "0"}},
	} {
		if n := len(rows(c.table, 0)); n != c.folded {
			t.Errorf("%s: %d lines are shown, want %d", c.table, n, c.folded)
		}
		for _, want := range c.first {
			click(fmt.Sprintf("#%s thead th:nth-child(%d) button", c.table, c.column+1))
			if got := rows(c.table, c.column); len(got) != c.folded || got[0] != want {
				t.Errorf("%s: sorted by column %d: %d lines from %q on, want %d from %q on", c.table, c.column+1, len(got), got[:1], c.folded, want)
			}
		}
		click(`[data-unfold="` + c.table + `"]`)
		if n := len(rows(c.table, 0)); n != c.all {
			t.Errorf("%s: unfolded, %d lines are shown, want %d", c.table, n, c.all)
		}
		click(`[data-unfold="` + c.table + `"]`)
	}
	if sorted := browsertest.Evaluate[[]string](tab,
		`[...document.querySelectorAll("#labels-table th[aria-sort]")].map(e => e.textContent + e.ariaSort)`); len(sorted) != 1 ||
		sorted[0] != "Mean scoreascending" {
		t.Errorf("headings with aria-sort: %q", sorted)
	}
	tab.Run(chromedp.SendKeys(`input[data-filter="labels-table"]`, fmt.Sprint("label ", labels-1)))
	if got := rows("labels-table", 0); !slices.Equal(got, []string{fmt.Sprint("label ", labels-1)}) {
		t.Errorf("a folded label is not found: %q", got)
	}
}

// checkKeyboard walks through the page without a mouse.
func checkKeyboard(t *testing.T, tab *browsertest.Tab) {
	focus := func() string {
		return browsertest.Evaluate[string](tab,
			`(() => { const e = document.activeElement;
				return e.tagName + " " + (e.id || e.className || e.name || e.getAttribute("href") || e.textContent.trim().slice(0, 30)); })()`)
	}
	tab.Press(kb.Tab)
	if got := focus(); got != "A skip" {
		t.Errorf("Tab goes to %q first, want the link that skips", got)
	}
	tab.Press(kb.Enter)
	seen := map[string]bool{}
	for range 60 {
		tab.Press(kb.Tab)
		at := focus()
		if strings.HasPrefix(at, "BODY") {
			t.Fatal("Tab leads nowhere")
		}
		seen[at] = true
		if outline := browsertest.Evaluate[string](tab, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
			t.Errorf("%s: nothing shows that it has the focus", at)
		}
	}
	if len(seen) < 30 {
		t.Errorf("60 times Tab reach %d elements only: %v", len(seen), seen)
	}
	tab.Run(chromedp.Focus(`#pictures-random-3 summary`))
	tab.Press(kb.Enter)
	type viewer struct {
		Open, Inside bool
		At, Title    string
		Picture      bool
	}
	look := func() viewer {
		return browsertest.Evaluate[viewer](tab,
			`(async () => { const d = document.getElementById("viewer"); await Promise.all([...d.querySelectorAll("img")].map(i => i.decode())); return {
			open: d.open, inside: d.contains(document.activeElement), at: document.getElementById("viewer-at").textContent,
			title: document.getElementById("viewer-title").textContent, picture: d.querySelector("img") !== null && d.querySelector("img").naturalWidth > 0 }; })()`)
	}
	want := func(what string, w viewer) {
		t.Helper()
		got := look()
		w.Title = got.Title
		if got != w {
			t.Errorf("%s: %+v, want %+v", what, got, w)
		}
	}
	want("Enter opens the viewer", viewer{Open: true, Inside: true, At: "3 of 24", Picture: true})
	if got := look().Title; !strings.Contains(got, "label 3") || !strings.Contains(got, "0.950") {
		t.Errorf("the viewer's heading is %q", got)
	}
	keep(t, "viewer.png", tab.Screenshot())
	tab.Press(kb.ArrowRight)
	tab.Press(kb.ArrowRight)
	want("two arrows to the right", viewer{Open: true, Inside: true, At: "5 of 24", Picture: true})
	tab.Press(kb.ArrowLeft)
	want("an arrow to the left", viewer{Open: true, Inside: true, At: "4 of 24", Picture: true})
	for range 8 {
		tab.Press(kb.Tab)
		if got := focus(); !look().Inside && !strings.HasPrefix(got, "BODY") {
			t.Errorf("Tab leaves the open viewer for %s", got)
		}
	}
	tab.Press(kb.Escape)
	const focused = `new Promise(done => setTimeout(() => done((document.activeElement.closest(".shot") || document.body).id), 100))`
	if got := browsertest.Evaluate[string](tab, focused); got != "pictures-random-4" || look().Open {
		t.Errorf("after Escape the focus is in %q, want the picture that was shown last, and the viewer is open: %v", got, look().Open)
	}
	tab.Run(chromedp.Focus(`#labels-table thead button`))
	tab.Press(kb.Enter)
	if got := browsertest.Evaluate[string](tab, `document.querySelector("#labels-table th").ariaSort`); got != "ascending" {
		t.Errorf("Enter on a heading sorts %q", got)
	}
}

// checkPaper prints the page.
func checkPaper(t *testing.T, tab *browsertest.Tab) {
	pdf := tab.PDF()
	pages := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1))
	if !bytes.HasPrefix(pdf, []byte("%PDF")) || pages < 8 || pages > 60 {
		t.Errorf("%d bytes of PDF with %d pages", len(pdf), pages)
	}
	keep(t, "paper.pdf", pdf)
	tab.Run(emulation.SetEmulatedMedia().WithMedia("print").WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	type paper struct{ Back, Ink, Contents, Tools string }
	got := browsertest.Evaluate[paper](tab, `(() => { const s = (q, p) => getComputedStyle(document.querySelector(q))[p]; return {
		back: s("body", "backgroundColor"), ink: s("body", "color"), contents: s(".contents", "display"), tools: s(".tools", "display") }; })()`)
	if want := (paper{Back: "rgb(255, 255, 255)", Ink: "rgb(31, 35, 40)", Contents: "none", Tools: "none"}); got != want {
		t.Errorf("on paper: %+v, want %+v", got, want)
	}
}

// checkNoScript checks that pictures open and that nothing is there that would not work.
func checkNoScript(t *testing.T, tab *browsertest.Tab) {
	const controls = `[...document.querySelectorAll("[data-js], thead button, dialog")]`
	if n := browsertest.Evaluate[int](tab, controls+`.filter(e => e.getClientRects().length > 0).length`); n != 0 {
		t.Errorf("%d controls are shown that need scripts", n)
	}
	tab.Run(chromedp.Click(`#pictures-random-3 summary`, chromedp.ByQuery))
	keep(t, "no-scripts.png", tab.Screenshot())
	type opened struct {
		Open         bool
		Width, Table float64
	}
	got := browsertest.Evaluate[opened](tab, `(() => { const s = document.getElementById("pictures-random-3"); return {
		open: s.querySelector("details").open, width: s.querySelector("img").getBoundingClientRect().width,
table: s.querySelector(".more").getBoundingClientRect().width }; })()`)
	if !got.Open || got.Width < 250 || got.Table < 200 {
		t.Errorf("a click on a picture: %+v, want it open and large", got)
	}
}
