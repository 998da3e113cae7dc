package azblob

import (
	"bytes"
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/batchscore/batchscore/scorer/store"
)

var _ store.Replacer = (*Store)(nil)

// Replace implements store.Replacer.
func (s *Store) Replace(ctx context.Context, name string, body []byte, etag string) (store.Object, error) {
	if err := s.checkChange(ctx, opReplace, name); err != nil {
		return store.Object{}, err
	}
	resp, err := s.blob(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)),
		&blockblob.UploadOptions{AccessConditions: ifMatch(etag)})
	if err != nil {
		return store.Object{}, s.fail(ctx, opReplace, name, s.gone(ctx, name, err))
	}
	return store.Object{Name: name, Size: int64(len(body)), ETag: bare(resp.ETag), Modified: value(resp.LastModified).UTC()}, nil
}

// Delete implements store.Replacer.
func (s *Store) Delete(ctx context.Context, name, etag string) error {
	if err := s.checkChange(ctx, opDelete, name); err != nil {
		return err
	}
	if _, err := s.blob(name).Delete(ctx, &blob.DeleteOptions{AccessConditions: ifMatch(etag)}); err != nil {
		return s.fail(ctx, opDelete, name, s.gone(ctx, name, err))
	}
	return nil
}

func (s *Store) checkChange(ctx context.Context, op operation, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkName(s.place.Prefix + name); err != nil {
		return fmt.Errorf("%s %q in %s: %w: %w", op, name, s, store.ErrNotExist, err)
	}
	return nil
}

// ifMatch returns the condition that a blob has that ETag.
func ifMatch(etag string) *blob.AccessConditions {
	quoted := azcore.ETag(`"` + etag + `"`)
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &quoted}}
}

// gone returns the error of a blob that does not exist if that is why a condition
// was not met, and err otherwise.
func (s *Store) gone(ctx context.Context, name string, err error) error {
	if bloberror.HasCode(err, bloberror.ConditionNotMet) {
		if _, gone := s.blob(name).GetProperties(ctx, nil); gone != nil {
			return gone
		}
	}
	return err
}
