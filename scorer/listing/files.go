package listing

// Files says which objects of a place are taken for images.
type Files string

const (
	// TenEndings is that of jobs begun before there was a choice: it takes ten
	// endings and nothing beneath a link to a folder.
	TenEndings Files = ""
	// Pictures takes every ending of a picture.
	Pictures Files = "pictures"
	// AllFiles takes every object, whatever its name.
	AllFiles Files = "all"
)
