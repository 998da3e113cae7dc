package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
)

var monday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func sample(id string, launched time.Time) Record {
	var service yaml.Node
	if err := yaml.Unmarshal([]byte("{namespace: vision}"), &service); err != nil {
		panic(err)
	}
	return Record{
		ID: id, Engine: "kubernetes", Service: *service.Content[0], Endpoint: "http://127.0.0.1:10000",
		Launched: launched, Phase: Launching,
		Job: deploy.Job{
			Name: "nightly", Images: "az://acme/photos", Out: "az://acme/labels", Model: "m.onnx", Nodes: 2,
			Run:       map[string]string{"batch": "32"},
			Secrets:   map[string]deploy.Secret{"KEY": {Env: "STORAGE_KEY"}},
			TimeLimit: deploy.Duration(7 * time.Hour),
		},
	}
}

func TestWhatIsWrittenIsFound(t *testing.T) {
	book := Open(filepath.Join(t.TempDir(), "state", "jobs"))
	if all, err := book.List(); err != nil || len(all) != 0 {
		t.Fatalf("List of an empty book = %v, %v; want none", all, err)
	}
	if _, err := book.Find(""); !errors.Is(err, ErrNone) {
		t.Errorf("Find in an empty book: %v, want %v", err, ErrNone)
	}
	old, young, other := sample("nightly-260302-080000-aaaa", monday), sample("nightly-260303-080000-bbbb", monday.AddDate(0, 0, 1)), sample("train-1", monday)
	other.Job.Name = "train"
	for _, r := range []Record{young, old, other} {
		if err := book.Create(r); err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string]string{"": young.ID, old.ID: old.ID, "nightly-260302": old.ID, "t": other.ID} {
		r, err := book.Find(prefix)
		if err != nil || r.ID != want {
			t.Errorf("%q: %s, %v; want %s", prefix, r.ID, err, want)
		}
	}
	if r, err := book.Find("nightly"); err != nil || r.ID != young.ID {
		t.Errorf("Find(nightly) = %s, %v; want the newest, %s", r.ID, err, young.ID)
	}
	for _, find := range []func(string) (Record, error){book.Find, book.FindOnly} {
		if _, err := find("nightly-26030"); !errors.Is(err, ErrAmbiguous) || !strings.Contains(err.Error(), old.ID) {
			t.Errorf("two IDs begin with nightly-26030: %v, want %v", err, ErrAmbiguous)
		}
	}
	for _, what := range []string{"nightly", ""} {
		if _, err := book.FindOnly(what); !errors.Is(err, ErrAmbiguous) {
			t.Errorf("FindOnly(%q): %v, want %v", what, err, ErrAmbiguous)
		}
	}
	if _, err := book.Find("weekly"); !errors.Is(err, ErrNone) {
		t.Errorf("Find(weekly): %v, want %v", err, ErrNone)
	}
	r, err := book.Find(old.ID)
	if err != nil {
		t.Fatal(err)
	}
	var service struct{ Namespace string }
	if err := r.Service.Decode(&service); err != nil || service.Namespace != "vision" {
		t.Errorf("service = %+v, %v; want the namespace vision", service, err)
	}
	r.Service, old.Service = yaml.Node{}, yaml.Node{}
	if !reflect.DeepEqual(r, old) {
		t.Errorf("read\n%+v, want\n%+v", r, old)
	}
}

func TestAnIDIsTakenOnce(t *testing.T) {
	book := Open(t.TempDir())
	r := sample("a-1", monday)
	if err := book.Create(r); err != nil {
		t.Fatal(err)
	}
	if err := book.Create(r); !errors.Is(err, os.ErrExist) {
		t.Errorf("Create of an existing record: %v, want %v", err, os.ErrExist)
	}
	r.Phase = Submitted
	if err := book.Update(r); err != nil {
		t.Fatal(err)
	}
	if r, err := book.Find("a"); err != nil || r.Phase != Submitted {
		t.Errorf("Find(a) is %s, %v; want %s", r.Phase, err, Submitted)
	}
	left, err := os.ReadDir(book.String())
	if err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v; want 1", len(left), err)
	}
}

// TestADamagedRecordHidesNoOther has a file of someone else's among the records,
// and one that a crash of the file system cut short.
func TestADamagedRecordHidesNoOther(t *testing.T) {
	book := Open(t.TempDir())
	if err := book.Create(sample("a-1", monday)); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"b-1.yaml": "", "c-1.yaml": "id: [", "d-1.yaml": "id: a-1"} {
		if err := os.WriteFile(filepath.Join(book.String(), name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := book.List()
	if len(all) != 1 || all[0].ID != "a-1" {
		t.Errorf("List = %v, want a-1 alone", all)
	}
	for _, name := range []string{"b-1.yaml", "c-1.yaml", "d-1.yaml"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("List: %v, want an error that names %s", err, name)
		}
	}
	if _, err := book.Find("b"); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "b-1.yaml") {
		t.Errorf("Find(b): %v, want %v that names b-1.yaml", err, ErrNone)
	}
}

func TestFolderFollowsXDG(t *testing.T) {
	for state, want := range map[string]string{
		"/s": "/s/batchscore/jobs", "": "/h/.local/state/batchscore/jobs", "relative": "/h/.local/state/batchscore/jobs",
	} {
		t.Setenv("HOME", "/h")
		t.Setenv("XDG_STATE_HOME", state)
		if got, err := Folder(); got != want || err != nil {
			t.Errorf("XDG_STATE_HOME=%q: %q, %v; want %q", state, got, err, want)
		}
	}
}

// TestForeignIDs: an ID becomes a path, a name in a list and an argument of commands.
func TestForeignIDs(t *testing.T) {
	folder := t.TempDir()
	book := Open(folder)
	for _, id := range []string{"", "../../x", "a/b", "-x", "a,b", "a b", "a\nb", "$(id)", "A", "a_", "*"} {
		if err := book.Create(Record{ID: id}); err == nil || !strings.Contains(err.Error(), "not the ID of a job") {
			t.Errorf("Create with the ID %q: %v, want a refusal", id, err)
		}
	}
	// One that something else has put there.
	for _, id := range []string{"-x", "a,b", "a\nb"} {
		text := fmt.Sprintf("id: %q\nengine: local\n", id)
		if err := os.WriteFile(filepath.Join(folder, id+ending), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, damaged := book.List()
	if len(all) != 0 || damaged == nil || strings.Count(damaged.Error(), "not the ID of one") != 3 {
		t.Errorf("List = %v, %v; want three refusals", all, damaged)
	}
	if _, err := book.Find("a,b"); !errors.Is(err, ErrNone) {
		t.Errorf("Find = %v, want %v", err, ErrNone)
	}
}
