package deploy

import _ "embed"

// JobSchema is the JSON schema of job.yaml, draft 2020-12, for editors.
//
//go:embed job.schema.json
var JobSchema string
