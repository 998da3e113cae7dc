package main

import (
	"io"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// gap is between two columns of a table.
const gap = "  "

const (
	// narrowest is the least width to which a column is shortened.
	narrowest = 8
	// legible is a width to which a column is shortened before one that people copy.
	legible = 16
	// widestPad is the greatest width to which the cells of a column are padded where
	// nothing is shortened: one long name does not push away the columns of all rows.
	widestPad = 60
	// mostLines is how many lines a wrapped cell takes at most.
	mostLines = 4
)

// grid is a table for people. On a terminal it is never wider than that: long cells
// are shortened in the middle, and those of the last column are wrapped where wrap
// says so. Elsewhere cells are whole. Widths are those of characters on a screen.
type grid struct {
	w      io.Writer
	width  int  // of the terminal; 0 if w is not a terminal
	wrap   bool // of the last column
	right  map[int]bool
	copied int // the column that is shortened last, because people copy its cells; -1 if there is none
	rows   [][]string
	// widest are the widths of columns before cells are shortened.
	widest []int
}

// newGrid returns a table on w.
func newGrid(w io.Writer) *grid {
	g := &grid{w: w, right: map[int]bool{}, copied: -1}
	g.width = widthOf(w)
	return g
}

// add adds a row, of cells that are each a printable.Line.
func (g *grid) add(cells ...string) {
	for i := range cells {
		cells[i] = printable.Line(cells[i])
	}
	g.rows = append(g.rows, cells)
}

// blockRows is how many rows of a long table are lined up at once.
const blockRows = 10_000

// flushBlock prints the rows if there are many, so that a long table takes little
// memory.
func (g *grid) flushBlock() error {
	if len(g.rows) < blockRows {
		return nil
	}
	return g.flush()
}

// flush prints the rows.
func (g *grid) flush() error {
	for _, row := range g.rows {
		for i, cell := range row {
			if i == len(g.widest) {
				g.widest = append(g.widest, 0)
			}
			g.widest[i] = max(g.widest[i], columns.Width(cell))
		}
	}
	widths := slices.Clone(g.widest)
	if g.width > 0 {
		g.fit(widths, g.width-len(gap)*(len(widths)-1))
	} else {
		for i := range widths {
			widths[i] = min(widths[i], widestPad)
		}
	}
	var text strings.Builder
	for _, row := range g.rows {
		g.appendRow(&text, row, widths)
	}
	g.rows = nil
	_, err := io.WriteString(g.w, text.String())
	return err
}

// fit lowers the widths of columns until their sum is at most room: always the widest
// one first. A last column that is wrapped is lowered to a third of the room only, and
// others are lowered to legible before the one that people copy.
func (g *grid) fit(widths []int, room int) {
	sum := 0
	for _, w := range widths {
		sum += w
	}
	for ; sum > room; sum-- {
		widest, kept := -1, false
		for i, w := range widths {
			switch {
			case g.wrap && i == len(widths)-1 && w <= room/3:
			case i == g.copied:
				kept = true
			case widest < 0 || w > widths[widest]:
				widest = i
			}
		}
		if kept && (widest < 0 || widths[widest] <= legible && widths[g.copied] > legible) {
			widest = g.copied
		}
		if widest < 0 || widths[widest] <= narrowest {
			return
		}
		widths[widest]--
	}
}

// appendRow appends one row, and the lines that its last cell takes besides.
func (g *grid) appendRow(text *strings.Builder, row []string, widths []int) {
	last := len(widths) - 1
	var more []string
	var line strings.Builder
	for i, cell := range row {
		if i > 0 {
			line.WriteString(gap)
		}
		if g.width > 0 {
			if g.wrap && i == last {
				if lines := columns.WrapMost(cell, widths[i], mostLines); len(lines) > 0 {
					cell, more = lines[0], lines[1:]
				}
			}
			cell = columns.Shorten(cell, widths[i])
		}
		switch {
		case g.right[i]:
			cell = columns.PadLeft(cell, widths[i])
		case i < len(row)-1:
			cell = columns.Pad(cell, widths[i])
		}
		line.WriteString(cell)
	}
	g.appendLine(text, line.String())
	indent := 0
	for _, w := range widths[:max(0, last)] {
		indent += w + len(gap)
	}
	for _, l := range more {
		g.appendLine(text, strings.Repeat(" ", indent)+columns.Shorten(l, widths[last]))
	}
}

// appendLine appends a line that is not wider than the terminal, however narrow that
// is.
func (g *grid) appendLine(text *strings.Builder, line string) {
	line = strings.TrimRight(line, " ")
	if g.width > 0 {
		line = columns.Shorten(line, g.width)
	}
	text.WriteString(line)
	text.WriteByte('\n')
}
