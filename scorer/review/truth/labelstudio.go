package truth

import (
	"context"
	"encoding/json"
	"slices"
)

// labelStudio is the form that Label Studio calls JSON: tasks with their annotations.
var labelStudio = form{
	name: "a Label Studio export (JSON)", unit: "task",
	is: func(in *input) bool {
		keys, array := in.keys()
		return array && slices.Contains(keys, "data") && (slices.Contains(keys, "annotations") || slices.Contains(keys, "predictions"))
	},
	read: readLabelStudio,
}

// labelStudioMin is the form that it calls JSON-MIN.
var labelStudioMin = form{
	name: "a Label Studio export (JSON-MIN)", unit: "task",
	is: func(in *input) bool {
		keys, array := in.keys()
		return array && slices.Contains(keys, "annotation_id") && slices.Contains(keys, "annotator")
	},
	read: readLabelStudioMin,
}

// studioTask is a task of Label Studio.
type studioTask struct {
	Data        map[string]json.RawMessage
	Annotations []studioAnnotation
	Predictions []json.RawMessage // of models
}

// studioAnnotation is what one person said of a task.
type studioAnnotation struct {
	Cancelled   bool `json:"was_cancelled"`
	GroundTruth bool `json:"ground_truth"`
	Result      []struct {
		Type  string
		Value struct{ Choices []string }
	}
}

// nameIn returns the name of the image: its exact bytes if data has them, else the value of the
// first key that it has.
func nameIn(data map[string]json.RawMessage) string {
	var exact []byte
	if json.Unmarshal(data[exactColumn], &exact) == nil && len(exact) > 0 {
		return string(exact)
	}
	for _, key := range nameColumns {
		var text string
		if json.Unmarshal(data[key], &text) == nil && text != "" {
			return text
		}
	}
	return ""
}

// readLabelStudio takes the choices of all annotations of a task, as alternatives. If some
// are marked as ground truth, it takes only those. Annotations that were skipped say
// nothing, and predictions are of models.
func readLabelStudio(_ context.Context, in *input, add adder) error {
	return elements(in, func(n int, t *studioTask) error {
		name := nameIn(t.Data)
		marked := slices.ContainsFunc(t.Annotations, func(a studioAnnotation) bool { return a.GroundTruth && !a.Cancelled })
		if len(t.Annotations) == 0 && len(t.Predictions) > 0 {
			in.left++
		}
		for _, a := range t.Annotations {
			if a.Cancelled || marked && !a.GroundTruth {
				continue
			}
			for _, result := range a.Result {
				for _, label := range result.Value.Choices {
					if err := add(name, label, n); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

// readLabelStudioMin takes the first key that columns of labels have.
func readLabelStudioMin(_ context.Context, in *input, add adder) error {
	return elements(in, func(n int, t *map[string]json.RawMessage) error {
		name := nameIn(*t)
		for _, key := range labelColumns {
			raw, ok := (*t)[key]
			if !ok {
				continue
			}
			var text string
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			return addLabels(add, name, text, n)
		}
		return nil
	})
}
