package export

// Options say what formats write, where a user can choose.
type Options struct {
	// URLs is one of URLForms: how addresses of images are spelled for tools that load
	// them; empty chooses by where the images are.
	URLs string
	// Served is the folder that a tool serves files of this machine from.
	Served string
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
