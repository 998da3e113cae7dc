package serve

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/browsertest"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// screenshots is where TestBrowser puts what it sees, for people.
var screenshots = flag.String("screenshots", "", "put screenshots of the live page into `FOLDER`")

// TestBrowser opens the page of a job in Chromium, while it runs and at its end.
func TestBrowser(t *testing.T) {
	b := browsertest.New(t)
	j := begin(t, 90)
	for chunk := range 5 {
		j.commit(chunk)
	}
	for rank := range 3 {
		w := claim.Worker{ID: fmt.Sprint("worker-", rank), Host: "gpu-" + fmt.Sprint(rank), Rank: rank, World: 3, Started: time.Now()}
		if err := output.WriteSummary(t.Context(), j.out, &j.record, output.WorkerSummary{
			Worker: w, Device: "cpu", Started: time.Now(), Seconds: 1, Statuses: map[string]int{}, End: "done",
		}); err != nil {
			t.Fatal(err)
		}
	}
	s := startJob(j)
	s.await("some parts", func(p seen) bool { return p.Rows == 40 })
	open := func(t *testing.T, opt browsertest.Options) *browsertest.Tab {
		t.Helper()
		tab := b.Open(t, s.Address(), opt)
		tab.Run(chromedp.WaitVisible("#grid img", chromedp.ByQuery))
		t.Cleanup(func() {
			for _, p := range tab.Problems() {
				// The browser says so of each answer that is not 200: a picture of an image that failed.
				if !strings.Contains(p, "the server responded with a status of 404") {
					t.Error(p)
				}
			}
			for _, address := range tab.Requests() {
				if !strings.HasPrefix(address, s.base+"/") {
					t.Errorf("it asks %s", address)
				}
			}
		})
		return tab
	}
	text := func(tab *browsertest.Tab, selector string) string {
		return browsertest.Evaluate[string](tab, `document.querySelector(`+"`"+selector+"`"+`).textContent`)
	}
	await := func(t *testing.T, tab *browsertest.Tab, condition string) {
		t.Helper()
		ok := browsertest.Evaluate[bool](tab, `new Promise((done) => {
			let n = 0;
			const look = () => { if (`+condition+`) done(true); else if (++n > 400) done(false); else setTimeout(look, 25); };
			look();
		})`)
		if !ok {
			t.Fatalf("it is never so: %s", condition)
		}
	}
	fill := func(tab *browsertest.Tab, field, value string) {
		browsertest.Evaluate[bool](tab, `(document.querySelector("#filter").elements["`+field+`"].value = "`+value+`") === "`+value+`"`)
	}
	picture := func(tab *browsertest.Tab, name string) {
		if *screenshots == "" {
			return
		}
		var body []byte
		tab.Run(chromedp.FullScreenshot(&body, 100))
		if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("while it runs", func(t *testing.T) {
		tab := open(t, browsertest.Options{})
		if got := text(tab, "#figures"); !strings.Contains(got, "40 of 90") {
			t.Errorf("the figures: %s", got)
		}
		if where := browsertest.Evaluate[string](tab, "location.href"); where != s.base+"/"+s.guard.folder+"/" {
			t.Errorf("the address is %s: the token stays in it", where)
		}
		if got := browsertest.Evaluate[string](tab, "document.cookie"); got != "" {
			t.Errorf("a script sees the cookie: %s", got)
		}
		picture(tab, "running-1280-light")
		for chunk := 5; chunk < 11; chunk++ {
			j.commit(chunk)
		}
		await(t, tab, `document.querySelector("#figures").textContent.includes("88 of 90")`)
		await(t, tab, `document.querySelector("#found").textContent.includes("new rows")`)
		j.finish(11)
		await(t, tab, `document.querySelector("#stage").textContent.startsWith("Complete")`)
	})
	t.Run("filters", func(t *testing.T) {
		tab := open(t, browsertest.Options{})
		await(t, tab, `document.querySelector("#found").textContent.startsWith("90 images")`)
		tab.Run(chromedp.Click(`#labels button`, chromedp.ByQuery))
		await(t, tab, `document.querySelector("#found").textContent.startsWith("26 images")`)
		fill(tab, "status", "failed")
		fill(tab, "label", "")
		tab.Run(chromedp.Click(`#filter button[type="submit"]`, chromedp.ByQuery))
		await(t, tab, `document.querySelector("#found").textContent.startsWith("13 images")`)
		await(t, tab, `[...document.querySelectorAll("#grid .frame")].every((f) => f.textContent === "no picture")`)
		if got := browsertest.Evaluate[string](tab, "location.hash"); got != "#status=failed" {
			t.Errorf("after reload, the filter would be %q", got)
		}
		tab.Run(chromedp.Click(`#filter button[type="reset"]`, chromedp.ByQuery))
		await(t, tab, `document.querySelector("#found").textContent.startsWith("90 images, 60 shown")`)
		tab.Run(chromedp.Click(`#more`, chromedp.ByQuery))
		await(t, tab, `document.querySelectorAll("#grid li").length === 90 && document.querySelector("#more").hidden`)
		tab.Run(chromedp.SendKeys(`input[name="contains"]`, "00042"+kb.Enter, chromedp.ByQuery))
		await(t, tab, `document.querySelectorAll("#grid li").length === 1`)
		fill(tab, "contains", "")
		fill(tab, "from", "0.5")
		tab.Run(chromedp.Click(`#filter button[type="submit"]`, chromedp.ByQuery))
		await(t, tab, `document.querySelector("#found").textContent.startsWith("38 images")`)
	})
	t.Run("keyboard", func(t *testing.T) {
		tab := open(t, browsertest.Options{Dark: true})
		tab.Run(chromedp.Focus(`#grid li:nth-child(2) button`, chromedp.ByQuery))
		tab.Press(kb.Enter)
		await(t, tab, `document.querySelector("#large").open && document.querySelector("#details").textContent.includes("label 1")`)
		await(t, tab, `document.querySelector("#picture img").naturalWidth === 320`)
		picture(tab, "image-1280-dark")
		tab.Press(kb.ArrowRight)
		tab.Press(kb.ArrowRight)
		await(t, tab, `document.querySelector("#details").textContent.includes("it is <b>HTML</b>")`)
		await(t, tab, `document.querySelector("#picture").textContent.includes("no picture")`)
		tab.Press(kb.ArrowLeft)
		tab.Press(kb.ArrowLeft)
		tab.Press(kb.ArrowLeft)
		await(t, tab, `document.querySelector("#large-title").textContent === '"><script>alert(1)<\/script>\\u202egpj.exe'`)
		tab.Press(kb.Escape)
		await(t, tab, `!document.querySelector("#large").open && document.activeElement.closest("#grid") !== null`)
	})
	t.Run("narrow", func(t *testing.T) {
		tab := open(t, browsertest.Options{Width: 390, Height: 844, Dark: true})
		if wide := browsertest.Evaluate[int](tab, "document.documentElement.scrollWidth"); wide > 390 {
			t.Errorf("the page is %d pixels wide", wide)
		}
		picture(tab, "complete-390-dark")
	})
	t.Run("an increment", func(t *testing.T) {
		j := increment(t, new(mem.Store))
		j.commit(0)
		s := startJob(j)
		s.await("own rows", func(p seen) bool { return p.Rows == 2 })
		tab := b.Open(t, s.Address(), browsertest.Options{})
		await(t, tab, `document.querySelector("#found").textContent.startsWith("2 images")`)
		await(t, tab, `document.querySelector("#stage").textContent.includes("are shown once it is complete")`)
		tab.Run(chromedp.Click(`#grid li:nth-child(2) button`, chromedp.ByQuery))
		await(t, tab, `document.querySelector("#large-title").textContent === "images/00050.jpg"`)
		j.finish(1)
		await(t, tab, `document.querySelector("#found").textContent.startsWith("20 images") && !document.querySelector("#large").open`)
		await(t, tab, `document.querySelector("#stage").textContent.endsWith("It continues runs: 18 kept, 1 new, 1 changed, 1 gone.")`)
		await(t, tab, `document.querySelector("#figures").textContent.includes("Images20Own rows2") && document.querySelectorAll("#grid li").length === 20`)
		await(t, tab, `document.querySelector("#failures").textContent.includes("in an earlier output")`)
		tab.Run(chromedp.Click(`#grid li:nth-child(20) button`, chromedp.ByQuery))
		await(t, tab, `document.querySelector("#large-title").textContent === "images/00050.jpg" && document.querySelector("#picture img").naturalWidth === 320`)
		tab.Press(kb.ArrowLeft)
		await(t, tab, `document.querySelector("#large-title").textContent === "images/00019.jpg" &&
			document.querySelector("#details").textContent.includes("label 1")`)
		picture(tab, "increment-1280-light")
	})
	for name, opt := range map[string]browsertest.Options{"light": {Still: true}, "dark": {Dark: true, Still: true}} {
		t.Run("faults/"+name, func(t *testing.T) {
			tab := open(t, opt)
			tab.Run(chromedp.Click(`#ranks summary`, chromedp.ByQuery))
			for _, v := range tab.Serious() {
				t.Error(v)
			}
			tab.Run(chromedp.Click(`#grid button`, chromedp.ByQuery))
			await(t, tab, `document.querySelector("#details table")`)
			for _, v := range tab.Serious() {
				t.Errorf("with an image: %v", v)
			}
			picture(tab, "complete-1280-"+name)
		})
	}
}
