package truth

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fiftyone is the form of the samples of a FiftyOneDataset.
var fiftyone = form{
	name: "the samples.json of a FiftyOneDataset", unit: "sample",
	is: func(in *input) bool {
		keys, array := in.keys()
		return !array && slices.Contains(keys, "samples")
	},
	read: readFiftyOne,
}

// fiftyoneTruth is the field of a sample that holds what people say, by the custom of FiftyOne.
const fiftyoneTruth = "ground_truth"

// readFiftyOne takes the label of the field ground_truth, or of the field that the user names as
// the second column. The name is the field path, if the samples have one, or the path of the file
// below the folder of the dataset.
func readFiftyOne(_ context.Context, in *input, add adder) error {
	nameField, labelField := "", fiftyoneTruth
	if a, b, ok := strings.Cut(in.columns, ","); ok {
		nameField, labelField = strings.TrimSpace(a), strings.TrimSpace(b)
	}
	others, found := map[string]bool{}, false
	err := object(in, func(key string, v *value) error {
		if key != "samples" {
			return nil
		}
		return valueElements(v, func(n int, sample *map[string]json.RawMessage) error {
			name, err := fiftyoneName(*sample, nameField)
			if err != nil {
				return fmt.Errorf("%w: sample %d: %w", ErrForm, n, err)
			}
			raw, ok := (*sample)[labelField]
			if !ok || string(raw) == "null" {
				for field, raw := range *sample {
					if len(others) < 20 && fiftyoneLabels(raw) != nil {
						others[field] = true
					}
				}
				return nil
			}
			labels := fiftyoneLabels(raw)
			if labels == nil {
				return fmt.Errorf("%w: sample %d: the field %s holds no classification", ErrForm, n, labelField)
			}
			found = true
			if labelField == fiftyoneTruth { // alternatives that were exported, as long as nobody chose another label
				var all []string
				if json.Unmarshal((*sample)["truth"], &all) == nil && slices.Contains(all, labels[0]) {
					labels = all
				}
			}
			for _, label := range labels {
				if err := add(name, label, n); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil && !found {
		return fmt.Errorf("%w: no sample has a field %s with a classification, which says what is right; fields with one are: %s. "+
			"Name one with --truth-columns path,FIELD", ErrForm, labelField, strings.Join(slices.Sorted(maps.Keys(others)), ", "))
	}
	return err
}

// fiftyoneName returns the name of the image of a sample.
func fiftyoneName(sample map[string]json.RawMessage, field string) (string, error) {
	text := func(key string) (s string) {
		_ = json.Unmarshal(sample[key], &s)
		return s
	}
	if field != "" && text(field) != "" {
		return text(field), nil
	}
	if path := text("path"); path != "" {
		return exact(path, text("path_base64"))
	}
	return strings.TrimPrefix(text("filepath"), "data/"), nil
}

// fiftyoneLabels returns the labels of a Classification, or of Classifications; nil for anything
// else.
func fiftyoneLabels(raw json.RawMessage) []string {
	var one struct {
		Class           string `json:"_cls"`
		Label           string
		Classifications []struct{ Label string }
	}
	if json.Unmarshal(raw, &one) != nil {
		return nil
	}
	switch one.Class {
	case "Classification":
		return []string{one.Label}
	case "Classifications":
		labels := []string{}
		for _, c := range one.Classifications {
			labels = append(labels, c.Label)
		}
		return labels
	}
	return nil
}
