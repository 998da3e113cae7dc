package telemetry

import "time"

// Progress shows how far a worker is, in lines and, on a terminal, in a bar.
type Progress struct {
	Lines *Lines
	Bar   *Bar // may be nil
}

// Start says how many images are to be scored.
func (p *Progress) Start(total int) {
	p.Lines.Start(total)
	p.Bar.grow(total)
}

// Grow adds the images of a chunk taken over from another rank.
func (p *Progress) Grow(n int) {
	p.Lines.Grow(n)
	p.Bar.grow(n)
}

// Add counts n images, including the failed ones.
func (p *Progress) Add(n, failed int) {
	p.Bar.add(n, failed)
	p.Lines.Add(n)
}

// Annotate shows the worker's condition next to the bar.
func (p *Progress) Annotate(c Condition) { p.Bar.annotate(c.String()) }

// Finish reports whether the worker is done after a time that it took.
func (p *Progress) Finish(took time.Duration) {
	p.Bar.close()
	p.Lines.Finish(took)
}
