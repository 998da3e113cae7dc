// Package output is what lies in an output folder: job record, manifest,
// claims, parts, _SUCCESS; and what can be said of them: verify and merge.
package output

// Statuses that storage, not decoding, gives a row. Those of decoding are
// preprocess.Status values.
const (
	StatusOK         = "ok"
	StatusNotFound   = "not_found"  // deleted after the listing
	StatusChanged    = "changed"    // replaced after the listing
	StatusUnreadable = "unreadable" // the store refuses or fails to give this one object
)

// Row is the one result of one image. Rows of a part stand in manifest order.
type Row struct {
	Path string `json:"path"`
	// PathBase64 holds the exact bytes of a path that is not valid UTF-8, in
	// which case Path has U+FFFD in place of what could not be shown.
	PathBase64 string  `json:"path_base64,omitempty"`
	Size       int64   `json:"size"` // bytes, as listed in the manifest
	Status     string  `json:"status"`
	Label      string  `json:"label"`
	ClassID    int     `json:"class_id"` // -1 unless Status is ok
	Score      float32 `json:"score"`    // probability, 0 to 1
	TopK       []Class `json:"topk"`
	Error      string  `json:"error"` // empty when Status is ok
}

// Class is one of the best classes of an image.
type Class struct {
	ClassID int     `json:"class_id"`
	Label   string  `json:"label"`
	Score   float32 `json:"score"`
}
