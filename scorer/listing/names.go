package listing

import (
	"path"
	"regexp"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/store"
)

// tenEndings are the endings that TenEndings takes, in lower case. They
// never change: jobs begun with them must list the same images again.
var tenEndings = map[string]bool{
	".jpg": true, ".jpeg": true, ".jpe": true, ".jfif": true, ".png": true, ".gif": true,
	".bmp": true, ".tif": true, ".tiff": true, ".webp": true,
}

// systemFolders are folders that programs keep next to a user's pictures:
// thumbnails, copies, and deleted files.
var systemFolders = map[string]bool{
	"@eaDir": true, "#recycle": true, "#snapshot": true, "$RECYCLE.BIN": true, "System Volume Information": true,
	"__MACOSX": true, ".Trash": true, ".Trashes": true, ".Spotlight-V100": true, ".fseventsd": true,
	".TemporaryItems": true, ".DocumentRevisions-V100": true, ".thumbnails": true, ".snapshot": true,
	".snapshots": true, ".zfs": true, ".git": true, ".ipynb_checkpoints": true, "lost+found": true,
}

// Hidden reports whether a file belongs to the system or is hidden, so that nobody takes
// its folder for one in use.
func Hidden(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.HasPrefix(first, ".") || systemFolders[first]
}

// documents are names without an ending that no picture has, in lower case. Other
// names without one are taken: collections name pictures by digest or number.
var documents = map[string]bool{
	"readme": true, "license": true, "licence": true, "copying": true, "notice": true, "authors": true,
	"changelog": true, "makefile": true, "dockerfile": true, "_success": true, "md5sums": true, "sha256sums": true,
}

// Reasons for passing over an object, besides NotAPicture. They are
// recorded in _SUCCESS.
const (
	appleDouble     = "AppleDouble (attributes that macOS keeps of another file)"
	beneathLinks    = "beneath a linked folder"
	inFolder        = "in "     // and the name of a system folder
	freedesktopID   = ".Trash-" // and a user's number
	freedesktopName = ".Trash"
	ofResult        = "of a result"
)

// resultPart matches the names of parts of a result, without their folder.
var resultPart = regexp.MustCompile(`^part-([0-9]{5}|[0-9]{7})\.(jsonl|csv|parquet)$`)

// inResult reports whether a name is one that a job gives in its output folder, which
// may be among the images. Package output says which names these are.
func inResult(name string) bool {
	base := path.Base(name)
	return base == "_SUCCESS" || resultPart.MatchString(base) || strings.HasPrefix(name, "_batchscore/") || strings.Contains(name, "/_batchscore/")
}

// passedOver returns why an object is not taken for an image, or "" if it is
// taken. Only its name, size and links count here; decoding decides later
// whether its content is an image.
func passedOver(files Files, o *store.Object) string {
	switch {
	case strings.HasSuffix(o.Name, "/") && o.Size == 0:
		return string(store.FolderMarker)
	case files != TenEndings && inResult(o.Name):
		return ofResult
	case files == AllFiles:
		return ""
	case files == TenEndings && o.Linked:
		return beneathLinks
	case files == TenEndings && !tenEndings[strings.ToLower(path.Ext(o.Name))]:
		return NotAPicture
	case files == TenEndings:
		return ""
	}
	base := o.Name
	for {
		folder, rest, ok := strings.Cut(base, "/")
		if !ok {
			break
		}
		if systemFolders[folder] {
			return inFolder + folder
		}
		if strings.HasPrefix(folder, freedesktopID) {
			return inFolder + freedesktopName
		}
		base = rest
	}
	noEnding := strings.TrimSuffix(path.Ext(base), ".") == ""
	switch {
	case strings.HasPrefix(base, "._"):
		return appleDouble
	case noEnding && !documents[strings.ToLower(base)], preprocess.KnownExtension(base):
		return ""
	}
	return NotAPicture
}
