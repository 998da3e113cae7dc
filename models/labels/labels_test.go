package labels

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var rgb = []string{"red", "green", "blue"}

// Every form is recognised, whatever the number of its lines.
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
		{
			name: "plain with WordNet numbers",
			text: "n01440764 tench, Tinca tinca\nn01443537 goldfish\n",
			want: []string{"n01440764 tench, Tinca tinca", "n01443537 goldfish"},
			form: Plain,
		},
		{name: "plain with blanks", text: " red\ngreen \nblue", want: []string{" red", "green ", "blue"}, form: Plain},
		{name: "plain with a hash everywhere", text: "#red\n#green\n#blue\n", want: []string{"#red", "#green", "#blue"}, form: Plain},
		{name: "doubled", text: "crane\ncrane\n", want: []string{"crane", "crane"}, form: Plain},

		{name: "JSON list on one line", text: `["red","green","blue"]`, want: rgb, form: "JSON list"},
		{name: "JSON list on as many lines as classes", text: "[\n \"red\",\n \"green\"\n]\n", classes: 4, want: rgb[:2], form: "JSON list"},
		{name: "JSON list with escapes", text: `["caf\u00e9", "a\"b"]`, want: []string{"café", `a"b`}, form: "JSON list"},
		{name: "JSON numbers to names", text: `{"2":"blue","0":"red","1":"green"}`, want: rgb, form: "JSON object of numbers and labels"},
		{name: "JSON names to numbers", text: `{"blue":2,"red":0,"green":1}`, want: rgb, form: "JSON object of labels and numbers"},
		{name: "JSON digits", text: `{"0":0,"1":1,"2":2}`, want: []string{"0", "1", "2"}, form: "JSON object of numbers and labels"},
		{
			name: "ImageNet's index",
			text: `{"0":["n01440764","tench"],"1":["n01443537","goldfish"]}`,
			want: []string{"tench", "goldfish"},
			form: "JSON index of pairs, as ImageNet's",
		},
		{name: "JSON pairs", text: `[[1,"green"],[0,"red"],[2,"blue"]]`, want: rgb, form: "JSON list of pairs"},
		{name: "JSON objects", text: `[{"id":1,"name":"green"},{"id":0,"name":"red"},{"id":2,"name":"blue"}]`, want: rgb, form: "JSON list of objects"},
		{
			name: "config.json",
			file: "config.json",
			text: `{"model_type":"vit","id2label":{"0":"red","1":"green","2":"blue"},"label2id":{"red":0}}`,
			want: rgb,
			form: "JSON object of numbers and labels under id2label",
		},
		{name: "metadata.json", file: "metadata.json", text: `{"packageName":"x","labels":["red","green","blue"]}`, want: rgb, form: "JSON list under labels"},
		{
			name: "COCO categories",
			text: `{"images":[],"categories":[{"id":0,"name":"red"},{"id":1,"name":"green"}]}`,
			want: rgb[:2],
			form: "JSON list of objects under categories",
		},
		{name: "JSON lines of texts", text: "\"red\"\n\"green\"\n\"blue\"\n", want: rgb, form: "a column with quotes"},
		{
			name: "JSON lines of objects",
			text: "{\"id\":1,\"label\":\"green\"}\n{\"id\":0,\"label\":\"red\"}\n",
			want: rgb[:2],
			form: "JSON lines list of objects",
		},
		{name: "Python list", text: "['red', 'green',\n 'blue']\n", want: rgb, form: "Python list"},
		{
			name: "Python dict",
			text: "{0: 'tench, Tinca tinca',\n 1: \"goldfish, Carassius auratus\",\n 2: 'great white shark'}",
			want: tench,
			form: "Python object of numbers and labels",
		},

		{name: "YAML names", file: "data.yaml", text: "names:\n- red\n- green\n- blue\n", classes: 4, want: rgb, form: "YAML list under names"},
		{name: "YAML names in a text file", text: "names:\n- red\n- green\n- blue\n", classes: 4, want: rgb, form: "YAML list under names"},
		{
			name: "YAML numbers",
			file: "coco.yaml",
			text: "path: x\nnames:\n  0: red\n  1: green\n  2: no\n",
			want: []string{"red", "green", "no"},
			form: "YAML object of numbers and labels under names",
		},
		{name: "YAML flow", text: "nc: 3\nnames: ['red', 'green', 'blue']\n", want: rgb, form: "YAML list under names"},
		{name: "YAML dashes", text: "- red\n- green\n- blue\n", want: rgb, form: "YAML list"},

		{name: "numbered with commas", text: "0,red\n1,green\n2,blue\n", want: rgb, form: "a numbered list"},
		{name: "numbered with blanks", text: "0 red\n1 green\n2 blue\n", want: rgb, form: "a numbered list"},
		{name: "numbered with colons", text: "0: red\n1: green\n2: blue\n", want: rgb, form: "a numbered list"},
		{name: "numbered with tabs", text: "0\tred\n1\tgreen\n2\tblue\n", want: rgb, form: "a numbered list"},
		{name: "numbered with points", text: "0. red\n1. green\n2. blue\n", want: rgb, form: "a numbered list"},
		{name: "numbered backwards", text: "2,blue\n1,green\n0,red\n", want: rgb, form: "a numbered list"},
		{
			name: "numbered with commas in labels",
			text: "0,tench, Tinca tinca\n1,goldfish, Carassius auratus\n2,great white shark\n",
			want: tench,
			form: "a numbered list",
		},
		{
			name: "numbered with quotes",
			text: "0,\"tench, Tinca tinca\"\n1,\"goldfish, Carassius auratus\"\n2,great white shark\n",
			want: tench,
			form: "a numbered list",
		},
		{name: "numbered with quotes behind colons", text: "0: 'red'\n1: 'green'\n2: 'blue'\n", want: rgb, form: "a numbered list"},
		{name: "numbered behind", text: "blue,2\nred,0\ngreen,1\n", want: rgb, form: "a list with numbers behind"},

		{
			name: "numbered behind a blank",
			text: "blue 2\ndark red 0\ngreen 1\n",
			want: []string{"dark red", "green", "blue"},
			form: "a list with numbers behind",
		},

		{name: "table", text: "id,label\n0,red\n1,green\n2,blue\n", classes: 4, want: rgb, form: `a table with the header "id,label"`},
		{name: "table out of order", text: "name;class_id\nblue;2\nred;0\ngreen;1\n", want: rgb, form: `a table with the header "name;class_id"`},
		{name: "table of a data frame", text: ",label\n0,red\n1,green\n2,blue\n", want: rgb, form: `a table with the header ",label"`},
		{
			name: "table of three columns",
			text: "index,mid,display_name\n0,/m/1,\"red, dark\"\n1,/m/2,green\n",
			want: []string{"red, dark", "green"},
			form: `a table with the header "index,mid,display_name"`,
		},
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

// A form in which the order of the classes is not certain is refused, even if it has as
// many lines as there are classes. The error names the form, the number of its labels and
// the number of the model's classes.
func TestFault38_FormsAreRefused(t *testing.T) {
	const counted = "(the model has %d classes)"
	for _, c := range []struct {
		name, file, text string
		classes          int
		says             []string
	}{
		{name: "empty", file: "", text: "\n", classes: 2, says: []string{"no label"}},
		{name: "blank in between", file: "", text: "red\n\nblue\n", classes: 3, says: []string{"line 2 is blank", counted}},
		{name: "NUL", file: "", text: "red\ngr\x00een\n", classes: 2, says: []string{"line 2 contains a NUL byte", "not a text file"}},
		{name: "UTF-16 with a mark", file: "", text: "\xff\xfer\x00e\x00d\x00\n\x00", classes: 1, says: []string{"UTF-16", "iconv"}},
		{name: "UTF-16 without a mark", file: "", text: "r\x00e\x00d\x00\n\x00", classes: 1, says: []string{"UTF-16", "iconv"}},
		{name: "Latin-1", file: "", text: "red\ngr\xfcn\n", classes: 2, says: []string{"line 2 is not UTF-8", "Latin-1", "iconv"}},
		{name: "CR alone", file: "", text: "red\rgreen\r", classes: 2, says: []string{"CR alone"}},
		{name: "gzip", file: "", text: "\x1f\x8b\x08", classes: 2, says: []string{"gzip"}},
		{name: "spreadsheet", file: "labels.xlsx", text: "PK\x03\x04\x00", classes: 2, says: []string{"ZIP", "spreadsheet"}},
		{name: "LFS pointer", file: "", text: "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", classes: 3, says: []string{"Git LFS"}},
		{name: "HTML", file: "", text: "<!DOCTYPE html>\n<html>\n</html>\n", classes: 3, says: []string{"HTML", counted}},
		{name: "pbtxt", file: "", text: "item {\n  id: 1\n  name: 'red'\n}\n", classes: 4, says: []string{"pbtxt", "of 1 labels", counted}},
		{name: "JSON cut", file: "", text: "[\n\"red\",\n\"green\",\n", classes: 3, says: []string{"not complete JSON", counted}},
		{
			name:    "JSON of another kind",
			file:    "",
			text:    `{"version": "1", "author": "me"}`,
			classes: 1,
			says:    []string{"JSON object of 2 entries", "version, author"},
		},
		{name: "JSON that is not JSON", file: "labels.json", text: "red\ngreen\n", classes: 2, says: []string{"not JSON"}},
		{name: "JSON key twice", file: "", text: `{"0":"red","0":"green"}`, classes: 2, says: []string{"twice"}},
		{name: "JSON from 1", file: "", text: `{"1":"red","2":"green"}`, classes: 2, says: []string{"of 2 labels", "from 1 to 2", counted}},
		{name: "JSON with a gap", file: "", text: `{"0":"red","2":"green"}`, classes: 2, says: []string{"numbered from 0 to 2", counted}},
		{name: "JSON numbers on both sides", file: "", text: `{"0":1,"1":0}`, classes: 2, says: []string{"either side", counted}},
		{name: "JSON numbers", file: "", text: `[3,2,1]`, classes: 3, says: []string{"numbers and not names", counted}},
		{name: "JSON blank", file: "", text: `["red",""]`, classes: 2, says: []string{"class 1 is blank"}},
		{name: "JSON two lists", file: "", text: `{"names":["a","b"],"classes":["c","d"]}`, classes: 2, says: []string{"names and classes"}},
		{name: "JSON mixed", file: "", text: `["red",null]`, classes: 2, says: []string{"several kinds"}},
		{name: "YAML key twice", file: "x.yaml", text: manyNames(5000) + "name 7: 5000\n", classes: 5001, says: []string{"twice", "name 7"}},
		{name: "YAML without a list", file: "x.yaml", text: "red\ngreen\n", classes: 2, says: []string{"YAML without a list"}},
		{name: "numbered from 1", file: "", text: "1 red\n2 green\n3 blue\n", classes: 3, says: []string{"numbered list of 3 labels", "from 1 to 3", counted}},
		{
			name:    "numbered with a gap",
			file:    "",
			text:    "0,red\n2,green\n",
			classes: 2,
			says:    []string{"numbered list of 2 labels", "numbered from 0 to 2", counted},
		},
		{name: "numbered twice", file: "", text: "0,red\n0,green\n", classes: 2, says: []string{"number 0 occurs twice"}},
		{name: "numbered all alike", file: "", text: "0 euro\n1 euro\n", classes: 2, says: []string{"all of them"}},
		{name: "table without a name", file: "", text: "id,count\n0,3\n1,4\n", classes: 3, says: []string{`header "id,count"`, "no column", counted}},
		{name: "table from 1", file: "", text: "id,label\n1,red\n2,green\n", classes: 3, says: []string{"from 1 to 2", counted}},
		{name: "table that is ragged", file: "", text: "id,label\n0,red\n1,green,dark\n", classes: 3, says: []string{"cannot be read", counted}},
		{
			name:    "table without a header",
			file:    "",
			text:    "n01440764,tench\nn01443537,goldfish\n",
			classes: 2,
			says:    []string{"table without a header", "2 columns", counted},
		},
		{
			name:    "table with quotes",
			file:    "",
			text:    "\"tench, Tinca\",\"fish\"\n\"wolf, dog\",\"beast\"\n",
			classes: 2,
			says:    []string{"table without a header", "2 columns", counted},
		},
		{
			name:    "table with bars between",
			file:    "",
			text:    "n01440764|tench\nn01443537|goldfish\n",
			classes: 2,
			says:    []string{"table without a header", "2 columns", counted},
		},
		{
			name:    "numbered from 1 behind a blank",
			file:    "",
			text:    "red 1\ngreen 2\n",
			classes: 2,
			says:    []string{"numbers behind of 2 labels", "from 1 to 2", counted},
		},
		{name: "pickle", file: "", text: "\x80\x05\x95\x01", classes: 2, says: []string{"pickle"}},
		{name: "header that fits", file: "", text: "label\nred\ngreen\n", classes: 3, says: []string{`header "label"`, "of 2 labels", counted}},
		{name: "comment", file: "", text: "# colours\nred\ngreen\n", classes: 3, says: []string{"comment", counted}},
		{name: "commas", file: "", text: "red,\ngreen,\nblue\n", classes: 3, says: []string{"comma behind every label", "of 3 labels", counted}},
		{name: "quotes", file: "", text: "'red'\n'green'\n", classes: 2, says: []string{"quotes", "of 2 labels", counted}},
		{name: "program", file: "", text: "labels = [\n'red',\n'green']\n", classes: 3, says: []string{"program", counted}},
		{name: "one line", file: "", text: "red,green,blue\n", classes: 3, says: []string{"of 3 labels", counted}},
		{name: "bullets", file: "", text: "* red\n* green\n", classes: 2, says: []string{"bullets", counted}},
		{name: "bars", file: "", text: "| 0 | red |\n| 1 | green |\n", classes: 2, says: []string{"bars", counted}},
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
					t.Errorf("%q does not contain %q", err, s)
				}
			}
		})
	}
}

// manyNames returns YAML with n names and their numbers.
func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "name %d: %d\n", i, i)
	}
	return b.String()
}

// Whatever the text, labels are never blank and contain no line breaks.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"red\ngreen\n", `{"0":["n01440764","tench"]}`, "names:\n- red\n", "id,label\n0,red\n", "0: a\n1: b\n",
		"['a', 'b']", "\"a\"\n\"b,c\"\n", "<"} {
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
