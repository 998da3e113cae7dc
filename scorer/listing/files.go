package listing

// Files determines which objects of a store are taken for images.
type Files string

const (
	// TenEndings is for jobs begun before there was a choice. It takes names with one
	// of ten endings, and nothing beneath a link to a folder.
	TenEndings Files = ""
	// Pictures takes names with the ending of any picture format.
	Pictures Files = "pictures"
	// AllFiles takes every object, whatever its name.
	AllFiles Files = "all"
)
