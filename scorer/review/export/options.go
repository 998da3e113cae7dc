package export

// Options say what formats write, where a user can choose.
type Options struct {
	// URLs says how addresses of images are spelled; see URLForms.
	URLs string
	// Link makes copies of images in the folder links to them, where the collection is a
	// folder of this machine.
	Link bool
	// PerFile is how many images a file has, in formats that are split in files; 0 is the
	// default of the format.
	PerFile int
	// Validation is the share of the images that are for validation and not for training,
	// from 0 to 1, in formats that tell them apart.
	Validation float64
}
