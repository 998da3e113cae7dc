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
		"exact":      {text: "path,path_base64,truth\na\ufffd.jpg,YS5qcGc=,cat\nx/b.jpg,,dog\n", want: "cat dog -"},
		"list":       {text: "path,label\na.jpg,\"[\"\"cat\"\",\"\"dog\"\"]\"\nc.jpg,[x\n", want: "cat|dog - [x"},
		"columns":    {text: "n,path,status,score,class_id,label\na.jpg,c.jpg,ok,1,1,cat\n", columns: "path,label", want: "- - cat"},
		"named":      {text: "what,where\ncat,a.jpg\n", columns: " where , what", want: "cat - -"},
		"result":     {text: "path,status,score,class_id,label,truth\na.jpg,ok,1,1,cat,dog\n", want: "dog - -"},
		"studio CSV": {text: "annotation_id,annotator,choice,id,image\n1,1,cat,7,/data/local-files/?d=photos/x/b.jpg\n" +
			"2,1,\"{\"\"choices\"\":[\"\"cat\"\",\"\"dog\"\"]}\",8,az://acme/c/c.jpg\n", want: "- cat cat|dog"},
		"studio": {text: `[{"id":1,"annotations":[{"was_cancelled":false,"result":[{"type":"choices","value":{"choices":["cat"]}}]},` +
			`{"result":[{"value":{"choices":["dog"]}}]},{"was_cancelled":true,"result":[{"value":{"choices":["no"]}}]}],"data":{"image":"a.jpg"}},` +
			`{"id":2,"annotations":[{"result":[{"value":{"choices":["no"]}}]},{"ground_truth":true,"result":[{"value":{"choices":["dog"]}}]}],` +
			`"data":{"image":"https://host/z.jpg","path":"x/\ufffd.jpg","path_base64":"eC9iLmpwZw=="}},{"annotations":[],"data":{"image":"c.jpg"}}]`,
			want: "cat|dog dog -"},
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
		"exact before tail": {place: "/p", truth: "a.jpg", images: "a.jpg x/a.jpg", want: "L -",
			matches: Matches{Names: 1, Exact: 1}},
		"tail of the path": {place: "/p", truth: "b/a.jpg", images: "x/b/a.jpg x/bb/a.jpg", want: "L -",
			matches: Matches{Names: 1, Tail: 1}},
		"tail of the name": {place: "/p", truth: "y/b/a.jpg", images: "b/a.jpg x/a.jpg", want: "L -",
			matches: Matches{Names: 1, Tail: 1}},
		"no half component": {place: "/p", truth: "ba.jpg c.jpg", images: "a.jpg xba.jpg c.jpg", want: "- - L",
			matches: Matches{Names: 2, Exact: 1, Unmatched: 1}},
		"two images": {place: "/p", truth: "a.jpg c.jpg", images: "x/a.jpg y/a.jpg c.jpg", want: "- - L",
			matches: Matches{Names: 2, Exact: 1, Ambiguous: 1}},
		"two names": {place: "/p", truth: "u/a.jpg=1 v/a.jpg=2 c.jpg", images: "a.jpg c.jpg", want: "- L",
			matches: Matches{Names: 3, Exact: 1, Ambiguous: 2}},
		"two names agree": {place: "/p", truth: "u/a.jpg v/a.jpg", images: "a.jpg", want: "L",
			matches: Matches{Names: 2, Tail: 2}},
		"taken": {place: "/p", truth: "a.jpg=1 u/a.jpg=2", images: "a.jpg", want: "1",
			matches: Matches{Names: 2, Exact: 1, Ambiguous: 1}},
		"three names": {place: "/p", truth: "u/a.jpg=1 v/a.jpg=2 w/a.jpg=2 c.jpg", images: "a.jpg c.jpg", want: "- L",
			matches: Matches{Names: 4, Exact: 1, Ambiguous: 3}},
		"address": {place: "/p/q", truth: "/p/q/x/a.jpg file:///p/q/b%2Dc.jpg", images: "b-c.jpg x/a.jpg", want: "L L",
			matches: Matches{Names: 2, Address: 2}},
		"blob URL": {place: "az://acme/photos/2019", images: "b.jpg x/a\u00fc.jpg", want: "L L", matches: Matches{Names: 2, Address: 2}},
		"exact form of a URL": {place: "az://acme/photos", truth: "az://acme/photos/a%20b.jpg", images: "a%20b.jpg", want: "L",
			matches: Matches{Names: 1, Address: 1}},
		"served": {place: "/srv/data/photos", truth: "http://host:8080/data/local-files/?d=data/photos/x/a.jpg /data/local-files/?d=photos%2Fb.jpg",
			images: "b.jpg x/a.jpg", want: "L L",
			matches: Matches{Names: 2, Address: 2}},
		"other host": {place: "az://acme/photos", truth: "https://cdn.example/images/x/a.jpg", images: "x/a.jpg", want: "L",
			matches: Matches{Names: 1, Tail: 1}},
		"dot": {place: "", truth: "./a.jpg", images: "a.jpg", want: "L",
			matches: Matches{Names: 1, Exact: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			text := "path\tlabel\n"
			for _, n := range strings.Fields(c.truth) {
				label := "L"
				for _, other := range []string{"1", "2"} {
					if rest, ok := strings.CutSuffix(n, "="+other); ok {
						n, label = rest, other
					}
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
		"empty":           {text: "", err: ErrForm, says: []string{"Label Studio", "CVAT", "CSV"}},
		"no columns":      {text: "a,b\n1,2\n", err: ErrForm, says: []string{"a, b", "--truth-columns"}},
		"no label":        {text: "path,label\na.jpg,\n", err: ErrForm, says: []string{"gives no image a label"}},
		"result":          {text: "path,status,score,class_id,label\na.jpg,ok,1,1,cat\n", err: ErrForm, says: []string{"not of people"}},
		"contradiction":   {text: "path,label\na.jpg,cat\nb.jpg,x\n./a.jpg,dog\n", err: ErrContradiction, says: []string{"line 2", "line 4", `"cat"`, `"dog"`}},
		"short line":      {text: "path,label\na.jpg,cat\nb.jpg\n", err: ErrForm, says: []string{"line 3", "1 columns"}},
		"open quote":      {text: "path,label\n\"a.jpg,cat\n" + long, err: ErrForm, says: []string{"of more than"}},
		"long line":       {text: "path,label\na.jpg," + long, err: ErrForm, says: []string{"of more than"}},
		"no name":         {text: "path,label\n,cat\n", err: ErrForm, says: []string{"line 2", "no name"}},
		"long label":      {text: "path,label\na.jpg," + long[:5000] + "\n", err: ErrForm, says: []string{"line 2", "at most"}},
		"nothing matches": {text: "path,label\nq.jpg,cat\n", err: ErrNoMatch, says: []string{`"a.jpg"`, `"q.jpg"`}},
		"cut XML":         {text: `<annotations><image name="a.jpg"><tag label="x"/></image>`, err: ErrForm, says: []string{"unexpected EOF"}},
		"no images":       {text: `<annotations></annotations>`, err: ErrForm, says: []string{"no element <image>"}},
		"laughs": {text: `<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><annotations><image name="&b;"><tag label="x"/></image></annotations>`,
			err: ErrForm, says: []string{"invalid character entity"}},
		"deep":       {text: "<annotations>" + strings.Repeat("<a>", 1000), err: ErrForm, says: []string{"deep"}},
		"long value": {text: `<annotations><image name="` + long + `">`, err: ErrForm, says: []string{"of more than"}},
		"cut JSON": {text: `[{"data":{"image":"a.jpg"},"annotations":[{"result":[{"value":{"choices":["x"]}}]}]},{"data"`,
			err: ErrForm, says: []string{"unexpected EOF"}},
		"long task":   {text: `[{"data":{"image":"a.jpg"},"annotations":[]},{"data":{"image":"` + long + `"`, err: ErrForm, says: []string{"of more than"}},
		"nested JSON": {text: `[{"data":{"image":"a.jpg"},"annotations":[]},{"data":{"x":` + strings.Repeat("[", 1<<20) + `}`, err: ErrForm, says: []string{"depth"}},
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
