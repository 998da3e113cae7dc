package output

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"github.com/batchscore/batchscore/shard"
)

// Statuses that storage, not decoding, gives a row. Those of decoding are
// codec.Status values.
const (
	StatusOK       = "ok"
	StatusNotFound = "not_found" // deleted after the listing
	StatusChanged  = "changed"   // replaced after the listing
	// StatusQuarantined is given to an image on which workers keep dying.
	StatusQuarantined = "quarantined"
	StatusUnreadable  = "unreadable" // the store refuses or fails to give this one object
)

// Row is the one result of one image. Rows of a part stand in manifest order.
type Row struct {
	Path string `json:"path"`
	// PathBase64 holds the exact bytes of a path that is not valid UTF-8, in
	// which case Path has U+FFFD in place of what could not be shown.
	PathBase64 string  `json:"path_base64"`
	Size       int64   `json:"size"` // bytes, as listed in the manifest
	Status     string  `json:"status"`
	Label      string  `json:"label"`
	ClassID    int     `json:"class_id"` // -1 unless Status is ok
	Score      float32 `json:"score"`    // of Label, from 0 to 1
	TopK       []Class `json:"topk"`
	Error      string  `json:"error"` // empty when Status is ok
}

// Class is one of the best classes of an image.
type Class struct {
	ClassID int     `json:"class_id"`
	Label   string  `json:"label"`
	Score   float32 `json:"score"`
}

// Name is the path byte for byte, as the manifest has it. A PathBase64 that
// does not go with Path is an error.
func (r *Row) Name() (string, error) {
	if r.PathBase64 == "" {
		return r.Path, nil
	}
	b, err := base64.StdEncoding.DecodeString(r.PathBase64)
	if err != nil {
		return "", fmt.Errorf("path_base64 %q: %w", r.PathBase64, err)
	}
	name := string(b)
	if utf8.ValidString(name) || r.Path != name && r.Path != shown(name) {
		return "", fmt.Errorf("path_base64 %q is not the exact form of path %q", r.PathBase64, r.Path)
	}
	return name, nil
}

// written is the row as the formats write it: a path that is not valid UTF-8
// moved to PathBase64, every text valid UTF-8.
func (r Row) written() Row {
	if !utf8.ValidString(r.Path) {
		if r.PathBase64 == "" {
			r.PathBase64 = base64.StdEncoding.EncodeToString([]byte(r.Path))
		}
		r.Path = shown(r.Path)
	}
	r.Status, r.Label, r.Error = shown(r.Status), shown(r.Label), shown(r.Error)
	return r
}

// shown replaces every byte that is not UTF-8 by U+FFFD.
func shown(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// fits reports whether the row is the result of that entry.
func (r *Row) fits(e shard.Entry) bool {
	name, err := r.Name()
	return err == nil && name == e.Path && r.Size == e.Size
}

// cover reports whether rows are the results of those entries, in order, and what
// is wrong if not.
func cover(entries []shard.Entry, rows []Row) error {
	if len(rows) != len(entries) {
		return fmt.Errorf("%d rows for %d images", len(rows), len(entries))
	}
	for i, e := range entries {
		if !rows[i].fits(e) {
			return fmt.Errorf("row %d is %q of %d bytes, the manifest has %q of %d bytes",
				i, rows[i].Path, rows[i].Size, e.Path, e.Size)
		}
	}
	return nil
}
