package models

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models/onnxfile"
)

// ending is what the end of a graph tells about the activation of its scores.
type ending struct{ onnxfile.Ending }

// activation returns what the scores are if the ending tells, and "" otherwise.
func (e ending) activation() Activation {
	switch {
	case e.Width == 1 || e.OverBatch:
		return ""
	case e.Op == "Softmax":
		return Probabilities
	case e.Op == "LogSoftmax":
		return Logits // a softmax turns logarithms of probabilities into probabilities
	case e.IsSigmoid():
		return Independent
	}
	return ""
}

// overrules reports whether the graph contradicts the activation of a preset. A
// preset answers for all models of its origin and so may be wrong for one of
// them.
func (e ending) overrules(preset Activation) bool {
	own := e.activation()
	return own != "" && own != preset || e.Width == 1 || e.OverBatch || e.IsProduct() && preset == Probabilities
}

// refuse returns the reason why rows of this ending cannot be what the answer
// from that origin says they are; nil if they can.
func (e ending) refuse(a Activation, from string) error {
	instead, because := "", ""
	if own := e.activation(); own != "" {
		instead = "say --activation " + string(own)
	}
	switch {
	case e.IsIndex():
		return fmt.Errorf("its graph %s: its output is numbers of classes, and no score says how likely they are;"+
			" export it without that operator", e)
	case e.Width == 1 && (a == Logits || a == Probabilities):
		because, instead = "one score for each image has no others to sum to 1 with; a softmax of it is 1 for every image", "say "+e.oneScoreFlags()
	case e.Op == "Softmax" && !e.OverBatch && (a == Logits || a == Sigmoid):
		function := "a softmax"
		if a == Sigmoid {
			function = "a sigmoid"
		}
		because = "they are probabilities already, and applying " + function + " again would flatten them"
	case e.Op == "LogSoftmax" && !e.OverBatch && a != Logits:
		because = "they are logarithms of probabilities"
	case e.IsSigmoid() && (a == Logits || a == Probabilities):
		because, instead = "they are independent of one another and do not sum to 1", "say --activation "+string(Independent)
	default:
		return nil
	}
	return fmt.Errorf("its scores cannot be %s (%s): its graph %s, so %s; %s", a, from, e, because, instead)
}

// oneScoreFlags returns the flags that answer for a model with one score per
// image.
func (e ending) oneScoreFlags() string {
	var ways []string
	if !e.IsSigmoid() {
		ways = append(ways, fmt.Sprintf("--activation %s (a raw score: a sigmoid is applied)", Sigmoid))
	}
	if !e.IsProduct() {
		ways = append(ways, fmt.Sprintf("--activation %s (from 0 to 1 as it is)", Independent))
	}
	return strings.Join(ways, " or ") + ", and --labels FILE with one label, that of the score, or two, those of 0 and of 1"
}

// question asks what the scores are, as far as the ending leaves that open.
func (e ending) question() Question {
	if e.Width == 1 {
		return Question{
			"what is its one score for each image? Its graph " + e.String() + "; a binary classifier's is for the second of two classes",
			e.oneScoreFlags(),
		}
	}
	ways := []string{
		fmt.Sprintf("--activation %s (one class per image: a softmax is applied)", Logits),
		fmt.Sprintf("--activation %s (any number of classes per image: a sigmoid is applied to each)", Sigmoid),
	}
	if !e.IsProduct() {
		ways = append(ways,
			fmt.Sprintf("--activation %s (they sum to 1 as they are)", Probabilities),
			fmt.Sprintf("--activation %s (each from 0 to 1 as it is)", Independent))
	}
	return Question{
		"what are its scores? Its graph " + e.String() + "; for a vector or measurements say --answer embed or --answer raw instead",
		strings.Join(ways, "\n      "),
	}
}
