package kubernetes

import (
	"encoding/json"
	"testing"
)

// FuzzObjects reads any bytes as what kubectl prints of a job and its pods. Pods that are
// accepted have names that can be those of files.
func FuzzObjects(f *testing.F) {
	f.Add([]byte(`{"items":[{"kind":"Job","metadata":{"name":"j"},"status":{"active":1,"ready":1,"conditions":[{"type":"Failed","status":"True",` +
		`"reason":"BackoffLimitExceeded","message":"m"}]}},{"kind":"Pod","metadata":{"name":"j-0","labels":{"batch.kubernetes.io/job-completion-index":"0"}},` +
		`"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":137}}},{"state":{"waiting":{"reason":"ErrImagePull"}}}]}}]}`))
	f.Add([]byte(`{"items":[{"kind":"CronJob","metadata":{"name":"j"},"status":{"active":[{}]}},{"kind":"Job","metadata":{"name":"j-1"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var list struct {
			Items []item `json:"items"`
		}
		if json.Unmarshal(text, &list) != nil {
			return
		}
		work, pods, err := split(list.Items, "j")
		if err != nil {
			return
		}
		s := work.status()
		if work.Kind == "CronJob" {
			e := Engine{o: Options{Kubectl: t.TempDir()}} // which cannot be run
			s = e.ofRuns(t.Context(), s, work, list.Items, pods)
		}
		if s.State == "" {
			t.Errorf("no state of %+v", work)
		}
		_, _ = waiting(pods), stucks(work, pods)
		_, _, _ = worst(pods)
		for _, p := range pods {
			if !isName(p.Metadata.Name) {
				t.Errorf("a pod is named %q", p.Metadata.Name)
			}
		}
	})
}
