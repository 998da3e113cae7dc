package patient_test

import (
	"errors"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/patient"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestFault02_LostAnswersOfChanges loses the answer of the first replace or delete
// that took effect. The next try finds that it did.
func TestFault02_LostAnswersOfChanges(t *testing.T) {
	place := new(mem.Store)
	lost := false
	lossy := &storetest.Faulty{Store: place, AfterChange: func(_ string, err error) error {
		if err == nil && !lost {
			lost = true
			return &store.Transient{Err: errors.New("connection reset")}
		}
		return err
	}}
	st := patient.New(lossy, patient.Options{First: 1})
	first := place.Put("part", []byte("first"))
	o, err := st.Replace(t.Context(), "part", []byte("second"), first.ETag)
	if err != nil || !lost || o.Size != 6 || st.Stats().Settled != 1 {
		t.Fatalf("Replace = %+v, %v, with the statistics %+v; want success after one lost answer", o, err, st.Stats())
	}
	if _, err := st.Replace(t.Context(), "part", []byte("third"), first.ETag); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Replace of an old version = %v, want ErrChanged", err)
	}
	lost = false
	if err := st.Delete(t.Context(), "part", o.ETag); err != nil || !lost {
		t.Errorf("Delete = %v, want success after a lost answer", err)
	}
	if err := st.Delete(t.Context(), "part", o.ETag); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Delete of what does not exist = %v, want ErrNotExist", err)
	}
}

// TestReplaceOfAnother replaces an object that another program replaced first. That
// object does not count as the store's own.
func TestReplaceOfAnother(t *testing.T) {
	place := new(mem.Store)
	first := place.Put("part", []byte("first"))
	tries := 0
	other := &storetest.Faulty{Store: place, AfterChange: func(_ string, err error) error {
		if tries++; tries == 1 {
			place.Put("part", []byte("another's"))
			return &store.Transient{Err: errors.New("connection reset")}
		}
		return err
	}}
	if _, err := patient.New(other, patient.Options{First: 1}).Replace(t.Context(), "part", []byte("second"), first.ETag); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Replace = %v, want ErrChanged", err)
	}
}
