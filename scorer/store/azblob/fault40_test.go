package azblob_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestFault40_FolderMarkers passes over the empty blobs by which other programs mark
// folders.
func TestFault40_FolderMarkers(t *testing.T) {
	server := azuritetest.Start(t)
	container := server.Container(t)
	client := server.Client().NewContainerClient(container)
	yes, no, mine := "true", "false", "x"
	for name, blob := range map[string]struct {
		body     string
		metadata map[string]*string
	}{
		"2019.jpg":          {body: "", metadata: map[string]*string{"hdi_isfolder": &yes}},
		"2020":              {body: "", metadata: map[string]*string{"Hdi_IsFolder": &yes, "owner": &mine}},
		"2019.jpg/a.jpg":    {body: "x", metadata: nil},
		"empty.jpg":         {body: "", metadata: map[string]*string{"owner": &mine}},
		"no-folder.jpg":     {body: "", metadata: map[string]*string{"hdi_isfolder": &no}},
		"not-empty.jpg":     {body: "x", metadata: map[string]*string{"hdi_isfolder": &yes}},
		"ends in a slash/":  {body: "", metadata: nil},
		"ends in a slash/b": {body: "x", metadata: nil},
	} {
		_, err := client.NewBlockBlobClient(name).Upload(t.Context(), streaming.NopCloser(bytes.NewReader([]byte(blob.body))),
			&blockblob.UploadOptions{Metadata: blob.metadata})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{0, 1} { // with one blob a page, the listing divides
		o := server.Options(t, container, "")
		o.PageSize = size
		var passed, names []string
		ctx := store.OnPassed(t.Context(), func(name string, why store.Reason) { passed = append(passed, string(why)+" "+name) })
		err := azuritetest.Open(t, o).List(ctx, "", func(o store.Object) error {
			names = append(names, o.Name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(passed)
		slices.Sort(names)
		if got, want := strings.Join(passed, ", "), "folder marker 2019.jpg, folder marker 2020"; got != want {
			t.Errorf("passed over %s, want %s", got, want)
		}
		want := []string{"2019.jpg/a.jpg", "empty.jpg", "ends in a slash/", "ends in a slash/b", "no-folder.jpg", "not-empty.jpg"}
		if !slices.Equal(names, want) {
			t.Errorf("listed %q, want %q", names, want)
		}
	}
}
