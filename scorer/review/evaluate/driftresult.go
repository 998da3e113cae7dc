package evaluate

// Drift is how the answers of one output differ from those of another: Here is the output that
// is looked at, There is the one that it is compared with.
type Drift struct {
	Here      int `json:"here"`  // rows of the output
	There     int `json:"there"` // rows of the other output
	Both      int `json:"both"`  // images that have a row in both
	OnlyHere  int `json:"only_here"`
	OnlyThere int `json:"only_there"`

	// Compared are the images that have an answer in both. Same have the same label, and
	// Flipped another one.
	Compared int `json:"compared"`
	Same     int `json:"same"`
	Flipped  int `json:"flipped"`
	// FlipShare is Flipped of Compared.
	FlipShare Interval `json:"flip_share"`
	// Flips are the pairs of labels, with most images first. Matrix has the largest labels,
	// those that stayed the same included; its rows are of the other output.
	Flips  []Flip `json:"flips"`
	Matrix Matrix `json:"matrix"`
	// StatusChanges are images in both outputs with another status.
	StatusChanges []StatusChange `json:"status_changes"`

	// Labels are those of the answers of either output, with most images here and there first.
	Labels []LabelDrift `json:"labels"`
	// New are the labels that only this output has, Vanished those that only the other has.
	New      []string `json:"new"`
	Vanished []string `json:"vanished"`
	// Label and Score are how far the shares of labels, and of scores of the best class in
	// Scores, are apart. All answers count, also of images that only one output has.
	Label  Distance   `json:"label"`
	Score  Distance   `json:"score"`
	Scores []ScoreBin `json:"scores"`
	// MeanScoreChange is the mean of the differences of the scores of the compared images, here
	// less there; MeanScoreMoved is that of their sizes.
	MeanScoreChange Value `json:"mean_score_change"`
	MeanScoreMoved  Value `json:"mean_score_moved"`
	// NoScore are answers of either output whose score is not a number. They are in no bin.
	NoScore int `json:"no_score,omitempty"`

	Folded
}

// Flip is how many images had one label there and have another here.
type Flip struct {
	From   string `json:"from"` // there
	To     string `json:"to"`   // here
	Images int    `json:"images"`
}

// StatusChange is how many images had one status there and have another here.
type StatusChange struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Images int    `json:"images"`
}

// LabelDrift is how many answers of each output have a label, and their share of the answers.
type LabelDrift struct {
	Label      string `json:"label"`
	Here       int    `json:"here"`
	There      int    `json:"there"`
	HereShare  Value  `json:"here_share"`
	ThereShare Value  `json:"there_share"`
}

// Told reports whether the index is above its noise.
func (d *Distance) Told() bool { return d.PSI.Known() && d.Noise.Known() && d.PSI > d.Noise }

// Distance is how far two distributions are apart. It does not exist if one of them is empty.
type Distance struct {
	// PSI is the population stability index, the sum of (here - there) * ln(here/there) over
	// the shares. A share of 0 counts as 0.0001, or as a millionth of the smallest other share
	// of the same output if that is at most 0.0001; this is the rule of evidently. By a common
	// rule of thumb, below 0.1 is little, and from 0.2 on is much.
	PSI Value `json:"psi"`
	// Noise is the index that two samples of one distribution stay below in 95% of all cases, if
	// they have as many images as these: a PSI that is not above it may be chance. It falls with
	// the number of images, and grows with that of labels or bins.
	Noise Value `json:"noise"`
	// JS is the Jensen-Shannon divergence in bits, from 0 to 1: 1 if nothing is in common.
	// JSDistance is its square root.
	JS         Value `json:"js"`
	JSDistance Value `json:"js_distance"`
}

// ScoreBins is how many bins of the same width Drift has for scores.
const ScoreBins = 20

// ScoreBin is how many answers of each output have a score of at least From and below To. The
// last bin holds 1; scores outside of 0 to 1 are in the first or last one.
type ScoreBin struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Here  int     `json:"here"`
	There int     `json:"there"`
}
