package golist

import (
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	type listed struct{ Name string }
	found, err := List[listed](t.Context(), nil, "-json=Name", "sort", "strings")
	if err != nil || len(found) != 2 || found[0].Name != "sort" || found[1].Name != "strings" {
		t.Errorf("List() = %v, %v", found, err)
	}
	if _, err := List[listed](t.Context(), []string{"GOFLAGS=-mod=nonsense"}, "-json", "sort"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("with wrong variables: %v", err)
	}
}
