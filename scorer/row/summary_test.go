package row

import (
	"fmt"
	"reflect"
	"testing"
)

// classified returns a row that has a label and a score.
func classified(path, label string, score float32) Row {
	return Row{Path: path, Status: StatusOK, Answer: &Classification{Label: label, Score: score}}
}

func TestSummary(t *testing.T) {
	many := make([]Row, 0, 3*SummaryLabels)
	for i := range 3 * SummaryLabels {
		many = append(many, classified("m", fmt.Sprintf("label %02d", i%(SummaryLabels+10)), 0.5))
	}
	for _, tt := range []struct {
		name string
		task Task
		rows []Row
		want *Summary
	}{
		{name: "no row", task: Classify, rows: nil, want: nil},
		{name: "all failed", task: Classify, rows: []Row{{Path: "a", Status: "empty", Error: "no bytes"}}, want: nil},
		{
			name: "classes", task: Classify,
			rows: []Row{classified("a", "cat", 0.75), classified("b", "dog", 0.5), {Path: "c", Status: "empty"}, classified("d", "dog", 1),
				classified("e", "cow", 0.5)},
			want: &Summary{
				Labels:    []LabelCount{{Label: "dog", Images: 2}, {Label: "cat", Images: 1}, {Label: "cow", Images: 1}},
				Certainty: &Certain{Mean: 0.6875, Least: 0.5, Path: "b"},
			},
		},
		{
			name: "a task without labels", task: meanColour,
			rows: []Row{{Path: "a", Status: StatusOK, Answer: &colour{Red: 1}}}, want: nil,
		},
		{
			name: "more labels than are listed", task: Classify, rows: many,
			want: func() *Summary {
				s := &Summary{OtherLabels: 10, Certainty: &Certain{Mean: 0.5, Least: 0.5, Path: "m"}}
				for i := range SummaryLabels {
					s.Labels = append(s.Labels, LabelCount{Label: fmt.Sprintf("label %02d", i), Images: 2})
				}
				s.OtherImages = len(many) - 2*SummaryLabels
				return s
			}(),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Schema{Task: tt.task}.NewSumming()
			for i := range tt.rows { // in several parts
				s.Add(tt.rows[i : i+1])
			}
			if got := s.Summary(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Summary() = %+v, want %+v", got, tt.want)
			}
		})
	}
}
