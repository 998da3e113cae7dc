// Package browsertest opens pages in a real browser, for tests: Chromium, controlled through
// chromedp. A Tab records whatever a page complains of and whatever it asks the network for.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Browser is a running Chromium without a window.
type Browser struct {
	ctx context.Context //nolint:containedctx // the life of the browser, as chromedp has it
}

// New starts a browser, which ends with the test. Without one installed, the test is skipped,
// and fails in CI.
func New(t testing.TB) *Browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program(t)), chromedp.NoSandbox, chromedp.UserDataDir(profile(t)),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	// What chromedp itself does not understand of a newer browser is not a fault of a page.
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // closes the browser and waits for it
		cancel()
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return &Browser{ctx}
}

// profile returns an empty folder for the browser. Its processes may write there for a moment after
// it has ended, which t.TempDir takes for a failure.
func profile(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "browsertest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 {
			if os.RemoveAll(folder) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return folder
}

// program returns the path of the browser.
func program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "google-chrome", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("chromium is missing: make deps")
	}
	t.Skip("chromium is missing: make deps")
	return ""
}

// Options are what a Tab is like.
type Options struct {
	Width, Height int  // in CSS pixels; 1280 and 800 if they are 0
	Dark          bool // the reader prefers dark colours
	NoScript      bool // pages run no scripts
	Still         bool // the reader prefers reduced motion
}

// Tab shows one page.
type Tab struct {
	// Context is for the actions of chromedp.
	Context context.Context //nolint:containedctx // the life of the tab, as chromedp has it
	t       testing.TB

	mu       sync.Mutex
	problems []string
	requests []string
}

// Open shows the page at an address in a new Tab, which is closed with the test.
func (b *Browser) Open(t testing.TB, address string, opt Options) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	t.Cleanup(cancel)
	ctx, end := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(end)
	tab := &Tab{Context: ctx, t: t}
	chromedp.ListenTarget(ctx, tab.listen)
	if opt.Width == 0 {
		opt.Width, opt.Height = 1280, 800
	}
	scheme := "light"
	if opt.Dark {
		scheme = "dark"
	}
	motion := "no-preference"
	if opt.Still {
		motion = "reduce"
	}
	tab.Run(network.Enable(), log.Enable(), runtime.Enable(), page.BringToFront(), emulation.SetFocusEmulationEnabled(true),
		emulation.SetDeviceMetricsOverride(int64(opt.Width), int64(opt.Height), 1, opt.Width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion",
			Value: motion}}),
		emulation.SetScriptExecutionDisabled(opt.NoScript), chromedp.Navigate(address))
	return tab
}

// listen records what happens in the tab.
func (tab *Tab) listen(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tab.requests = append(tab.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		tab.problems = append(tab.problems, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning || e.Type == runtime.APITypeAssert {
			var text []string
			for _, arg := range e.Args {
				text = append(text, string(arg.Value)+arg.Description)
			}
			tab.problems = append(tab.problems, fmt.Sprintf("console.%s: %s", e.Type, strings.Join(text, " ")))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			tab.problems = append(tab.problems, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *page.EventJavascriptDialogOpening:
		tab.problems = append(tab.problems, "the page opened a message box: "+e.Message)
		go func() { _ = chromedp.Run(tab.Context, page.HandleJavaScriptDialog(false)) }()
	}
}

// Problems returns what the page and the browser complained of so far: errors and warnings of
// the console, exceptions, what the Content-Security-Policy refused, and message boxes.
func (tab *Tab) Problems() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return slices.Clone(tab.problems)
}

// Requests returns the addresses that the page asked for so far. Data in addresses is not a
// request.
func (tab *Tab) Requests() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var all []string
	for _, address := range tab.requests {
		if !strings.HasPrefix(address, "data:") {
			all = append(all, address)
		}
	}
	return all
}

// Run carries out actions.
func (tab *Tab) Run(actions ...chromedp.Action) {
	tab.t.Helper()
	if err := chromedp.Run(tab.Context, actions...); err != nil {
		tab.t.Fatal(err)
	}
}

// Press presses keys, as chromedp names them.
func (tab *Tab) Press(keys string) {
	tab.t.Helper()
	tab.Run(chromedp.KeyEvent(keys))
}

// Evaluate returns the value of an expression of JavaScript in a tab. A promise is awaited.
func Evaluate[T any](tab *Tab, expression string) T {
	tab.t.Helper()
	var value T
	tab.Run(chromedp.Evaluate(expression, &value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return value
}

// Screenshot returns a picture, as PNG, of what is on the screen.
func (tab *Tab) Screenshot() []byte {
	tab.t.Helper()
	var body []byte
	tab.Run(chromedp.CaptureScreenshot(&body))
	return body
}

// PDF returns the printed page.
func (tab *Tab) PDF() (body []byte) {
	tab.t.Helper()
	tab.Run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		body, _, err = page.PrintToPDF().WithPrintBackground(true).WithPaperWidth(8.27).WithPaperHeight(11.69).Do(ctx)
		return err
	}))
	return body
}
