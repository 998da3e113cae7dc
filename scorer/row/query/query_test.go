package query

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/row"
)

// classed returns a row of an image with those classes, best first.
func classed(path string, size int64, classes ...row.Class) row.Row {
	return row.Row{Path: path, Size: size, Status: row.StatusOK, Answer: &row.Classification{
		Label: classes[0].Label, ClassID: classes[0].ClassID, Score: classes[0].Score, TopK: classes,
	}}
}

// rows are one of each kind, the last of them of images that failed.
var rows = []row.Row{
	classed("2018/a.jpg", 100, row.Class{ClassID: 0, Label: "cat", Score: 0.9}, row.Class{ClassID: 1, Label: "hot dog", Score: 0.1}),
	classed("2019/b.jpg", 2000, row.Class{ClassID: 1, Label: "hot dog", Score: 0.6}, row.Class{ClassID: 0, Label: "cat", Score: 0.4}),
	classed("2019/c.png", 30, row.Class{ClassID: 2, Label: "it's, \"well\"", Score: 0.5}, row.Class{ClassID: 0, Label: "cat", Score: 0.5}),
	{Path: "2019/d.jpg", Size: 0, Status: "empty", Error: "zero bytes"},
	{Path: "2020/e.jpg", Size: 7, Status: "truncated", Error: "the data end", Answer: &row.Classification{ClassID: -1}},
}

var columns = row.Schema{Task: row.Classify, Format: row.JSONL, Activation: models.Logits}.Columns()

// which returns the letters of the rows that a filter chooses.
func which(f Filter) string {
	var all strings.Builder
	for i := range rows {
		if f.Match(&rows[i]) {
			all.WriteByte("abcde"[i])
		}
	}
	return all.String()
}

func TestFilter(t *testing.T) {
	for _, test := range []struct{ where, want string }{
		{where: "label=cat", want: "a"},
		{where: "label==cat", want: "a"},
		{where: "label = cat", want: "a"},
		{where: `label="hot dog"`, want: "b"},
		{where: `label='hot dog',cat`, want: "ab"},
		{where: `label=cat, "hot dog"`, want: "ab"},
		{where: `label="it's, ""well"""`, want: "c"},
		{where: "label!=cat", want: "bc"},
		{where: `label!=cat,"hot dog"`, want: "c"},
		{where: "label~dog", want: "b"},
		{where: "label!~dog", want: "ac"},
		{where: "label=dog", want: ""},
		{where: "score<0.6", want: "c"},
		{where: "score<=0.6", want: "bc"},
		{where: "score=0.6", want: "b"},
		{where: "score!=0.6", want: "ac"},
		{where: "score>0.5 score<0.9", want: "b"},
		{where: "score>=.5", want: "abc"},
		{where: "margin<0.3", want: "bc"},
		{where: "certainty<0.1", want: "c"},
		{where: "label_2=cat", want: "bc"},
		{where: "score_2>=0.4", want: "bc"},
		{where: "class_id=0", want: "a"},
		{where: "class_id<0", want: ""},
		{where: "topk=cat", want: "abc"},
		{where: "topk!='hot dog'", want: "c"},
		{where: "topk~dog", want: "ab"},
		{where: "size>99", want: "ab"},
		{where: "size=0,7", want: "de"},
		{where: "status!=ok", want: "de"},
		{where: "status=failed", want: "de"},
		{where: "status!=failed", want: "abc"},
		{where: "status=empty,ok", want: "abcd"},
		{where: "status~trunc", want: "e"},
		{where: "error~bytes", want: "d"},
		{where: `error=""`, want: "abc"},
		{where: "path~2019/", want: "bcd"},
		{where: "path~2019/*.jpg", want: "bd"},
		{where: "path~*.jp?", want: "abde"},
		{where: "path~2019", want: "bcd"},
		{where: "path~2019*g", want: "bcd"},
		{where: "path~?019/b*", want: "b"},
		{where: "path~*9*.*n*", want: "c"},
		{where: "label=cat score<0.5", want: ""},
		{where: "label=cat and score>0.5", want: "a"},
		{where: " path~jpg\n status=ok ", want: "ab"},
		{where: "path=2019/b.jpg", want: "b"},
	} {
		t.Run(test.where, func(t *testing.T) {
			f, err := Parse(test.where, columns)
			if got := which(f); err != nil || got != test.want {
				t.Errorf("%s chooses %q, %v; want %q", test.where, got, err, test.want)
			}
		})
	}
	if got := which(nil); got != "abcde" {
		t.Errorf("no filter chooses %q, want all", got)
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ where, says string }{
		{where: "", says: "empty"},
		{where: "  ", says: "empty"},
		{where: "label", says: `after "label" comes one of =, !=, ~, !~`},
		{where: "score", says: `after "score" comes one of =, !=, <, <=, >, >=`},
		{where: "label=", says: `label=""`},
		{where: "label= score<0.5", says: `label=""`},
		{where: "label=,cat", says: "a value is missing"},
		{where: "label=cat,", says: "a value is missing"},
		{where: "label=cat,score<0.5", says: "looks like a condition of its own"},
		{where: "=cat", says: "begins with the name of a column"},
		{where: "(label=cat)", says: "begins with the name of a column"},
		{where: "label<cat", says: "label is a text, which takes =, !=, ~, !~, not <"},
		{where: "score~0.5", says: "score is a number, which takes =, !=, <, <=, >, >=, not ~"},
		{where: "score<high", says: `score is a number, and "high" is not one`},
		{where: "score<NaN", says: "is not one"},
		{where: "score<inf", says: "is not one"},
		{where: "score<0.1,0.2", says: "takes one value"},
		{where: "size>1MB", says: "size is a whole number"},
		{where: "topk>1", says: "topk is a list of labels"},
		{where: "label=cat or label=dog", says: "label=Sexy,Neutral"},
		{where: "not label=cat", says: "label!=Sexy"},
		{where: `label="cat`, says: "has no end"},
		{where: `label="cat"x`, says: "after a quotation"},
		{where: "labl=cat", says: `there is no column "labl"; there are path, path_base64, size, status, label,`},
		{where: "status=faild", says: `there is no status "faild"; there are empty,`},
	} {
		t.Run(test.where, func(t *testing.T) {
			f, err := Parse(test.where, columns)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Parse() = %v, %v; want an error that says %q", f, err, test.says)
			}
		})
	}
	var unknown *UnknownError
	if _, err := Parse("labl=cat", columns); !errors.As(err, &unknown) || unknown.Name != "labl" || !slices.Contains(unknown.Known, "label") {
		t.Errorf("Parse(labl=cat) = %v, want an UnknownError with the columns", err)
	}
}

// TestParseColumn: a column may read its values by a function of its own.
func TestParseColumn(t *testing.T) {
	own := slices.Clone(columns)
	i := slices.IndexFunc(own, func(c row.Column) bool { return c.Name == "size" })
	own[i].Parse = func(string) (float64, error) { return 2000, nil }
	if f, err := Parse("size=2kB", own); err != nil || which(f) != "b" {
		t.Errorf("size=2kB chooses %q, %v; want b", which(f), err)
	}
}

func TestOrder(t *testing.T) {
	for _, test := range []struct{ by, want string }{
		{by: "score", want: "cbade"},
		{by: "-score", want: "abcde"},
		{by: "certainty", want: "cbade"},
		{by: "size", want: "decab"},
		{by: "-size", want: "baced"},
		{by: "-path", want: "edcba"},
		{by: "status, -score", want: "dabce"},
		{by: "label_2,path", want: "bcade"},
	} {
		t.Run(test.by, func(t *testing.T) {
			order, err := ParseOrder(test.by, columns)
			if err != nil {
				t.Fatal(err)
			}
			letters := []byte("abcde")
			slices.SortStableFunc(letters, func(a, b byte) int {
				return order.Compare(order.Values(&rows[a-'a']), order.Values(&rows[b-'a']))
			})
			if string(letters) != test.want {
				t.Errorf("sorted by %s: %s, want %s", test.by, letters, test.want)
			}
		})
	}
	for _, test := range []struct{ by, says string }{
		{by: "scor", says: `there is no column "scor"`},
		{by: "score,", says: `there is no column ""`},
		{by: "topk", says: "no order"},
	} {
		t.Run(test.by, func(t *testing.T) {
			if _, err := ParseOrder(test.by, columns); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("ParseOrder() = %v, want an error that says %q", err, test.says)
			}
		})
	}
}
