package row

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/shard/jsonform"
)

// Head is one of several answers that a row has.
type Head struct {
	// Name and an underscore begin the names of its columns.
	Name string
	// Task is the name of its task. Settings, Width, Activation and TopK mean what those of
	// a job with this answer alone mean.
	Task       string
	Settings   models.Settings
	Width      int
	Activation models.Activation
	TopK       int
}

// heads is a Task with several answers, whose columns are one after another.
type heads struct{ parts []headTask }

type headTask struct {
	Head
	task Task // with the name in front of each column
}

// answerOfHeads is the answer of heads: one for each. It is never nil in a row of an image
// that did not fail.
type answerOfHeads struct{ answers []any }

// HeadsName is the name of the task of a row with several answers. Jobs record the tasks of
// the heads instead.
const HeadsName = "several heads"

// Several returns the task of rows with those answers. It is an error if there is no task
// of such a name, or if two columns have the same name.
func Several(list []Head) (Task, error) {
	h := &heads{}
	seen := map[string]bool{}
	for _, one := range list {
		t, err := New(one.Task, one.Settings, one.Width)
		if err != nil {
			return nil, fmt.Errorf("head %s: %w", one.Name, err)
		}
		t = t.prefixed(one.Name + "_")
		for _, name := range t.marked().columnNames() {
			if folded := strings.ToLower(name); seen[folded] {
				return nil, fmt.Errorf("two columns would be called %q: give head %s another name", name, one.Name)
			} else if seen[folded] = true; models.CheckColumn(name) != nil {
				return nil, fmt.Errorf("head %s: %w", one.Name, models.CheckColumn(name))
			}
		}
		h.parts = append(h.parts, headTask{one, t})
	}
	if len(list) == 0 {
		return nil, errors.New("there are no heads")
	}
	return h, nil
}

// HeadsOf returns the answers of a model with several; nil if it has one. asked is how many
// of the best classes an answer is to list.
func HeadsOf(c *models.Contract, asked int) []Head {
	if c.HeadCount() == 1 {
		return nil
	}
	var list []Head
	for i := range c.HeadCount() {
		h := c.Head(i)
		list = append(list, Head{Name: h.HeadName, Task: h.Task, Settings: h.Settings, Width: h.AnswerWidth(),
			Activation: h.Output, TopK: h.Listed(asked)})
	}
	return list
}

func (h *heads) Name() string { return HeadsName }

// each returns the parts of an answer; nil for each if the image failed.
func (h *heads) each(answer any) []any {
	if a, ok := answer.(*answerOfHeads); ok {
		return a.answers
	}
	return make([]any, len(h.parts))
}

// AnswerOf returns the answer of one head of a row with several, counted from 0.
func AnswerOf(answer any, head int) any {
	if a, ok := answer.(*answerOfHeads); ok {
		return a.answers[head]
	}
	return nil
}

// rows calls use with each part and the row as that part sees it.
func (h *heads) rows(r *Row, use func(p *headTask, r *Row)) {
	own := *r
	answers := h.each(r.Answer)
	for i := range h.parts {
		own.Answer = answers[i]
		use(&h.parts[i], &own)
	}
}

// changed returns the heads with other tasks.
func (h *heads) changed(change func(t Task) Task) Task {
	w := &heads{parts: slices.Clone(h.parts)}
	for i := range w.parts {
		w.parts[i].task = change(w.parts[i].task)
	}
	return w
}

func (h *heads) marked() Task { return h.changed(Task.marked) }

func (h *heads) as(form Form, bare bool) Task {
	return h.changed(func(t Task) Task { return t.as(form, bare) })
}

// embedding returns the only head whose answers are vectors; nil if there is none, or more
// than one.
func (h *heads) embedding() (i int, t Task) {
	for k := range h.parts {
		switch dims, _ := h.parts[k].task.matrix(); {
		case dims == 0:
		case t != nil:
			return 0, nil
		default:
			i, t = k, h.parts[k].task
		}
	}
	return i, t
}

func (h *heads) matrix() (dims int, element models.Element) {
	if _, t := h.embedding(); t != nil {
		return t.matrix()
	}
	return 0, ""
}

func (h *heads) numbersOf(r *Row) []float32 {
	i, t := h.embedding()
	own := *r
	own.Answer = h.each(r.Answer)[i]
	return t.numbersOf(&own)
}

func (h *heads) prefixed(prefix string) Task {
	return h.changed(func(t Task) Task { return t.prefixed(prefix) })
}
func (h *heads) bound(models.Settings, int) Task { return h }

func (h *heads) Headings() []string {
	var all []string
	for _, p := range h.parts {
		all = append(all, p.task.Headings()...)
	}
	return all
}

func (h *heads) Cells(r *Row) []string {
	var all []string
	h.rows(r, func(p *headTask, r *Row) { all = append(all, p.task.Cells(r)...) })
	return all
}

// Caption is that of the first head, so that rows of the same class are counted together.
func (h *heads) Caption(r *Row) string {
	own := *r
	own.Answer = h.each(r.Answer)[0]
	return h.parts[0].task.Caption(&own)
}

func (h *heads) answerColumns(models.Activation) []Column {
	var all []Column
	for i, p := range h.parts {
		for _, c := range p.task.answerColumns(p.Activation) {
			of := c.Of
			c.Of = func(r *Row) Value {
				own := *r
				own.Answer = h.each(r.Answer)[i]
				return of(&own)
			}
			all = append(all, c)
		}
	}
	return all
}

func (h *heads) accepts(c *models.Contract) error {
	if c.HeadCount() != len(h.parts) {
		return fmt.Errorf("the model has %d heads, and rows have %d", c.HeadCount(), len(h.parts))
	}
	for i, p := range h.parts {
		if err := p.task.accepts(c.Head(i)); err != nil {
			return fmt.Errorf("head %s: %w", p.Name, err)
		}
	}
	return nil
}

func (h *heads) check(r *Row, _ models.Activation) (err error) {
	h.rows(r, func(p *headTask, r *Row) {
		if e := p.task.check(r, p.Activation); e != nil && err == nil {
			err = fmt.Errorf("head %s: %w", p.Name, e)
		}
	})
	if _, ok := r.Answer.(*answerOfHeads); !ok && r.Status == StatusOK {
		return errors.New("it has no answer")
	}
	return err
}

// label returns the first label, which is marked as all others are.
func (h *heads) label(answer any) (string, bool) {
	for i, a := range h.each(answer) {
		if text, ok := h.parts[i].task.label(a); ok {
			return text, true
		}
	}
	return "", false
}

// eachLabel counts the labels of each head apart: "NAME: LABEL".
func (h *heads) eachLabel(answer any, count func(label string)) {
	for i, a := range h.each(answer) {
		h.parts[i].task.eachLabel(a, func(label string) { count(h.parts[i].Name + ": " + label) })
	}
}

func (h *heads) longest(int) (elements, size int) {
	for _, p := range h.parts {
		n, each := p.task.longest(p.TopK)
		elements += n * each
	}
	return elements, 1
}

func (h *heads) columnNames() []string {
	var all []string
	for _, p := range h.parts {
		all = append(all, p.task.columnNames()...)
	}
	return all
}

func (h *heads) newAnswers(n int) func(i int) any {
	all := make([]answerOfHeads, n)
	memory := make([]any, n*len(h.parts))
	for k, p := range h.parts {
		at := p.task.newAnswers(n)
		for i := range all {
			memory[i*len(h.parts)+k] = at(i)
		}
	}
	for i := range all {
		all[i].answers = memory[i*len(h.parts):][:len(h.parts):len(h.parts)]
	}
	return func(i int) any { return &all[i] }
}

func (h *heads) equal(a, b any) bool {
	x, y := h.each(a), h.each(b)
	for i, p := range h.parts {
		if !p.task.equal(x[i], y[i]) {
			return false
		}
	}
	return true
}

func (h *heads) finite(answer any) error {
	for i, a := range h.each(answer) {
		if err := h.parts[i].task.finite(a); err != nil {
			return err
		}
	}
	return nil
}

func (h *heads) appendJSON(buf []byte, r *Row) []byte {
	h.rows(r, func(p *headTask, r *Row) { buf = p.task.appendJSON(buf, r) })
	return buf
}

func (h *heads) parseJSON(p jsonform.Parser, answer any, m *memory) jsonform.Parser {
	for i, a := range h.each(answer) {
		p = h.parts[i].task.parseJSON(p, a, m)
	}
	return p
}

func (h *heads) appendCSV(buf []byte, r *Row) []byte {
	h.rows(r, func(p *headTask, r *Row) { buf = p.task.appendCSV(buf, r) })
	return buf
}

func (h *heads) parseCSV(fields []string, answer any) error {
	for i, a := range h.each(answer) {
		n := len(h.parts[i].task.columnNames())
		if err := h.parts[i].task.parseCSV(fields[:n], a); err != nil {
			return err
		}
		fields = fields[n:]
	}
	return nil
}

func (h *heads) vectorSizes() map[string]int {
	sizes := map[string]int{}
	for _, p := range h.parts {
		maps.Copy(sizes, p.task.vectorSizes())
	}
	return sizes
}

func (h *heads) parquetFields() []reflect.StructField {
	var all []reflect.StructField
	for _, p := range h.parts {
		all = append(all, p.task.parquetFields()...)
	}
	return all
}

func (h *heads) appendParquet(w *parquetValues, r *Row) {
	h.rows(r, func(p *headTask, r *Row) { p.task.appendParquet(w, r) })
}

func (h *heads) readParquet(r *parquetColumns, answer any) {
	for i, a := range h.each(answer) {
		h.parts[i].task.readParquet(r, a)
	}
}

// answers returns the memory of all heads' answers. Each takes its part of the numbers.
func (h *heads) answers(b binding) Answers {
	m := &headAnswers{}
	for i, p := range h.parts {
		c := b.contract.Head(i)
		m.parts = append(m.parts, p.task.answers(newBinding(c, max(p.TopK, c.Listed(b.topK)), b.simulated)))
		m.widths = append(m.widths, b.contract.HeadRowNumbers(i))
		m.names = append(m.names, c.HeadName)
	}
	return m
}

type headAnswers struct {
	parts  []Answers
	widths []int // numbers of an image, for each part
	names  []string
	all    []answerOfHeads
}

func (m *headAnswers) Grow(n int) {
	for _, p := range m.parts {
		p.Grow(n)
	}
	if n <= len(m.all) {
		return
	}
	m.all = make([]answerOfHeads, n)
	memory := make([]any, n*len(m.parts))
	for i := range m.all {
		m.all[i].answers, memory = memory[:len(m.parts):len(m.parts)], memory[len(m.parts):]
	}
}

func (m *headAnswers) Fill(i int, numbers []float32, at preprocess.Placement, r *Row) error {
	a := &m.all[i]
	for k, p := range m.parts {
		n := m.widths[k]
		if err := p.Fill(i, numbers[:n], at, r); err != nil {
			r.Answer = nil // that of the head before
			if none := (*Unanswerable)(nil); errors.As(err, &none) {
				return fmt.Errorf("%w: its output for image %q %w", models.ErrModel, r.Path,
					&Unanswerable{none.Status, none.Reason + " (answer " + m.names[k] + ")"})
			}
			return err
		}
		a.answers[k], numbers = r.Answer, numbers[n:]
	}
	r.Answer = a
	return nil
}

// prefixed returns the task with that text in front of the names of all columns.
func (t *task[A]) prefixed(prefix string) Task {
	w := *t
	w.prefix = prefix + t.prefix
	w.columns = nil
	for _, c := range t.columns {
		w.columns = append(w.columns, renamed(c, prefix))
	}
	w.derived = slices.Clone(t.derived)
	for i := range w.derived {
		w.derived[i].name = prefix + w.derived[i].name
	}
	w.headings = slices.Clone(t.headings)
	for i := range w.headings {
		w.headings[i] = strings.ToUpper(prefix) + w.headings[i]
	}
	return &w
}

// renamed returns a copy of a column with that text in front of its name.
func renamed[A any](c column[A], prefix string) column[A] {
	v := reflect.New(reflect.TypeOf(c).Elem())
	v.Elem().Set(reflect.ValueOf(c).Elem())
	own := v.Interface().(column[A])
	own.rename(prefix + c.name())
	return own
}

func (f *field[A, V]) rename(name string)   { f.column, f.key = name, columnKey(name) }
func (d *implied[A, V]) rename(name string) { d.column, d.key = name, columnKey(name) }
