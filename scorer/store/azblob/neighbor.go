package azblob

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/batchscore/batchscore/scorer/store"
)

var (
	_ store.Neighborly   = (*Store)(nil)
	_ store.FolderLister = (*Store)(nil)
)

// Neighbor implements store.Neighborly: the places of a container are in the same storage.
func (s *Store) Neighbor(place string) (store.Store, error) {
	folder, ok := strings.CutPrefix(strings.TrimSuffix(place, "/")+"/", scheme+s.place.Account+"/"+s.place.Container+"/")
	if store.IsRelative(place) {
		folder, ok = store.Join(strings.TrimSuffix(s.place.Prefix, "/"), place)
	}
	if !ok {
		return nil, store.OtherStorage(s, place)
	}
	if folder != "" && !strings.HasSuffix(folder, "/") {
		folder += "/"
	}
	to := s.place
	to.Prefix = folder
	n := &Store{place: to, signer: s.signer, client: s.client, address: s.address, source: s.source, via: s.via, page: s.page}
	n.answered.Store(s.answered.Load())
	return n, nil
}

// Folders implements store.FolderLister.
func (s *Store) Folders(ctx context.Context, in string, retry store.Retry, fn func(name string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l := listing{Store: s, retry: retry}
	for marker := (*string)(nil); ; {
		page, err := next(ctx, l, in, func() *runtime.Pager[container.ListBlobsHierarchyResponse] {
			return s.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{
				Prefix: pointer(s.place.Prefix + in), MaxResults: &s.page, Marker: marker,
			})
		})
		if err != nil {
			return err
		}
		for _, p := range page.Segment.BlobPrefixes {
			if err := fn(strings.TrimSuffix(strings.TrimPrefix(value(p.Name), s.place.Prefix+in), "/")); err != nil {
				return err
			}
		}
		if marker = page.NextMarker; value(marker) == "" {
			return nil
		}
	}
}
