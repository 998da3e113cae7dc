package output

import (
	"encoding/json"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestFault34_SuccessNamesTheDecoder: JPEG decoders differ in what they accept, so
// _SUCCESS names the decoder. A _SUCCESS of older releases, which does not, is still
// read.
func TestFault34_SuccessNamesTheDecoder(t *testing.T) {
	r := complete(t, new(mem.Store), testJob(row.JSONL), 10)
	s := r.finish(t)
	body, _, err := store.ReadAll(t.Context(), r.st, SuccessName, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct {
		JPEGDecoder string `json:"jpeg_decoder"`
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	if fields.JPEGDecoder != r.j.JPEGDecoder || fields.JPEGDecoder == "" {
		t.Errorf("jpeg_decoder = %q, want %q as in the job record", fields.JPEGDecoder, r.j.JPEGDecoder)
	}
	s.JPEGDecoder = ""
	old, err := encodeRecord(&s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseSuccess(r.st, old); err != nil {
		t.Errorf("ReadSuccess() without the field = %v", err)
	}
}
