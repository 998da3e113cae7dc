// Package embedding looks at the vectors that a model made of images: which images are
// nearly the same, and which are unlike the others with their label.
//
// The similarity of two images is the cosine of the angle between their vectors. Two images
// are near duplicates if it is at least Options.Similar. The distance of an outlier is one
// minus the cosine between its vector and the mean of all vectors with its label, each of
// which counts with length one. Vectors of length zero and vectors that hold infinities or
// no numbers are left out, and counted.
//
// Up to 60,000 images are all compared with each other: exactly, because bounds of the
// distance leave out only pairs that cannot be near duplicates. With 512 dimensions that takes
// 42 s of processor time with vectors like those of networks, and 190 s with vectors that have
// no common structure. Of more images, a fair sample is compared with all, in up to 10^9 pairs:
// with a million images of 256 dimensions that takes 34 s. FindDuplicates compares all rows
// with each other, however many. Vectors are read in blocks.
package embedding

// Rows calls fn for every row of an output in the order of its manifest, which is the order
// of the vectors. The label is empty for an image without result, whose vector is left out.
// Judge calls it twice. The strings are valid during the call only.
type Rows func(fn func(path, label string) error) error

// Options is what to look for. The zero value of each field means its default.
type Options struct {
	Similar    float64 // from which similarity on images are near duplicates: 0.95
	Duplicates int     // how many pairs to list, the most similar first: 200
	Groups     int     // how many groups to list, the largest first: 50
	Outliers   int     // how many outliers to list, the farthest first: 100
	Seed       uint64  // of the sample that is compared if there are too many images
	Workers    int     // how many processors to use: all
	// Progress is told which part of the images have been compared with all others, from 0 to
	// 1, by any goroutine; nil tells nobody.
	Progress func(part float64)
}

// Result is what Judge found.
type Result struct {
	Images     int `json:"images"`     // rows with a label and a vector that can be compared
	Dimensions int `json:"dimensions"` // of a vector
	LeftOut    int `json:"left_out"`   // rows without label, or with a vector that cannot be compared

	Similar float64 `json:"similar"` // from which similarity on two images are near duplicates
	// Compared is how many images were compared with all the others: all of Images, or a
	// fair sample of them, where near duplicates of images outside the sample with each
	// other are not found.
	Compared int `json:"compared"`
	// WithDuplicate is how many of Compared have at least one near duplicate.
	WithDuplicate int `json:"with_duplicate"`
	// Pairs is how many pairs are near duplicates. Of an image with very many near
	// duplicates not all are counted; Crowded is how many such images there are.
	Pairs   int `json:"pairs"`
	Crowded int `json:"crowded,omitempty"`

	Duplicates []Pair    `json:"duplicates,omitempty"` // the most similar first
	Groups     []Group   `json:"groups,omitempty"`     // the largest first
	Outliers   []Outlier `json:"outliers,omitempty"`   // the farthest first
}

// Pair is two near duplicates. A comes before B in the manifest.
type Pair struct {
	A          string  `json:"a"`
	B          string  `json:"b"`
	Similarity float64 `json:"similarity"`
}

// Group is images that near duplicates connect: each of them is a near duplicate of at least
// one other. Two images of a large group may differ more.
type Group struct {
	Images int      `json:"images"`
	Paths  []string `json:"paths"` // the first of them in the manifest, at most 20
}

// Outlier is an image that is unlike the others with its label.
type Outlier struct {
	Path     string  `json:"path"`
	Label    string  `json:"label"`
	Distance float64 `json:"distance"` // from 0, in the direction of the mean, to 2
}
