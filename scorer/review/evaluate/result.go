package evaluate

// Result is how well labels agree with a truth.
//
// An image is judged if it has an answer and a truth. Images that failed are not judged: they
// lower Coverage, and neither Accuracy nor the recall of a class. AccuracyOfAll counts them as
// wrong.
type Result struct {
	Images  int `json:"images"`   // rows
	NoTruth int `json:"no_truth"` // rows of which the truth is not known
	// NoAnswer are rows with a truth of which the image failed.
	NoAnswer int `json:"no_answer"`
	Judged   int `json:"judged"` // the other rows

	// Accuracy is the share of the judged images whose best class is right.
	Accuracy Interval `json:"accuracy"`
	// Coverage is the share of the images with a truth that are judged.
	Coverage Interval `json:"coverage"`
	// AccuracyOfAll is the share of the images with a truth whose best class is right.
	AccuracyOfAll Interval `json:"accuracy_of_all"`
	// TopK has an entry for k of 1, 2, 3, 5 and 10 up to the length of the shortest list of
	// classes of a judged image.
	TopK []TopAccuracy `json:"topk"`

	// Classes are the labels of truths and answers, those of most images in truth first.
	Classes []ClassResult `json:"classes"`
	// Macro is the mean over the classes, each counting the same; Weighted weighs each by its
	// images in truth; Micro counts all decisions together, and equals the accuracy. A precision
	// or recall that does not exist counts as 0, as in scikit-learn by default.
	Macro    Averages `json:"macro"`
	Weighted Averages `json:"weighted"`
	Micro    Averages `json:"micro"`

	Confusion Confusion `json:"confusion"`
	// Calibration compares scores of the best class with how often it is right.
	Calibration Calibration `json:"calibration"`
	// Thresholds are those of all judged images together, for each wanted precision.
	Thresholds []Threshold `json:"thresholds"`

	Folded
}

// Folded counts the images that are in no class or cell of their own, because there are too many.
type Folded struct {
	// Labels are images with a label beyond MaxLabels or, in truth or answer, one whose text is
	// beyond MaxLabelBytes in all. They count in every figure of all images, but in no class.
	Labels int `json:"folded_labels,omitempty"`
	// Pairs are images that are in no cell of the confusion, or in no flip, as there were more
	// than MaxPairs of them.
	Pairs int `json:"folded_pairs,omitempty"`
}

// TopAccuracy is the share of the judged images for which one of the K best classes is right.
type TopAccuracy struct {
	K        int      `json:"k"`
	Accuracy Interval `json:"accuracy"`
}

// ClassResult is how well one class is told from the others, over the judged images.
type ClassResult struct {
	Label string `json:"label"`
	// Truth are the judged images that are of the class, Predicted those that are said to be,
	// and Correct both. NoAnswer are the images of the class that failed.
	Truth     int `json:"truth"`
	Predicted int `json:"predicted"`
	Correct   int `json:"correct"`
	NoAnswer  int `json:"no_answer"`
	// Precision is Correct/Predicted, Recall is Correct/Truth, and F1 is
	// 2*Correct/(Truth+Predicted).
	Precision Interval `json:"precision"`
	Recall    Interval `json:"recall"`
	F1        Value    `json:"f1"`
	// Thresholds are those of the images that are said to be of the class. One that fewer than
	// LeastAbove of them reach is not Reached.
	Thresholds []Threshold `json:"thresholds"`
}

// Averages are those of the classes.
type Averages struct {
	Precision Value `json:"precision"`
	Recall    Value `json:"recall"`
	F1        Value `json:"f1"`
}

// Confusion counts judged images by truth and answer.
type Confusion struct {
	// Cells are those that are not empty, with most images first; then by labels. Those on the
	// diagonal are among them.
	Cells []Cell `json:"cells"`
	// Matrix has the largest classes.
	Matrix Matrix `json:"matrix"`
}

// Cell is how many images are of one label and are given another, or the same.
type Cell struct {
	Truth     string `json:"truth"`
	Predicted string `json:"predicted"`
	Images    int    `json:"images"`
}

// Matrix counts images by two labels, of which there are at most MatrixLabels. If Others is not
// 0, the last row and the last column are of all other labels together, and Others is their
// number.
type Matrix struct {
	Labels []string `json:"labels"`
	Others int      `json:"others,omitempty"`
	// Counts has a row for each label in truth, or of the other output, and a column for each
	// in the answer.
	Counts [][]int `json:"counts"`
}

// MatrixLabels is how many labels of a Matrix have a row of their own.
const MatrixLabels = 20

// Calibration compares scores of the best class with how often that class is right.
type Calibration struct {
	// Images are the judged ones that have a score.
	Images int `json:"images"`
	// NoScore are judged images whose score is not a number.
	NoScore int `json:"no_score,omitempty"`
	// Outside are images whose score is below 0 or above 1. They are in the first or last bin.
	Outside int `json:"outside,omitempty"`
	// Bins are ReliabilityBins bins of the same width from 0 to 1.
	Bins []Bin `json:"bins"`
	// ECE is the expected calibration error: the mean over all images of the distance between
	// MeanScore and Accuracy of their bin. MCE is the largest such distance.
	ECE Value `json:"ece"`
	MCE Value `json:"mce"`
	// Brier is the mean of (score - 1)² of the right and score² of the wrong answers: 0 is best.
	Brier Value `json:"brier"`
}

// ReliabilityBins is how many bins a Calibration has.
const ReliabilityBins = 15

// Bin is the images whose score is at least From and below To; 1 is in the last one.
type Bin struct {
	From      float64  `json:"from"`
	To        float64  `json:"to"`
	Images    int      `json:"images"`
	MeanScore Value    `json:"mean_score"`
	Accuracy  Interval `json:"accuracy"`
}

// Threshold is the lowest score from which on answers have a wanted precision.
type Threshold struct {
	Wanted float64 `json:"wanted"`
	// Reached reports whether there is such a score. Without one, the fields below are 0.
	Reached bool `json:"reached"`
	// Score is the lowest score of which the answers with that score or a higher one are right
	// at least as often as wanted. All images of one score are on the same side.
	Score     float32  `json:"score"`
	Precision Interval `json:"precision"`
	// Remain are the answers with that score or a higher one, and Share their share.
	Remain int     `json:"remain"`
	Share  float64 `json:"share"`
}
