package chart

// Bars returns a chart of horizontal bars, the first at the top, each with its value and
// its confidence interval. unit names the values.
func Bars(title, unit string, bars []Bar) (*Drawing, error) {
	var lowest, highest, names, values float64
	for _, b := range bars {
		if err := checkValues(title, b.Name, false, b.Value); err != nil {
			return nil, err
		}
		lowest, highest = min(lowest, b.Value), max(highest, b.Value)
		if b.interval() {
			lowest, highest = min(lowest, b.Lo), max(highest, b.Hi)
		}
		names, values = max(names, textWidth(b.Name)), max(values, textWidth(Number(b.Value)))
	}
	names = min(names, 0.4*inner)
	left := margin + names + 10
	xs := newAxis(false, lowest, highest, left, width-margin-values-8, textWidth)

	var c canvas
	top := c.heading(title) + 6
	rows, bottom := make([]float64, len(bars)), top // the middle of each bar
	for i, b := range bars {
		high := max(rowHeight, float64(len(broken(b.Name, names)))*lineHeight+8)
		rows[i] = bottom + high/2
		bottom += high
	}
	c.ticks(xs, top, bottom)
	for i, b := range bars {
		c.bar(b, xs, left, rows[i], names)
	}
	c.line("soft", xs.at(0), top, xs.at(0), bottom, 1)
	y := c.paragraph(label{at: Point{(left + xs.to) / 2, bottom + 28}, class: "soft", text: unit, room: xs.to - left, anchor: "middle"})
	return c.drawn(title, y+margin), nil
}

// bar draws one bar with its middle at y, its name to the left and its value to the right.
func (c *canvas) bar(b Bar, xs axis, left, y, names float64) {
	high := float64(len(broken(b.Name, names))) * lineHeight
	c.paragraph(label{at: Point{left - 10, y - high/2}, class: "ink", text: b.Name, room: names, anchor: "end"})
	zero, end := xs.at(0), xs.at(b.Value)
	c.add(bar{class: colour(b.Group), at: Point{min(zero, end), y - barHeight/2}, wide: max(zero, end) - min(zero, end), high: barHeight})
	if b.interval() {
		lo, hi := xs.at(b.Lo), xs.at(b.Hi)
		c.line("ink", lo, y, hi, y, 1.5)
		c.line("ink", lo, y-5, lo, y+5, 1.5)
		c.line("ink", hi, y-5, hi, y+5, 1.5)
		end = max(end, hi)
	}
	c.add(label{at: Point{max(zero, end) + 6, y + 5}, class: "ink", text: Number(b.Value)})
}
