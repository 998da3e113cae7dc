package scorer

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestFault46_TheFolderIsRemovedInMidRun: whatever a rank finds missing first, it ends with
// the same error, which says what to do. A run on what is left changes nothing.
func TestFault46_TheFolderIsRemovedInMidRun(t *testing.T) {
	const chunks = 10
	images := collection(t, 10*chunks)
	said := ""
	for _, test := range []struct {
		name, prefix string
		commits      int32
	}{
		{name: "all, at first", commits: 1},
		{name: "all, at last", commits: chunks},
		{name: "records and claims, at first", prefix: output.Folder, commits: 1},
		{name: "records and claims, at last", prefix: output.Folder, commits: chunks},
		{name: "the record, at last", prefix: output.Folder + "job.json", commits: chunks},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := new(mem.Store)
			var commits atomic.Int32
			o := options(t, images, out)
			o.hook = func(point string, _ int) {
				if point != "after-commit" || commits.Add(1) != test.commits {
					return
				}
				err := out.List(t.Context(), test.prefix, func(o store.Object) error {
					_ = out.Delete(t.Context(), o.Name, o.ETag) // a claim may just have been given up
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
			_, err := Run(t.Context(), o)
			if !errors.Is(err, output.ErrIncomplete) || errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), "record is gone") {
				t.Fatalf("Run() = %v, want ErrIncomplete and that the record is gone", err)
			}
			if said == "" {
				said = err.Error()
			}
			if err.Error() != said {
				t.Errorf("the error is %q, and another time %q", err, said)
			}
			if _, err := Run(t.Context(), options(t, images, out)); !errors.Is(err, output.ErrOtherJob) && test.name != "all, at last" {
				t.Errorf("a run on what is left: %v, want ErrOtherJob", err)
			}
		})
	}
}
