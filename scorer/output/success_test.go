package output

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/listing"
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
