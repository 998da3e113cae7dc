package truth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// written returns the path of a new file with this text.
func written(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// bound reads a file and binds it to images.
func bound(t *testing.T, opt Options, file string, images ...string) (*Set, error) {
	t.Helper()
	s, err := Read(t.Context(), opt, file)
	if err != nil {
		return nil, err
	}
	return s, s.Bind(func(fn func(string) error) error {
		for _, image := range images {
			if err := fn(image); err != nil {
				return err
			}
		}
		return nil
	})
}

// labelsOf returns the labels of each image as text.
func labelsOf(s *Set, images ...string) string {
	var all []string
	for _, image := range images {
		labels, ok := s.Of(image)
		if !ok {
			labels = []string{"-"}
		}
		all = append(all, strings.Join(labels, "|"))
	}
	return strings.Join(all, " ")
}

// TestForms checks what is read from files of each form.
func TestForms(t *testing.T) {
	images := []string{"a.jpg", "x/b.jpg", "c.jpg"}
	for name, c := range map[string]struct{ text, columns, want string }{
		"commas":     {text: "path,label\na.jpg,cat\nx/b.jpg,dog\n", want: "cat dog -"},
		"semicolons": {text: "\xef\xbb\xbfFile;Class\r\na.jpg;cat\r\nx/b.jpg;\"hot; dog\"\r\n", want: "cat hot; dog -"},
		"tabs":       {text: "label\timage\ncat\ta.jpg\n\"dog\"\tx/b.jpg", want: "cat dog -"},
		"bars":       {text: "name|y\na.jpg|3\nx/b.jpg|4\n", want: "3 4 -"},
		"empty":      {text: "path,label\na.jpg,\nx/b.jpg,dog\n", want: "- dog -"},
		"again":      {text: "path,label\na.jpg,cat\na.jpg,cat\n", want: "cat - -"},
		"list":       {text: "path,label\na.jpg,\"[\"\"cat\"\",\"\"dog\"\"]\"\nc.jpg,[x\n", want: "cat|dog - [x"},
		"columns":    {text: "n,path,status,score,class_id,label\na.jpg,c.jpg,ok,1,1,cat\n", columns: "path,label", want: "- - cat"},
		"named":      {text: "what,where\ncat,a.jpg\n", columns: " where , what", want: "cat - -"},
		"result":     {text: "path,status,score,class_id,label,truth\na.jpg,ok,1,1,cat,dog\n", want: "dog - -"},
		"studio CSV": {text: "annotation_id,annotator,choice,id,image\n1,1,cat,7,/data/local-files/?d=photos/x/b.jpg\n" +
			"2,1,\"{\"\"choices\"\":[\"\"cat\"\",\"\"dog\"\"]}\",8,az://acme/c/c.jpg\n", want: "- cat cat|dog"},
		"studio": {text: `[{"id":1,"annotations":[{"was_cancelled":false,"result":[{"type":"choices","value":{"choices":["cat"]}}]},` +
			`{"result":[{"value":{"choices":["dog"]}}]},{"was_cancelled":true,"result":[{"value":{"choices":["no"]}}]}],"data":{"image":"a.jpg"}},` +
			`{"id":2,"annotations":[{"result":[{"value":{"choices":["no"]}}]},{"ground_truth":true,"result":[{"value":{"choices":["dog"]}}]}],` +
			`"data":{"image":"https://host/z.jpg","path":"x/b.jpg"}},{"annotations":[],"data":{"image":"c.jpg"}}]`, want: "cat|dog dog -"},
		"studio MIN": {text: `[{"image":"a.jpg","id":1,"label":"cat","annotator":1,"annotation_id":1},` +
			`{"image":"c.jpg","id":2,"choice":{"choices":["cat","dog"]},"annotator":1,"annotation_id":2}]`, want: "cat - cat|dog"},
		"cvat": {text: `<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><name>a</name></task></meta>` +
			`<image id="0" name="a.jpg" width="1" height="2"><tag label="cat &amp; dog" source="manual"></tag><box label="no"/></image>` +
			`<image id="1" name="c.jpg" width="1" height="2"></image></annotations>`, want: "cat & dog - -"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := bound(t, Options{Images: "/srv/photos", Columns: c.columns}, written(t, "truth", c.text), images...)
			if err != nil {
				t.Fatal(err)
			}
			if got := labelsOf(s, images...); got != c.want {
				t.Errorf("labels are %q, want %q (%v)", got, c.want, s)
			}
		})
	}
}

// TestMatching checks which images names belong to.
func TestMatching(t *testing.T) {
	for name, c := range map[string]struct {
		place, truth, images, want string
		matches                    Matches
	}{
		"exact before tail": {"/p", "a.jpg", "a.jpg x/a.jpg", "L -", Matches{Names: 1, Exact: 1}},
		"tail of the path":  {"/p", "b/a.jpg", "x/b/a.jpg x/bb/a.jpg", "L -", Matches{Names: 1, Tail: 1}},
		"tail of the name":  {"/p", "y/b/a.jpg", "b/a.jpg x/a.jpg", "L -", Matches{Names: 1, Tail: 1}},
		"no half component": {"/p", "ba.jpg c.jpg", "a.jpg xba.jpg c.jpg", "- - L", Matches{Names: 2, Exact: 1, Unmatched: 1}},
		"two images":        {"/p", "a.jpg c.jpg", "x/a.jpg y/a.jpg c.jpg", "- - L", Matches{Names: 2, Exact: 1, Ambiguous: 1}},
		"two names":         {"/p", "u/a.jpg=1 v/a.jpg=2 c.jpg", "a.jpg c.jpg", "- L", Matches{Names: 3, Exact: 1, Ambiguous: 2}},
		"two names agree":   {"/p", "u/a.jpg v/a.jpg", "a.jpg", "L", Matches{Names: 2, Tail: 2}},
		"taken":             {"/p", "a.jpg=1 u/a.jpg=2", "a.jpg", "1", Matches{Names: 2, Exact: 1, Ambiguous: 1}},
		"three names":       {"/p", "u/a.jpg=1 v/a.jpg=2 w/a.jpg=2 c.jpg", "a.jpg c.jpg", "- L", Matches{Names: 4, Exact: 1, Ambiguous: 3}},
		"address":           {"/p/q", "/p/q/x/a.jpg file:///p/q/b%2Dc.jpg", "b-c.jpg x/a.jpg", "L L", Matches{Names: 2, Address: 2}},
		"blob URL": {"az://acme/photos/2019", "https://acme.blob.core.windows.net/photos/2019/x/a%C3%BC.jpg?sv=1&sig=x azure-blob://photos/2019/b.jpg",
			"b.jpg x/a\u00fc.jpg", "L L", Matches{Names: 2, Address: 2}},
		"exact form of a URL": {"az://acme/photos", "az://acme/photos/a%20b.jpg", "a%20b.jpg", "L", Matches{Names: 1, Address: 1}},
		"served":              {"/srv/data/photos", "http://host:8080/data/local-files/?d=data/photos/x/a.jpg /data/local-files/?d=photos%2Fb.jpg", "b.jpg x/a.jpg", "L L", Matches{Names: 2, Address: 2}},
		"other host":          {"az://acme/photos", "https://cdn.example/images/x/a.jpg", "x/a.jpg", "L", Matches{Names: 1, Tail: 1}},
		"dot":                 {"", "./a.jpg", "a.jpg", "L", Matches{Names: 1, Exact: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			text := "path\tlabel\n"
			for _, n := range strings.Fields(c.truth) {
				n, label, ok := strings.Cut(n, "=1")
				if ok {
					label = "1"
				} else if n, _, ok = strings.Cut(n, "=2"); ok {
					label = "2"
				} else {
					label = "L"
				}
				text += n + "\t" + label + "\n"
			}
			if name == "blob URL" { // which has what looks like a label here
				text = "path\tlabel\nhttps://acme.blob.core.windows.net/photos/2019/x/a%C3%BC.jpg?sv=1&sig=x\tL\nazure-blob://photos/2019/b.jpg\tL\n"
			}
			images := strings.Fields(c.images)
			s, err := bound(t, Options{Images: c.place}, written(t, "truth", text), images...)
			if err != nil {
				t.Fatal(err)
			}
			if got := labelsOf(s, images...); got != c.want || s.Matches() != c.matches {
				t.Errorf("labels are %q, want %q; matches %+v, want %+v", got, c.want, s.Matches(), c.matches)
			}
		})
	}
}

// TestErrors checks what is said of files that cannot be truth.
func TestErrors(t *testing.T) {
	long := strings.Repeat("x", 20<<20)
	for name, c := range map[string]struct {
		text string
		err  error
		says []string
	}{
		"empty":           {"", ErrForm, []string{"Label Studio", "CVAT", "CSV"}},
		"no columns":      {"a,b\n1,2\n", ErrForm, []string{"a, b", "--truth-columns"}},
		"no label":        {"path,label\na.jpg,\n", ErrForm, []string{"gives no image a label"}},
		"result":          {"path,status,score,class_id,label\na.jpg,ok,1,1,cat\n", ErrForm, []string{"not of people"}},
		"contradiction":   {"path,label\na.jpg,cat\nb.jpg,x\n./a.jpg,dog\n", ErrContradiction, []string{"line 2", "line 4", `"cat"`, `"dog"`}},
		"short line":      {"path,label\na.jpg,cat\nb.jpg\n", ErrForm, []string{"line 3", "1 columns"}},
		"open quote":      {"path,label\n\"a.jpg,cat\n" + long, ErrForm, []string{"of more than"}},
		"long line":       {"path,label\na.jpg," + long, ErrForm, []string{"of more than"}},
		"no name":         {"path,label\n,cat\n", ErrForm, []string{"line 2", "no name"}},
		"long label":      {"path,label\na.jpg," + long[:5000] + "\n", ErrForm, []string{"line 2", "at most"}},
		"nothing matches": {"path,label\nq.jpg,cat\n", ErrNoMatch, []string{`"a.jpg"`, `"q.jpg"`}},
		"cut XML":         {`<annotations><image name="a.jpg"><tag label="x"/></image>`, ErrForm, []string{"unexpected EOF"}},
		"no images":       {`<annotations></annotations>`, ErrForm, []string{"no element <image>"}},
		"laughs": {`<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><annotations><image name="&b;"><tag label="x"/></image></annotations>`,
			ErrForm, []string{"invalid character entity"}},
		"deep":        {"<annotations>" + strings.Repeat("<a>", 1000), ErrForm, []string{"deep"}},
		"long value":  {`<annotations><image name="` + long + `">`, ErrForm, []string{"of more than"}},
		"cut JSON":    {`[{"data":{"image":"a.jpg"},"annotations":[{"result":[{"value":{"choices":["x"]}}]}]},{"data"`, ErrForm, []string{"unexpected EOF"}},
		"long task":   {`[{"data":{"image":"a.jpg"},"annotations":[]},{"data":{"image":"` + long + `"`, ErrForm, []string{"of more than"}},
		"nested JSON": {`[{"data":{"image":"a.jpg"},"annotations":[]},{"data":{"x":` + strings.Repeat("[", 1<<20) + `}`, ErrForm, []string{"depth"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bound(t, Options{}, written(t, "truth", c.text), "a.jpg")
			if !errors.Is(err, c.err) {
				t.Fatalf("the error is %v, want %v", err, c.err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%.500q does not say %q", err, s)
				}
			}
			if len(err.Error()) > 3000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestUnmatched checks the examples of names that no image has.
func TestUnmatched(t *testing.T) {
	text := "path,label\n"
	for i := range 20 {
		text += fmt.Sprintf("%d.jpg,cat\n", i)
	}
	s, err := bound(t, Options{}, written(t, "t.csv", text), "3.jpg", "19.jpg", "other.jpg")
	if err != nil {
		t.Fatal(err)
	}
	n, examples := s.Unmatched()
	if want := []string{"0.jpg", "1.jpg", "2.jpg", "4.jpg", "5.jpg"}; n != 18 || !slices.Equal(examples, want) {
		t.Errorf("%d unmatched, %q", n, examples)
	}
	if got := s.String(); !strings.Contains(got, "20 images with 1 labels, 2 found by name, 18 not in the output") {
		t.Errorf("it says %q", got)
	}
}

// TestFolderNames checks the labels that folders give.
func TestFolderNames(t *testing.T) {
	if got := labelsOf(FolderNames(), "cat/a.jpg", "x/dog/a.jpg", "a.jpg", "/a.jpg"); got != "cat dog - -" {
		t.Errorf("labels are %q", got)
	}
	if _, ok := FolderNames().Of("a.jpg"); ok {
		t.Error("an image in no folder has a label")
	}
}
