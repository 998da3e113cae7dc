package export

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
)

// TestLabelStudio checks tasks, how they are divided into files, and the configuration.
func TestLabelStudio(t *testing.T) {
	items := hostile()
	c := collect(items)
	c.Classes, c.Options = c.Labels, Options{Served: "/", PerFile: 7}
	c.Job.ModelDigest = "sha256:0123456789abcdef"
	files := write(t, "label-studio", items, c)
	var tasks []struct {
		Data struct {
			Image, Path, Predicted, Best string
			PathBase64                   []byte `json:"path_base64"`
			Score                        float64
		}
		Predictions, Annotations []struct {
			Model  string `json:"model_version"`
			Score  float64
			Truth  bool `json:"ground_truth"`
			Result []struct {
				ID, Type string
				From     string `json:"from_name"`
				To       string `json:"to_name"`
				Value    struct{ Choices []string }
			}
		}
	}
	for i := range 3 {
		name := fmt.Sprintf("tasks-%04d.json", i+1)
		part := tasks[len(tasks):]
		if err := json.Unmarshal([]byte(files[name]), &part); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := min(7, len(items)-7*i); len(part) != want {
			t.Errorf("%s has %d tasks, want %d", name, len(part), want)
		}
		tasks = append(tasks, part...)
	}
	if len(files) != 4 {
		t.Errorf("there are %d files", len(files))
	}
	var config struct {
		Choices struct {
			Name   string `xml:"name,attr"`
			To     string `xml:"toName,attr"`
			Choice []struct {
				Value string `xml:"value,attr"`
			}
		}
	}
	if err := xml.Unmarshal([]byte(files[studioConfig]), &config); err != nil {
		t.Fatal(err)
	}
	var choices []string
	for _, one := range config.Choices.Choice {
		choices = append(choices, one.Value)
	}
	if !slices.Equal(choices, c.Labels) || config.Choices.Name != "label" || config.Choices.To != "image" {
		t.Errorf("the configuration has %+v, want the choices %q", config, c.Labels)
	}
	for i, it := range items {
		label, score, _ := it.Label()
		one := tasks[i]
		path := one.Data.Path
		if one.Data.PathBase64 != nil {
			path = string(one.Data.PathBase64)
		}
		if path != it.Entry.Path || one.Data.Predicted != label ||
			float32(one.Data.Score) != score || !strings.HasPrefix(one.Data.Image, "/data/local-files/?d=photos/") {
			t.Errorf("the task of %q has %+v", it.Entry.Path, one.Data)
		}
		p := one.Predictions[0]
		if r := p.Result[0]; p.Model != "tiny 0123456789ab" || float32(p.Score) != score || !slices.Equal(r.Value.Choices, []string{label}) ||
			r.ID != Key(it.Entry.Path) || r.Type != "choices" || r.From != "label" || r.To != "image" {
			t.Errorf("the prediction of %q is %+v", it.Entry.Path, p)
		}
		var truth []string
		for _, a := range one.Annotations {
			if !a.Truth {
				t.Errorf("an annotation of %q is not ground truth", it.Entry.Path)
			}
			truth = append(truth, a.Result[0].Value.Choices...)
		}
		if !slices.Equal(truth, it.Truth) {
			t.Errorf("the annotations of %q are %q, want %q", it.Entry.Path, truth, it.Truth)
		}
	}
}

// TestCVAT checks that the XML holds names and labels as they are, and the manifest sizes.
func TestCVAT(t *testing.T) {
	items := hostile()
	items[0].Truth = []string{"a\x01b\ttab"}
	c := collect(items)
	c.Classes = c.Labels
	files := write(t, "cvat", items, c)
	var doc struct {
		Version string   `xml:"version"`
		Size    int      `xml:"meta>task>size"`
		Labels  []string `xml:"meta>task>labels>label>name"`
		Image   []struct {
			ID     int    `xml:"id,attr"`
			Name   string `xml:"name,attr"`
			Width  int    `xml:"width,attr"`
			Height int    `xml:"height,attr"`
			Tag    []struct {
				Label     string `xml:"label,attr"`
				Source    string `xml:"source,attr"`
				Attribute string `xml:"attribute"`
			} `xml:"tag"`
		} `xml:"image"`
	}
	if err := xml.Unmarshal([]byte(files[cvatAnnotations]), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != "1.1" || doc.Size != len(items) || len(doc.Image) != len(items) || len(doc.Labels) != len(c.Labels) {
		t.Fatalf("the file has %+v", doc)
	}
	frames := strings.Split(strings.TrimSuffix(files[cvatManifest], "\n"), "\n")[2:]
	for i, it := range items {
		one := doc.Image[i]
		want, source := it.Truth, "manual"
		if want == nil {
			label, _, _ := it.Label()
			want, source = []string{label}, "auto"
		}
		if one.ID != i || one.Name != validText(it.Entry.Path) || one.Width != 40 || one.Height != 30 || len(one.Tag) != len(want) ||
			one.Tag[0].Label != xmlValid(want[0]) || one.Tag[0].Source != source || (one.Tag[0].Attribute == "0.75") != (source == "auto") {
			t.Errorf("image %d of %q is %+v, want %q", i, it.Entry.Path, one, want)
		}
		var frame cvatFrame
		if err := json.Unmarshal([]byte(frames[i]), &frame); err != nil || frame.Name+frame.Extension != one.Name || frame.Width != 40 {
			t.Errorf("line %q of the manifest, %v", frames[i], err)
		}
	}
	var labels []cvatLabel
	if err := json.Unmarshal([]byte(files[cvatLabels]), &labels); err != nil || len(labels) != len(c.Labels) || labels[0].Type != "tag" {
		t.Errorf("labels.json holds %+v, %v", labels, err)
	}
}

// TestURLs checks how addresses are spelled.
func TestURLs(t *testing.T) {
	const name = "x/a b#c?d%25\u00fc.jpg"
	for _, c := range []struct{ images, form, served, want string }{
		{images: "/srv/photos", form: "", served: "/", want: "/data/local-files/?d=srv/photos/x/a+b%23c%3Fd%2525%C3%BC.jpg"},
		{images: "/srv/photos/", form: LocalFilesURL, served: "/srv", want: "/data/local-files/?d=photos/x/a+b%23c%3Fd%2525%C3%BC.jpg"},
		{images: "/srv/photos", form: LocalFilesURL, served: "/srv/photo", want: "error"},
		{images: "/srv/photos", form: HTTPSURL, served: "/", want: "error"},
		{images: "/srv/photos", form: AzureBlobURL, served: "/", want: "error"},
		{images: "/srv/photos", form: AddressURL, served: "/", want: "/srv/photos/" + name},
		{images: "az://acme/photos/2019", form: "", served: "/", want: "azure-blob://photos/2019/" + name},
		{images: "az://acme/photos", form: HTTPSURL, served: "/", want: "https://acme.blob.core.windows.net/photos/x/a%20b%23c%3Fd%2525%C3%BC.jpg"},
		{images: "az://acme/photos", form: LocalFilesURL, served: "/", want: "error"},
		{images: "az://acme/photos", form: AddressURL, served: "/", want: "az://acme/photos/" + name},
	} {
		col := Collection{Job: &output.Job{Images: c.images}, Options: Options{URLs: c.form, Served: c.served}}
		u, err := newURLs(&col)
		got := "error"
		if err == nil {
			got = u.of(image(name, nil))
		}
		if got != c.want {
			t.Errorf("%s of %s is %s (%v), want %s", c.form, c.images, got, err, c.want)
		}
	}
}
