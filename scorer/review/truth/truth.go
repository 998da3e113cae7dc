// Package truth reads what people know to be right: which label each image has. It reads
// tables, names of folders, and what annotation tools export.
//
// A reader of one form is one file of this package and one entry in forms. It finds a form
// by what a file holds, and calls add for each image that has a label.
package truth

// Adder takes what a file says of one image: its name, as the file spells it, and its
// label. Where is the place in the file, such as "line 12". A label of "" means that the
// image is named and has none. The texts need not be valid longer than the call.
type Adder func(name, label, where string) error
