package output

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestFault40_SuccessCountsWhatWasPassedOver: _SUCCESS holds the counts of a listing
// that passed something over, and no field where nothing was.
func TestFault40_SuccessCountsWhatWasPassedOver(t *testing.T) {
	var passed listing.PassedOver
	passed.Add(listing.NotAPicture, "a.heic")
	body, err := json.Marshal(Success{PassedOver: passed})
	if err != nil {
		t.Fatal(err)
	}
	var again Success
	if err := json.Unmarshal(body, &again); err != nil || !maps.Equal(again.PassedOver[listing.NotAPicture], passed[listing.NotAPicture]) {
		t.Errorf("Unmarshal() = %v, %v, want %v", again.PassedOver, err, passed)
	}
	if body, err := json.Marshal(Success{}); err != nil || strings.Contains(string(body), "passed_over") {
		t.Errorf("Marshal() of nothing passed over = %s, %v", body, err)
	}
}

// TestDecodersAreNamed: _SUCCESS names the libraries of which the job has records, which
// must be such records.
func TestDecodersAreNamed(t *testing.T) {
	for _, c := range []struct {
		name    string
		records map[string]string
		want    map[string]string
		err     error
		long    bool
	}{
		{name: "none"},
		{name: "two", records: map[string]string{"libheif": `{"library":"libheif","identity":"libheif 1.15.1"}`, "libjxl": `{"library":"libjxl","identity":""}`},
			want: map[string]string{"libheif": "libheif 1.15.1", "libjxl": "not installed"}},
		{name: "of another name", records: map[string]string{"libheif": `{"library":"onnxruntime","identity":"9"}`}, err: ErrMismatch},
		{name: "not JSON", records: map[string]string{"libheif": "{"}, err: ErrMismatch},
		{name: "too long", records: map[string]string{"libheif": strings.Repeat(" ", MaxDecoder) + "{}"}, long: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := new(mem.Store)
			r := begin(t, st, testJob(row.JSONL), numbered(8))
			for chunk := range r.c.Count() {
				r.commit(t, chunk)
			}
			for library, body := range c.records {
				st.Put(DecodersFolder+library+".json", []byte(body))
			}
			s, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{})
			if long := (*store.TooLarge)(nil); c.long && errors.As(err, &long) {
				return
			}
			if c.long || !errors.Is(err, c.err) || !maps.Equal(s.Versions, c.want) {
				t.Errorf("Finish() = %v, %v, want %v, %v", s.Versions, err, c.want, c.err)
			}
		})
	}
}
