package azblob

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/store"
)

const (
	// maxPage is how many blobs the service puts on one page at most.
	maxPage = 5000
	// maxFolders is into how many folders a listing divides at most. With more
	// of them, most hold less than a page, and one listing of all takes fewer
	// requests.
	maxFolders = 64
	// listers is how many folders are listed at once.
	listers = 8
	// maxDescent is how many folders that hold one folder only are entered
	// before the listing no longer divides.
	maxDescent = 4
)

var _ store.Lister = (*Store)(nil)

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	once := func(ctx context.Context, request func(context.Context) error) error { return request(ctx) }
	return s.ListWith(ctx, prefix, once, fn)
}

// listing is one call of ListWith.
type listing struct {
	*Store
	retry store.Retry
	fn    func(store.Object) error
}

// ListWith implements store.Lister. It looks at the first level of folders beneath
// prefix and, if they are few, lists them side by side, each by pages; else all
// by pages. fn is called by one goroutine at a time.
func (s *Store) ListWith(ctx context.Context, prefix string, retry store.Retry, fn func(store.Object) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if strings.ContainsFunc(prefix, notInXML) || strings.ToValidUTF8(prefix, "") != prefix {
		l := listing{s, retry, func(store.Object) error { return nil }}
		return l.flat(ctx, "") // no blob has such a name; is the container there?
	}
	return listing{s, retry, fn}.divide(ctx, prefix, 0)
}

// divide lists the folders beneath prefix side by side where that pays.
func (l listing) divide(ctx context.Context, prefix string, depth int) error {
	var folders []string
	var marker *string
	for first := true; first || value(marker) != ""; first = false {
		page, err := next(ctx, l, prefix, func() *runtime.Pager[container.ListBlobsHierarchyResponse] {
			return l.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{
				Prefix: pointer(l.place.Prefix + prefix), MaxResults: &l.page, Marker: marker,
			})
		})
		if err != nil {
			return err
		}
		marker = page.NextMarker
		for _, p := range page.Segment.BlobPrefixes {
			if folder := value(p.Name); len(folders) == 0 || folders[len(folders)-1] != folder {
				folders = append(folders, strings.TrimPrefix(folder, l.place.Prefix))
			}
		}
		// Nothing was handed out yet, so the other way is open.
		if first && len(folders) > maxFolders {
			return l.flat(ctx, prefix)
		}
		if err := l.each(page.Segment.BlobItems, l.fn); err != nil {
			return err
		}
	}
	if len(folders) == 1 && depth < maxDescent {
		return l.divide(ctx, folders[0], depth+1)
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listers)
	for _, folder := range folders {
		group.Go(func() error {
			return l.pages(ctx, folder, func(items []*container.BlobItem) error {
				mu.Lock()
				defer mu.Unlock()
				if err := ctx.Err(); err != nil {
					return err // another folder's listing failed, or fn did
				}
				return l.each(items, l.fn)
			})
		})
	}
	return group.Wait()
}

// flat lists everything beneath prefix page by page.
func (l listing) flat(ctx context.Context, prefix string) error {
	return l.pages(ctx, prefix, func(items []*container.BlobItem) error { return l.each(items, l.fn) })
}

// pages calls fn with every page of what lies beneath prefix.
func (l listing) pages(ctx context.Context, prefix string, fn func([]*container.BlobItem) error) error {
	var marker *string
	for first := true; first || value(marker) != ""; first = false {
		page, err := next(ctx, l, prefix, func() *runtime.Pager[container.ListBlobsFlatResponse] {
			return l.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
				Prefix: pointer(l.place.Prefix + prefix), MaxResults: &l.page, Marker: marker,
			})
		})
		if err != nil {
			return err
		}
		marker = page.NextMarker
		if err := fn(page.Segment.BlobItems); err != nil {
			return err
		}
	}
	return nil
}

// next asks for one page, which is the first of a pager made for each try: one
// that failed once gives no other answer ever after.
func next[T any](ctx context.Context, l listing, prefix string, pager func() *runtime.Pager[T]) (page T, err error) {
	err = l.retry(ctx, func(ctx context.Context) error {
		var err error
		if page, err = pager().NextPage(ctx); err != nil {
			return l.fail(ctx, opList, prefix, err)
		}
		return nil
	})
	return page, err
}

// each hands out the blobs of a page.
func (s *Store) each(items []*container.BlobItem, fn func(store.Object) error) error {
	for _, item := range items {
		name, ok := strings.CutPrefix(value(item.Name), s.place.Prefix)
		p := item.Properties
		if !ok || p == nil || p.ETag == nil || p.ContentLength == nil || p.LastModified == nil {
			return fmt.Errorf("list %s: %w", s, errIncomplete)
		}
		if name == "" || value(p.ResourceType) == "directory" {
			continue
		}
		err := fn(store.Object{Name: name, Size: *p.ContentLength, ETag: bare(p.ETag), Modified: *p.LastModified})
		if err != nil {
			return err
		}
	}
	return nil
}

var errIncomplete = errors.New("the service listed a blob without its name, size, ETag or date: is this the endpoint of blob storage?")

func pointer[T any](v T) *T { return &v }
