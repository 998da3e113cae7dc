package models

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
)

// Question is something that must be known of a model and is not.
type Question struct {
	Text   string `json:"text"`
	Answer string `json:"answer"` // the flags that give it, with words to choose from
}

// Flag returns the name of the first flag of the answer.
func (q Question) Flag() string {
	flag, _, _ := strings.Cut(strings.TrimPrefix(q.Answer, "--"), " ")
	flag, _, _ = strings.Cut(flag, "=")
	return flag
}

// OpenQuestions is the error of a model about which something must be known that neither
// the graph nor any answer tells.
type OpenQuestions struct {
	Questions []Question
	text      string
}

func (e *OpenQuestions) Error() string { return e.text }

// openQuestions lists what neither the graph nor the answers tell.
func (m *Model) openQuestions(a *merged) []Question {
	var open []Question
	ask := func(unknown bool, text, answer string) {
		if unknown {
			open = append(open, Question{text, answer})
		}
	}
	ask(m.Layout == "", "which of its axes are the channels? Its graph leaves all of them open",
		"--layout NCHW (as PyTorch and Optimum export it) or --layout NHWC (as TensorFlow does)")
	ask(a.Width == nil || a.Height == nil,
		"how large is an image for this model? Its graph accepts any size", "--width PIXELS --height PIXELS")
	m.pixelQuestions(a, ask)
	ask(m.DType == preprocess.Float32 && a.Scale == nil && a.Mean == nil && a.Std == nil,
		"which range do its pixels have? value = (pixel*scale - mean) / std, where pixels are 0 to 255",
		"--scale 1 (as they are), --scale 1/255 (0 to 1), and --mean R,G,B --std R,G,B")
	switch {
	case a.Output != nil || a.is(Embed) || a.is(Raw):
	case a.is(Detect):
		ask(true, "what are the scores of its boxes?", "--activation logits (one class for each box: a softmax is applied),"+
			" --activation sigmoid (a sigmoid is applied), or --activation independent (from 0 to 1 as they are)")
	case a.is(MultiLabel):
		ask(true, "what are its scores? Its graph "+m.ending.String(),
			"--activation sigmoid (a sigmoid is applied to each) or --activation independent (each from 0 to 1 as it is)")
	default:
		open = append(open, m.ending.question())
	}
	ask(m.Contract.Classes == 0, "how many classes are there? Its graph does not say", "--labels FILE, with a label for each, or --labels imagenet")
	return open
}

// ask returns the error that spells the questions out. withPreset reports whether a
// preset was named, and own whether the file has a contract: then none is suggested.
func (m *Model) ask(open []Question, withPreset, own bool) error {
	var b strings.Builder
	what := fmt.Sprintf("carries no contract (metadata key %q), and", MetadataKey)
	if own {
		what = "carries a contract, which these flags change: more must be known, and"
	}
	fmt.Fprintf(&b, "%s its graph (%s%s %v -> %v) does not answer:\n", what, m.DType, strings.TrimSuffix(" "+string(m.Layout), " "), m.InputShape, m.OutputShape)
	for _, q := range open {
		fmt.Fprintf(&b, "  - %s\n      %s\n", q.Text, q.Answer)
	}
	fmt.Fprintf(&b, "answer with these flags, or in a file %s (the same keys, with _ for -)", sidecarPath(m.Path))
	if !withPreset && !own {
		b.WriteString(",\nor name where the model comes from: --preset " + strings.Join(PresetNames(), "|") +
			"\n(\"batchscore models list\" says what each stands for)")
	}
	return &OpenQuestions{open, b.String()}
}
