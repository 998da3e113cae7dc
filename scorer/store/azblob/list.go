package azblob

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

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

// List implements store.Store. It looks at the first level of folders beneath
// prefix and, if they are few, lists them side by side, each by pages; else all
// by pages. fn is called by one goroutine at a time.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if strings.ContainsFunc(prefix, notInXML) || strings.ToValidUTF8(prefix, "") != prefix {
		return s.flat(ctx, "", func(store.Object) error { return nil }) // no blob has such a name; is the container there?
	}
	return s.divide(ctx, prefix, 0, fn)
}

// divide lists the folders beneath prefix side by side where that pays.
func (s *Store) divide(ctx context.Context, prefix string, depth int, fn func(store.Object) error) error {
	pages := s.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{
		Prefix: pointer(s.place.Prefix + prefix), MaxResults: &s.page,
	})
	var folders []string
	for first := true; pages.More(); first = false {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.fail(ctx, opList, prefix, err)
		}
		for _, p := range page.Segment.BlobPrefixes {
			if folder := value(p.Name); len(folders) == 0 || folders[len(folders)-1] != folder {
				folders = append(folders, strings.TrimPrefix(folder, s.place.Prefix))
			}
		}
		// Nothing was handed out yet, so the other way is open.
		if first && len(folders) > maxFolders {
			return s.flat(ctx, prefix, fn)
		}
		if err := s.each(page.Segment.BlobItems, fn); err != nil {
			return err
		}
	}
	if len(folders) == 1 && depth < maxDescent {
		return s.divide(ctx, folders[0], depth+1, fn)
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listers)
	for _, folder := range folders {
		group.Go(func() error {
			return s.pages(ctx, folder, func(items []*container.BlobItem) error {
				mu.Lock()
				defer mu.Unlock()
				if err := ctx.Err(); err != nil {
					return err // another folder's listing failed, or fn did
				}
				return s.each(items, fn)
			})
		})
	}
	return group.Wait()
}

// flat lists everything beneath prefix page by page.
func (s *Store) flat(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return s.pages(ctx, prefix, func(items []*container.BlobItem) error { return s.each(items, fn) })
}

// pages calls fn with every page of what lies beneath prefix.
func (s *Store) pages(ctx context.Context, prefix string, fn func([]*container.BlobItem) error) error {
	pages := s.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: pointer(s.place.Prefix + prefix), MaxResults: &s.page,
	})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.fail(ctx, opList, prefix, err)
		}
		if err := fn(page.Segment.BlobItems); err != nil {
			return err
		}
	}
	return nil
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
