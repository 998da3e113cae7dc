package azblob

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/store"
)

const (
	// maxPage is the most blobs that the service puts on one page.
	maxPage = 5000
	// dividePages is after how many pages a longer listing is divided into folders
	// that are listed in parallel. That costs one more request for each folder, and
	// these pages are listed twice.
	dividePages = 4
	// maxFolders is the most folders that a listing is divided into. If there are
	// more, most hold less than a page, and one listing of all takes fewer requests.
	maxFolders = 64
	// listers is how many folders are listed at once.
	listers = 8
	// maxDescent is how many levels of folders that hold only one folder are
	// entered in search of several.
	maxDescent = 4
)

var _ store.PagedLister = (*Store)(nil)

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return s.ListPages(ctx, prefix, store.Once, fn)
}

// listing is one call of ListPages.
type listing struct {
	*Store
	retry store.Retry
	fn    func(store.Object) error
	pass  func(name string)
}

// ListPages implements store.PagedLister. If there are many pages, and the rest
// of the blobs is in a few folders, it lists these folders in parallel. It relies
// on no order of blobs, since accounts with a hierarchical namespace have another
// one. One goroutine at a time calls fn.
func (s *Store) ListPages(ctx context.Context, prefix string, retry store.Retry, fn func(store.Object) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l := listing{s, retry, fn, func(name string) { store.Pass(ctx, name, store.FolderMarker) }}
	if strings.ContainsFunc(prefix, notInXML) || !utf8.ValidString(prefix) {
		l.fn = func(store.Object) error { return nil }
		return l.pages(ctx, "", l.each) // no blob has such a name; is the container there?
	}
	var (
		pages  int
		listed = map[string]bool{} // on the pages that came before the division
	)
	err := l.pages(ctx, prefix, func(items []*container.BlobItem) error {
		if pages == dividePages {
			folders, err := l.folders(ctx, prefix)
			if err != nil {
				return err
			}
			if folders != nil {
				return &division{folders}
			}
			listed = nil // all in one
		}
		pages++
		for _, item := range items {
			if pages <= dividePages {
				listed[value(item.Name)] = true
			}
		}
		return l.each(items)
	})
	var d *division
	if !errors.As(err, &d) {
		return err
	}
	return l.inParallel(ctx, d.folders, listed)
}

// division is the error that ends a listing by pages, whose rest is then listed by
// folders.
type division struct{ folders []string }

func (*division) Error() string { return "the listing divides" }

// folders returns the few folders that hold everything beneath prefix, or nil if
// there are too many of them or blobs next to them.
func (l listing) folders(ctx context.Context, prefix string) ([]string, error) {
	for range maxDescent {
		page, err := next(ctx, l, prefix, func() *runtime.Pager[container.ListBlobsHierarchyResponse] {
			return l.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{
				Prefix: pointer(l.place.Prefix + prefix), MaxResults: &l.page,
			})
		})
		if err != nil {
			return nil, err
		}
		prefixes := page.Segment.BlobPrefixes
		if value(page.NextMarker) != "" || len(page.Segment.BlobItems) > 0 || len(prefixes) > maxFolders {
			return nil, nil
		}
		var folders []string
		for _, p := range prefixes {
			folders = append(folders, strings.TrimPrefix(value(p.Name), l.place.Prefix))
		}
		if len(folders) != 1 {
			return folders, nil
		}
		prefix = folders[0]
	}
	return nil, nil
}

// inParallel lists folders, except for the blobs that were listed before.
func (l listing) inParallel(ctx context.Context, folders []string, listed map[string]bool) error {
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
				return l.each(slices.DeleteFunc(items, func(i *container.BlobItem) bool { return listed[value(i.Name)] }))
			})
		})
	}
	return group.Wait()
}

// request is a request for a page.
type request struct {
	marker string
	peeked chan string // gets the marker of the page after it, before it is decoded
	done   chan answer
}

type answer struct {
	page container.ListBlobsFlatResponse
	err  error
}

// ask requests the page that begins at a marker.
func (l listing) ask(ctx context.Context, prefix, marker string) *request {
	r := &request{marker: marker, peeked: make(chan string, 1), done: make(chan answer, 1)}
	ctx = withPeek(ctx, func(marker string) {
		select {
		case r.peeked <- marker:
		default: // an earlier try found it
		}
	})
	o := &container.ListBlobsFlatOptions{Prefix: pointer(l.place.Prefix + prefix), MaxResults: &l.page,
		Include: container.ListBlobsInclude{Metadata: true}} // for isMarker
	if marker != "" {
		o.Marker = &marker
	}
	go func() {
		page, err := next(ctx, l, prefix, func() *runtime.Pager[container.ListBlobsFlatResponse] {
			return l.client.NewListBlobsFlatPager(o)
		})
		r.done <- answer{page, err}
	}()
	return r
}

// pages calls fn with every page of the blobs beneath prefix. While fn works on a
// page, the next one is on its way.
func (l listing) pages(ctx context.Context, prefix string, fn func([]*container.BlobItem) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the request for a page that is not wanted
	for now := l.ask(ctx, prefix, ""); ; {
		var got answer
		var ahead *request
		select {
		case marker := <-now.peeked:
			ahead = l.ask(ctx, prefix, marker)
			got = <-now.done
		case got = <-now.done:
		}
		if got.err != nil {
			return got.err
		}
		if err := fn(got.page.Segment.BlobItems); err != nil {
			return err
		}
		marker := value(got.page.NextMarker)
		if marker == "" {
			return nil
		}
		if marker == now.marker {
			return fmt.Errorf("list %s: the storage names a page as the one that follows it, which would have no end: ask whoever runs it", l.Store)
		}
		if ahead == nil || ahead.marker != marker {
			ahead = l.ask(ctx, prefix, marker)
		}
		now = ahead
	}
}

// next requests one page. Each try has a new pager and takes its first page, since
// a pager that failed once always fails.
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

// each calls the function of the listing with the blobs of a page.
func (l listing) each(items []*container.BlobItem) error {
	for _, item := range items {
		name, ok := strings.CutPrefix(value(item.Name), l.place.Prefix)
		p := item.Properties
		if !ok || p == nil || p.ETag == nil || p.ContentLength == nil || p.LastModified == nil {
			return fmt.Errorf("list %s: %w", l.Store, errIncomplete)
		}
		if name == "" || value(p.ResourceType) == "directory" {
			continue // a folder of an account with a hierarchical namespace
		}
		if *p.ContentLength == 0 && isMarker(item.Metadata) {
			l.pass(name)
			continue
		}
		err := l.fn(store.Object{Name: name, Size: *p.ContentLength, ETag: bare(p.ETag), MD5: string(p.ContentMD5), Modified: p.LastModified.UTC()})
		if err != nil {
			return err
		}
	}
	return nil
}

// isMarker reports whether a blob represents a folder, by the metadata that
// Hadoop's drivers and others write.
func isMarker(metadata map[string]*string) bool {
	for name, v := range metadata {
		if strings.EqualFold(name, "hdi_isfolder") && strings.EqualFold(value(v), "true") {
			return true
		}
	}
	return false
}

var errIncomplete = errors.New("the service listed a blob without its name, size, ETag or date: is this the endpoint of blob storage?")

func pointer[T any](v T) *T { return &v }
