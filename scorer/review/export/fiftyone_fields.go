package export

// The document that describes a dataset of FiftyOne.

type fiftyoneDataset struct {
	ID             fiftyoneID        `json:"_id"`
	Name           string            `json:"name"`
	Version        string            `json:"version"`
	Collection     string            `json:"sample_collection_name"`
	Persistent     bool              `json:"persistent"`
	MediaType      string            `json:"media_type"`
	GroupTypes     struct{}          `json:"group_media_types"`
	Tags           []string          `json:"tags"`
	Info           map[string]string `json:"info"`
	App            fiftyoneApp       `json:"app_config"`
	Classes        struct{}          `json:"classes"`
	DefaultClasses []string          `json:"default_classes"`
	MaskTargets    struct{}          `json:"mask_targets"`
	DefaultTargets struct{}          `json:"default_mask_targets"`
	Skeletons      struct{}          `json:"skeletons"`
	Fields         []fiftyoneField   `json:"sample_fields"`
	FrameFields    []fiftyoneField   `json:"frame_fields"`
	Views          []string          `json:"saved_views"`
	Workspaces     []string          `json:"workspaces"`
	Annotations    struct{}          `json:"annotation_runs"`
	Brain          struct{}          `json:"brain_methods"`
	Evaluations    struct{}          `json:"evaluations"`
	Runs           struct{}          `json:"runs"`
}

type fiftyoneApp struct {
	Grid    string   `json:"grid_media_field"`
	Modal   string   `json:"modal_media_field"`
	Media   []string `json:"media_fields"`
	Plugins struct{} `json:"plugins"`
}

type fiftyoneField struct {
	Name     string          `json:"name"`
	Type     string          `json:"ftype"`
	Document *string         `json:"embedded_doc_type"`
	Subfield *string         `json:"subfield"`
	Fields   []fiftyoneField `json:"fields"`
	Stored   string          `json:"db_field"`
	About    *string         `json:"description"`
	Info     *struct{}       `json:"info"`
	ReadOnly bool            `json:"read_only"`
}

// document returns what describes the dataset.
func (w *fiftyoneWriter) document() fiftyoneDataset {
	classes := []string{}
	for _, label := range w.c.Labels {
		classes = append(classes, validText(label))
	}
	name := "batchscore-" + w.c.Job.ID
	return fiftyoneDataset{
		ID: w.dataset, Name: name, Version: fiftyoneVersion, Collection: "samples." + w.dataset.Hex, MediaType: "image",
		Tags: []string{}, Info: map[string]string{"job": w.c.Job.ID, "model": validText(w.c.Job.Model), "precision": w.c.Job.Precision},
		App:            fiftyoneApp{Grid: "filepath", Modal: "filepath", Media: []string{"filepath"}},
		DefaultClasses: classes, Fields: fiftyoneFields(w.c.HasTruth), FrameFields: []fiftyoneField{}, Views: []string{}, Workspaces: []string{},
	}
}

// fiftyoneFields are those of a sample: the ones that each sample of FiftyOne has, and then ours.
func fiftyoneFields(truth bool) []fiftyoneField {
	fields := []fiftyoneField{
		fiftyoneStored(fiftyoneScalar("id", "ObjectIdField"), "_id"), fiftyoneScalar("filepath", "StringField"), fiftyoneList("tags"),
		fiftyoneDocument("metadata", "metadata.ImageMetadata", fiftyoneScalar("size_bytes", "IntField"), fiftyoneScalar("mime_type", "StringField"),
			fiftyoneScalar("width", "IntField"), fiftyoneScalar("height", "IntField"), fiftyoneScalar("num_channels", "IntField")),
		fiftyoneTime("created_at"), fiftyoneTime("last_modified_at"),
		fiftyoneScalar("_media_type", "StringField"), fiftyoneScalar("_rand", "FloatField"), fiftyoneScalar("_dataset_id", "ObjectIdField"),
		fiftyoneScalar("path", "StringField"), fiftyoneScalar("path_base64", "StringField"), fiftyoneScalar("address", "StringField"),
		fiftyoneScalar("status", "StringField"), fiftyoneScalar("error", "StringField"),
		fiftyoneDocument("prediction", "labels.Classification", fiftyoneClassification()...),
		fiftyoneScalar("class_id", "IntField"), fiftyoneScalar("margin", "FloatField"),
	}
	labels, embedded := fiftyoneCore+"labels.Classification", fiftyoneCore+"fields.EmbeddedDocumentField"
	all := fiftyoneList("classifications")
	all.Document, all.Subfield, all.Fields = &labels, &embedded, fiftyoneClassification()
	fields = append(fields, fiftyoneDocument("topk", "labels.Classifications", all, fiftyoneScalar("logits", "VectorField")))
	if truth {
		fields = append(fields, fiftyoneDocument("ground_truth", "labels.Classification", fiftyoneClassification()...), fiftyoneList("truth"))
	}
	return fields
}

func fiftyoneClassification() []fiftyoneField {
	return []fiftyoneField{fiftyoneStored(fiftyoneScalar("id", "ObjectIdField"), "_id"), fiftyoneList("tags"), fiftyoneScalar("label", "StringField"),
		fiftyoneScalar("confidence", "FloatField"), fiftyoneScalar("logits", "VectorField")}
}

// fiftyoneCore begins the names of FiftyOne's types.
const fiftyoneCore = "fiftyone.core."

func fiftyoneScalar(name, kind string) fiftyoneField {
	return fiftyoneField{Name: name, Type: fiftyoneCore + "fields." + kind, Fields: []fiftyoneField{}, Stored: name}
}

func fiftyoneStored(f fiftyoneField, name string) fiftyoneField {
	f.Stored = name
	return f
}

func fiftyoneTime(name string) fiftyoneField {
	f := fiftyoneScalar(name, "DateTimeField")
	f.ReadOnly = true
	return f
}

// fiftyoneList returns a field that holds a list of texts.
func fiftyoneList(name string) fiftyoneField {
	f, of := fiftyoneScalar(name, "ListField"), fiftyoneCore+"fields.StringField"
	f.Subfield = &of
	return f
}

func fiftyoneDocument(name, class string, fields ...fiftyoneField) fiftyoneField {
	f, of := fiftyoneScalar(name, "EmbeddedDocumentField"), fiftyoneCore+class
	f.Document, f.Fields = &of, fields
	return f
}
