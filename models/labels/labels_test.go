package labels

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var rgb = []string{"red", "green", "blue"}

// Every form is read as what it is, whatever the number of its lines.
func TestFault38_FormsAreRead(t *testing.T) {
	tench := []string{"tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark"}
	for _, c := range []struct {
		name, file, text string
		classes          int
		want             []string
		form             string
	}{
		{name: "plain", text: "red\ngreen\nblue\n", want: rgb, form: Plain},
		{name: "plain with a mark and Windows line ends", text: "\ufeffred\r\ngreen\r\nblue\r\n\r\n", want: rgb, form: Plain},
		{name: "plain with commas", text: "tench, Tinca tinca\ngoldfish, Carassius auratus\ngreat white shark\n", want: tench, form: Plain},
		{name: "plain numbers", text: "0\n1\n2\n", want: []string{"0", "1", "2"}, form: Plain},
		{name: "plain that begins with numbers", text: "100 euro\n50 euro\n20 cent\n", want: []string{"100 euro", "50 euro", "20 cent"}, form: Plain},
		{name: "plain that ends with numbers", text: "class 0\nclass 1\nclass 2\n", want: []string{"class 0", "class 1", "class 2"}, form: Plain},
		{name: "plain that ends with numbers of its own", text: "Audi 100\nMazda 3\n", want: []string{"Audi 100", "Mazda 3"}, form: Plain},
		{name: "plain with WordNet numbers", text: "n01440764 tench, Tinca tinca\nn01443537 goldfish\n", want: []string{"n01440764 tench, Tinca tinca", "n01443537 goldfish"}, form: Plain},
		{name: "plain with blanks", text: " red\ngreen \nblue", want: []string{" red", "green ", "blue"}, form: Plain},
		{name: "plain with a hash everywhere", text: "#red\n#green\n#blue\n", want: []string{"#red", "#green", "#blue"}, form: Plain},
		{name: "doubled", text: "crane\ncrane\n", want: []string{"crane", "crane"}, form: Plain},

		{name: "JSON list on one line", text: `["red","green","blue"]`, want: rgb, form: "JSON list"},
		{name: "JSON list on as many lines as classes", text: "[\n \"red\",\n \"green\"\n]\n", classes: 4, want: rgb[:2], form: "JSON list"},
		{name: "JSON list with escapes", text: `["caf\u00e9", "a\"b"]`, want: []string{"café", `a"b`}, form: "JSON list"},
		{name: "JSON numbers to names", text: `{"2":"blue","0":"red","1":"green"}`, want: rgb, form: "JSON object of numbers and labels"},
		{name: "JSON names to numbers", text: `{"blue":2,"red":0,"green":1}`, want: rgb, form: "JSON object of labels and numbers"},
		{name: "JSON digits", text: `{"0":0,"1":1,"2":2}`, want: []string{"0", "1", "2"}, form: "JSON object of numbers and labels"},
		{name: "ImageNet's index", text: `{"0":["n01440764","tench"],"1":["n01443537","goldfish"]}`, want: []string{"tench", "goldfish"}, form: "JSON index of pairs, as ImageNet's"},
		{name: "JSON pairs", text: `[[1,"green"],[0,"red"],[2,"blue"]]`, want: rgb, form: "JSON list of pairs"},
		{name: "JSON objects", text: `[{"id":1,"name":"green"},{"id":0,"name":"red"},{"id":2,"name":"blue"}]`, want: rgb, form: "JSON list of objects"},
		{name: "config.json", file: "config.json", text: `{"model_type":"vit","id2label":{"0":"red","1":"green","2":"blue"},"label2id":{"red":0}}`, want: rgb, form: "JSON object of numbers and labels under id2label"},
		{name: "metadata.json", file: "metadata.json", text: `{"packageName":"x","labels":["red","green","blue"]}`, want: rgb, form: "JSON list under labels"},
		{name: "COCO categories", text: `{"images":[],"categories":[{"id":0,"name":"red"},{"id":1,"name":"green"}]}`, want: rgb[:2], form: "JSON list of objects under categories"},
		{name: "JSON lines of texts", text: "\"red\"\n\"green\"\n\"blue\"\n", want: rgb, form: "a column with quotes"},
		{name: "JSON lines of objects", text: "{\"id\":1,\"label\":\"green\"}\n{\"id\":0,\"label\":\"red\"}\n", want: rgb[:2], form: "JSON lines list of objects"},
		{name: "Python list", text: "['red', 'green',\n 'blue']\n", want: rgb, form: "Python list"},
		{name: "Python dict", text: "{0: 'tench, Tinca tinca',\n 1: \"goldfish, Carassius auratus\",\n 2: 'great white shark'}", want: tench, form: "Python object of numbers and labels"},

		{name: "YAML names", file: "data.yaml", text: "names:\n- red\n- green\n- blue\n", classes: 4, want: rgb, form: "YAML list under names"},
		{name: "YAML names in a text file", text: "names:\n- red\n- green\n- blue\n", classes: 4, want: rgb, form: "YAML list under names"},
		{name: "YAML numbers", file: "coco.yaml", text: "path: x\nnames:\n  0: red\n  1: green\n  2: no\n", want: []string{"red", "green", "no"}, form: "YAML object of numbers and labels under names"},
		{name: "YAML flow", text: "nc: 3\nnames: ['red', 'green', 'blue']\n", want: rgb, form: "YAML list under names"},
		{name: "YAML dashes", text: "- red\n- green\n- blue\n", want: rgb, form: "YAML list"},

		{name: "numbered with commas", text: "0,red\n1,green\n2,blue\n", want: rgb, form: "a numbered list"},
		{name: "numbered with blanks", text: "0 red\n1 green\n2 blue\n", want: rgb, form: "a numbered list"},
		{name: "numbered with colons", text: "0: red\n1: green\n2: blue\n", want: rgb, form: "a numbered list"},
		{name: "numbered with tabs", text: "0\tred\n1\tgreen\n2\tblue\n", want: rgb, form: "a numbered list"},
		{name: "numbered with points", text: "0. red\n1. green\n2. blue\n", want: rgb, form: "a numbered list"},
		{name: "numbered backwards", text: "2,blue\n1,green\n0,red\n", want: rgb, form: "a numbered list"},
		{name: "numbered with commas in labels", text: "0,tench, Tinca tinca\n1,goldfish, Carassius auratus\n2,great white shark\n", want: tench, form: "a numbered list"},
		{name: "numbered with quotes", text: "0,\"tench, Tinca tinca\"\n1,\"goldfish, Carassius auratus\"\n2,great white shark\n", want: tench, form: "a numbered list"},
		{name: "numbered with quotes behind colons", text: "0: 'red'\n1: 'green'\n2: 'blue'\n", want: rgb, form: "a numbered list"},
		{name: "numbered behind", text: "blue,2\nred,0\ngreen,1\n", want: rgb, form: "a list with numbers behind"},

		{name: "numbered behind a blank", text: "blue 2\ndark red 0\ngreen 1\n", want: []string{"dark red", "green", "blue"}, form: "a list with numbers behind"},

		{name: "table", text: "id,label\n0,red\n1,green\n2,blue\n", classes: 4, want: rgb, form: `a table with the header "id,label"`},
		{name: "table out of order", text: "name;class_id\nblue;2\nred;0\ngreen;1\n", want: rgb, form: `a table with the header "name;class_id"`},
		{name: "table of a data frame", text: ",label\n0,red\n1,green\n2,blue\n", want: rgb, form: `a table with the header ",label"`},
		{name: "table of three columns", text: "index,mid,display_name\n0,/m/1,\"red, dark\"\n1,/m/2,green\n", want: []string{"red, dark", "green"}, form: `a table with the header "index,mid,display_name"`},
		{name: "column", text: "label\nred\ngreen\nblue\n", classes: 3, want: rgb, form: `a column with the header "label"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.file == "" {
				c.file = "labels.txt"
			}
			got, err := Parse(c.file, []byte(c.text), c.classes)
			if err != nil || !slices.Equal(got.Names, c.want) || got.Form != c.form {
				t.Errorf("got %q as %q, %v; want %q as %q", got.Names, got.Form, err, c.want, c.form)
			}
		})
	}
}

// A form of which the order of the classes is not certain is refused by its
// name, with the number of its labels and of the model's classes, though its
// lines are as many as these.
func TestFault38_FormsAreRefused(t *testing.T) {
	const counted = "(the model has %d classes)"
	for _, c := range []struct {
		name, file, text string
		classes          int
		says             []string
	}{
		{"empty", "", "\n", 2, []string{"no label"}},
		{"blank in between", "", "red\n\nblue\n", 3, []string{"line 2 is blank", counted}},
		{"NUL", "", "red\ngr\x00een\n", 2, []string{"line 2 holds a NUL byte", "no text"}},
		{"UTF-16 with a mark", "", "\xff\xfer\x00e\x00d\x00\n\x00", 1, []string{"UTF-16", "iconv"}},
		{"UTF-16 without a mark", "", "r\x00e\x00d\x00\n\x00", 1, []string{"UTF-16", "iconv"}},
		{"Latin-1", "", "red\ngr\xfcn\n", 2, []string{"line 2 is not UTF-8", "Latin-1", "iconv"}},
		{"CR alone", "", "red\rgreen\r", 2, []string{"CR alone"}},
		{"gzip", "", "\x1f\x8b\x08", 2, []string{"gzip"}},
		{"spreadsheet", "labels.xlsx", "PK\x03\x04\x00", 2, []string{"ZIP", "spreadsheet"}},
		{"LFS pointer", "", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", 3, []string{"Git LFS"}},
		{"HTML", "", "<!DOCTYPE html>\n<html>\n</html>\n", 3, []string{"HTML", counted}},
		{"pbtxt", "", "item {\n  id: 1\n  name: 'red'\n}\n", 4, []string{"pbtxt", "of 1 labels", counted}},
		{"JSON cut", "", "[\n\"red\",\n\"green\",\n", 3, []string{"not whole JSON", counted}},
		{"JSON of another kind", "", `{"version": "1", "author": "me"}`, 1, []string{"JSON object of 2 entries", "version, author"}},
		{"JSON that is no JSON", "labels.json", "red\ngreen\n", 2, []string{"no JSON"}},
		{"JSON key twice", "", `{"0":"red","0":"green"}`, 2, []string{"twice"}},
		{"JSON from 1", "", `{"1":"red","2":"green"}`, 2, []string{"of 2 labels", "from 1 to 2", counted}},
		{"JSON with a gap", "", `{"0":"red","2":"green"}`, 2, []string{"numbered from 0 to 2", counted}},
		{"JSON numbers on both sides", "", `{"0":1,"1":0}`, 2, []string{"either side", counted}},
		{"JSON numbers", "", `[3,2,1]`, 3, []string{"numbers and not names", counted}},
		{"JSON blank", "", `["red",""]`, 2, []string{"class 1 is blank"}},
		{"JSON two lists", "", `{"names":["a","b"],"classes":["c","d"]}`, 2, []string{"names and classes"}},
		{"JSON mixed", "", `["red",null]`, 2, []string{"several kinds"}},
		{"YAML key twice", "x.yaml", manyNames(5000) + "name 7: 5000\n", 5001, []string{"twice", "name 7"}},
		{"YAML without a list", "x.yaml", "red\ngreen\n", 2, []string{"YAML without a list"}},
		{"numbered from 1", "", "1 red\n2 green\n3 blue\n", 3, []string{"numbered list of 3 labels", "from 1 to 3", counted}},
		{"numbered with a gap", "", "0,red\n2,green\n", 2, []string{"numbered list of 2 labels", "numbered from 0 to 2", counted}},
		{"numbered twice", "", "0,red\n0,green\n", 2, []string{"number 0 occurs twice"}},
		{"numbered all alike", "", "0 euro\n1 euro\n", 2, []string{"all of them"}},
		{"table without a name", "", "id,count\n0,3\n1,4\n", 3, []string{`header "id,count"`, "no column", counted}},
		{"table from 1", "", "id,label\n1,red\n2,green\n", 3, []string{"from 1 to 2", counted}},
		{"table that is ragged", "", "id,label\n0,red\n1,green,dark\n", 3, []string{"cannot be read", counted}},
		{"table without a header", "", "n01440764,tench\nn01443537,goldfish\n", 2, []string{"table without a header", "2 columns", counted}},
		{"table with quotes", "", "\"tench, Tinca\",\"fish\"\n\"wolf, dog\",\"beast\"\n", 2, []string{"table without a header", "2 columns", counted}},
		{"table with bars between", "", "n01440764|tench\nn01443537|goldfish\n", 2, []string{"table without a header", "2 columns", counted}},
		{"numbered from 1 behind a blank", "", "red 1\ngreen 2\n", 2, []string{"numbers behind of 2 labels", "from 1 to 2", counted}},
		{"pickle", "", "\x80\x05\x95\x01", 2, []string{"pickle"}},
		{"header that fits", "", "label\nred\ngreen\n", 3, []string{`header "label"`, "of 2 labels", counted}},
		{"comment", "", "# colours\nred\ngreen\n", 3, []string{"comment", counted}},
		{"commas", "", "red,\ngreen,\nblue\n", 3, []string{"comma behind every label", "of 3 labels", counted}},
		{"quotes", "", "'red'\n'green'\n", 2, []string{"quotes", "of 2 labels", counted}},
		{"program", "", "labels = [\n'red',\n'green']\n", 3, []string{"program", counted}},
		{"one line", "", "red,green,blue\n", 3, []string{"of 3 labels", counted}},
		{"bullets", "", "* red\n* green\n", 2, []string{"bullets", counted}},
		{"bars", "", "| 0 | red |\n| 1 | green |\n", 2, []string{"bars", counted}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.file, []byte(c.text), c.classes)
			if err == nil {
				t.Fatalf("read as %s: %q", got.Form, got.Names)
			}
			for _, s := range c.says {
				if s == counted {
					s = fmt.Sprintf(counted, c.classes)
				}
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

// manyNames is YAML of so many names and their numbers.
func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "name %d: %d\n", i, i)
	}
	return b.String()
}

// Whatever the text, labels are never blank and hold no line break.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"red\ngreen\n", `{"0":["n01440764","tench"]}`, "names:\n- red\n", "id,label\n0,red\n", "0: a\n1: b\n", "['a', 'b']", "\"a\"\n\"b,c\"\n", "<"} {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, text string, classes int) {
		l, err := Parse("labels.txt", []byte(text), classes)
		if err != nil {
			return
		}
		if len(l.Names) == 0 || l.Form == "" {
			t.Errorf("%q gives no labels and no error", text)
		}
		for _, name := range l.Names {
			if err := Check(name); err != nil {
				t.Errorf("%q in %q: %v", name, text, err)
			}
		}
	})
}
