package scorer

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// claimForms are jobs of both ways to name claims: new jobs, and those begun before
// claims had names.
var claimForms = []struct {
	name string
	// begin creates the record of the job of o; nil leaves that to Run.
	begin func(t *testing.T, o Options)
	// claims matches what follows the name of the folder in the names of all claims,
	// races those of the races in a job of 10 chunks. end and publication are
	// the first claims on those.
	claims, races    *regexp.Regexp
	end, publication string
}{
	{
		name:        "named claims",
		claims:      regexp.MustCompile(`^(chunk-\d{5}|double-\d{5}|end|publication)\.\d{6}$`),
		races:       regexp.MustCompile(`^double-0000\d\.\d{6}$`),
		end:         "end.000000",
		publication: "publication.000000",
	},
	{
		name:        "numbered claims",
		begin:       beginNumbered,
		claims:      regexp.MustCompile(`^(\d{5}|2147483647)\.\d{6}$`),
		races:       regexp.MustCompile(`^000(1[1-9]|20)\.\d{6}$`),
		end:         "00010.000000",
		publication: "2147483647.000000",
	},
}

var (
	claimFormField = regexp.MustCompile(`\n  "claim_form": \d+,`)
	checksumField  = regexp.MustCompile(`"checksum": "[^"]*"`)
)

// beginNumbered creates the record of a job that was begun before claims had names.
func beginNumbered(t *testing.T, o Options) {
	t.Helper()
	beginWith(t, o, func(record string) string { return claimFormField.ReplaceAllLiteralString(record, "") })
}

// beginWith creates the record of a job, changed by older to that of an older release.
func beginWith(t *testing.T, o Options, older func(record string) string) {
	t.Helper()
	made := new(mem.Store)
	o = o.withDefaults()
	o.Job.AutoBatch = newFakeEngine().DefaultBatch()
	if _, _, err := output.Join(t.Context(), made, o.Job); err != nil {
		t.Fatal(err)
	}
	const name = "_batchscore/job.json"
	record := object(t, made, name)
	changed := older(record)
	if changed == record {
		t.Fatalf("the record has nothing that an older release lacks:\n%s", record)
	}
	put(t, o.Out, name, []byte(resealed(changed)))
}

// resealed returns a record that was changed with the checksum that it has then.
func resealed(record string) string {
	unsealed := checksumField.ReplaceAllLiteralString(record, `"checksum": ""`)
	sum := sha256.Sum256([]byte(strings.TrimSuffix(unsealed, "\n")))
	return checksumField.ReplaceAllLiteralString(record, fmt.Sprintf(`"checksum": "sha256:%x"`, sum))
}

// claimNames returns what follows the name of the folder in the names of all
// claims of a store.
func claimNames(t *testing.T, st store.Store) []string {
	t.Helper()
	var names []string
	for _, object := range storetest.ObjectNames(t, st) {
		if name, ok := strings.CutPrefix(object, "_batchscore/claims/"); ok {
			names = append(names, name)
		}
	}
	return names
}

// TestRetryNamesItsClaimsAsTheJobDoes: the claims of a retry are named as those of
// the job whose images it scores again.
func TestRetryNamesItsClaimsAsTheJobDoes(t *testing.T) {
	for _, form := range claimForms {
		t.Run(form.name, func(t *testing.T) {
			images, mend := troubled(t, 60)
			out := new(mem.Store)
			o := options(t, images, out)
			if form.begin != nil {
				form.begin(t, o)
			}
			mustRun(t, o)
			mend()
			mustRun(t, retrying(t, images, out, row.JSONL))
			verified(t, out)
			for _, place := range []store.Store{out, output.Generation(out, 1)} {
				for _, name := range claimNames(t, place) {
					if !form.claims.MatchString(name) {
						t.Errorf("%s: a claim is named %q, want a match of %s", place, name, form.claims)
					}
				}
			}
			if names := claimNames(t, output.Generation(out, 1)); !slices.Contains(names, form.publication) {
				t.Errorf("the claims of the retry are %q, want %s among them", names, form.publication)
			}
		})
	}
}
