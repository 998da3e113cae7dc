package armtest

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// BatchAI is a fake of Azure Batch AI, api-version 2018-05-01. Its fields may be
// set before the first request.
type BatchAI struct {
	*Server
	// Lines are what a job prints, one more at every look at a running job. Exit is
	// its exit code.
	Lines []string
	Exit  int
	// Outputs are the files that a job leaves, by output directory and path.
	Outputs map[string]map[string]string
	// CreationFails makes the creation of clusters fail at its end.
	CreationFails bool

	resources map[string]map[string]any // by path
	jobs      map[string]*running
}

// running is a job that runs through its states.
type running struct {
	looks     int
	shown     int
	ended     bool
	cancelled bool
}

const (
	anyName   = `^[-\w_]{1,64}$`
	anyID     = `^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/.+$`
	anyGUID   = `^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`
	anyHTTPS  = `^https://`
	duration  = `^P(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?$`
	variable  = `^[A-Za-z_][A-Za-z0-9_]*$`
	batchBase = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.BatchAI/workspaces/{workspace}"
)

// The bodies, according to the service's own client (azure-mgmt-batchai
// 7.0.0).
var (
	resourceID = Object(Fields{"id": String(anyID).Must()})
	vaultValue = Object(Fields{
		"sourceVault": resourceID.Must(),
		"secretUrl":   String(anyHTTPS).Must(),
	})
	storageKey = Object(Fields{
		"accountKey":                Text(),
		"accountKeySecretReference": vaultValue,
	})
	mountVolumes = Object(Fields{
		"azureFileShares": List(Object(Fields{
			"accountName":       Text().Must(),
			"azureFileUrl":      String(anyHTTPS).Must(),
			"credentials":       storageKey.Must(),
			"relativeMountPath": String(`^[^/].*$`).Must(),
			"fileMode":          String(`^0[0-7]{3}$`),
			"directoryMode":     String(`^0[0-7]{3}$`),
		})),
		"azureBlobFileSystems": List(Object(Fields{
			"accountName":       Text().Must(),
			"containerName":     Text().Must(),
			"credentials":       storageKey.Must(),
			"relativeMountPath": String(`^[^/].*$`).Must(),
			"mountOptions":      Text(),
		})),
	})
	environmentVariables = List(Object(Fields{"name": String(variable).Must(), "value": String(`(?s).*`).Must()}))
	secretVariables      = List(Object(Fields{
		"name":                 String(variable).Must(),
		"value":                Text(),
		"valueSecretReference": vaultValue,
	}))
	scaleSettings = Object(Fields{
		"autoScale": Object(Fields{
			"minimumNodeCount": Integer(0).Must(),
			"maximumNodeCount": Integer(0).Must(),
			"initialNodeCount": Integer(0),
		}),
		"manual": Object(Fields{
			"targetNodeCount":        Integer(0).Must(),
			"nodeDeallocationOption": String(`^(requeue|terminate|waitforjobcompletion)$`),
		}),
	})
	batchWorkspace = Object(Fields{"location": Text().Must(), "tags": Map(Text())})
	batchCluster   = Object(Fields{"properties": Object(Fields{
		"vmSize":        String(`^(?i)standard_\w+$`).Must(),
		"vmPriority":    String(`^(dedicated|lowpriority)$`),
		"scaleSettings": scaleSettings,
		"userAccountSettings": Object(Fields{
			"adminUserName":         Text().Must(),
			"adminUserSshPublicKey": Text(),
			"adminUserPassword":     Text(),
		}).Must(),
	}).Must()})
	batchUpdate = Object(Fields{"properties": Object(Fields{"scaleSettings": scaleSettings.Must()}).Must()})
	batchJob    = Object(Fields{"properties": Object(Fields{
		"schedulingPriority":  String(`^(low|normal|high)$`),
		"cluster":             resourceID.Must(),
		"nodeCount":           Integer(1).Must(),
		"stdOutErrPathPrefix": Text().Must(),
		"mountVolumes":        mountVolumes,
		"containerSettings": Object(Fields{
			"imageSourceRegistry": Object(Fields{
				"image":     Text().Must(),
				"serverUrl": Text(),
				"credentials": Object(Fields{
					"username":                Text().Must(),
					"password":                Text(),
					"passwordSecretReference": vaultValue,
				}),
			}).Must(),
			"shmSize": String(`^\d+[bkmgBKMG]$`),
		}),
		"jobPreparation":        Object(Fields{"commandLine": Text().Must()}),
		"customToolkitSettings": Object(Fields{"commandLine": Text().Must()}).Must(),
		"inputDirectories":      List(Object(Fields{"id": String(`^\w+$`).Must(), "path": Text().Must()})),
		"outputDirectories": List(Object(Fields{
			"id": String(`^\w+$`).Must(), "pathPrefix": Text().Must(), "pathSuffix": Text(),
		})),
		"environmentVariables": environmentVariables,
		"secrets":              secretVariables,
		"constraints":          Object(Fields{"maxWallClockTime": String(duration)}),
	}).Must()})
)

// NewBatchAI starts the fake.
func NewBatchAI(tb testing.TB) *BatchAI {
	b := &BatchAI{Server: newServer(tb, "2018-05-01"), resources: map[string]map[string]any{}, jobs: map[string]*running{}}
	b.Names = map[string]string{
		"subscription": anyGUID, "group": `^[-\w\._]+$`, "workspace": anyName,
		"cluster": anyName, "experiment": anyName, "job": anyName,
	}
	const (
		cluster    = batchBase + "/clusters/{cluster}"
		experiment = batchBase + "/experiments/{experiment}"
		job        = experiment + "/jobs/{job}"
	)
	b.routes = []Route{
		{Method: "PUT", Path: batchBase, Body: &batchWorkspace, Answer: b.put},
		{Method: "GET", Path: batchBase, Answer: b.get},
		{Method: "PUT", Path: cluster, Body: &batchCluster, Answer: b.putCluster},
		{Method: "GET", Path: cluster, Answer: b.get},
		{Method: "PATCH", Path: cluster, Body: &batchUpdate, Answer: b.patch},
		{Method: "DELETE", Path: cluster, Answer: b.remove},
		{Method: "PUT", Path: experiment, Answer: b.put},
		{Method: "PUT", Path: job, Body: &batchJob, Answer: b.put},
		{Method: "GET", Path: job, Answer: b.getJob},
		{Method: "DELETE", Path: job, Answer: b.remove},
		{Method: "POST", Path: job + "/terminate", Answer: b.terminate},
		{Method: "POST", Path: job + "/listOutputFiles", Query: map[string]string{
			"outputdirectoryid": `^\w+$`, "directory": `^[^/].*$`, "linkexpiryinminutes": `^\d+$`, "maxresults": `^\d+$`,
		}, Answer: b.list},
		{Method: "GET", Path: job + "/listOutputFiles", Query: map[string]string{
			"outputdirectoryid": `^\w+$`, "directory": `^[^/].*$`, "skip": `^\d+$`,
		}, Answer: b.list},
	}
	return b
}

func parent(path string) string {
	parts := strings.Split(path, "/")
	return strings.Join(parts[:len(parts)-2], "/")
}

// put creates a resource beneath one that exists. For an equal resource it does nothing.
func (b *BatchAI) put(c *Call) Answer {
	if above := parent(c.Path); strings.Contains(above, "/workspaces/") && b.resources[above] == nil {
		return failure(http.StatusNotFound, "ParentResourceNotFound", "there is no %s", above)
	}
	if properties, ok := c.Body["properties"].(map[string]any); ok {
		if cluster, ok := properties["cluster"].(map[string]any); ok && b.resources[fmt.Sprint(cluster["id"])] == nil {
			return failure(http.StatusBadRequest, "ClusterNotFound", "there is no cluster %v", cluster["id"])
		}
	}
	if old := b.resources[c.Path]; old != nil {
		if !reflect.DeepEqual(old["sent"], c.Body) {
			return failure(http.StatusConflict, "ResourceExists", "%s is there with other settings", c.Path)
		}
		return Answer{Status: http.StatusOK, Body: b.show(c.Path)}
	}
	b.resources[c.Path] = map[string]any{"sent": c.Body}
	if strings.Contains(c.Path, "/jobs/") {
		b.jobs[c.Path] = &running{}
	}
	return b.long(Answer{Status: http.StatusOK, Body: b.show(c.Path)})
}

func (b *BatchAI) putCluster(c *Call) Answer {
	if b.CreationFails {
		return b.long(failure(http.StatusBadRequest, "QuotaExceeded", "the subscription has no cores left for this size"))
	}
	return b.put(c)
}

// show returns a resource as the service shows it, without secrets.
func (b *BatchAI) show(path string) map[string]any {
	parts := strings.Split(path, "/")
	sent, _ := b.resources[path]["sent"].(map[string]any)
	properties := map[string]any{"provisioningState": "succeeded"}
	if all, ok := sent["properties"].(map[string]any); ok {
		for name, v := range all {
			if name != "secrets" && name != "mountVolumes" && name != "userAccountSettings" && name != "containerSettings" {
				properties[name] = v
			}
		}
	}
	if strings.Contains(path, "/clusters/") {
		properties["allocationState"] = "steady"
		properties["currentNodeCount"] = 3
		properties["nodeStateCounts"] = map[string]any{
			"idleNodeCount": 1, "runningNodeCount": 2, "preparingNodeCount": 0, "unusableNodeCount": 0, "leavingNodeCount": 0,
		}
	}
	return map[string]any{"id": path, "name": parts[len(parts)-1], "properties": properties}
}

func (b *BatchAI) get(c *Call) Answer {
	if b.resources[c.Path] == nil {
		return failure(http.StatusNotFound, "ResourceNotFound", "there is no %s", c.Path)
	}
	return Answer{Status: http.StatusOK, Body: b.show(c.Path), Header: map[string]string{"Retry-After": b.RetryAfter}}
}

func (b *BatchAI) patch(c *Call) Answer {
	old := b.resources[c.Path]
	if old == nil {
		return b.get(c)
	}
	sent, _ := old["sent"].(map[string]any)
	properties, _ := sent["properties"].(map[string]any)
	change, _ := c.Body["properties"].(map[string]any)
	properties["scaleSettings"] = change["scaleSettings"]
	return b.get(c)
}

func (b *BatchAI) remove(c *Call) Answer {
	if b.resources[c.Path] == nil {
		return Answer{Status: http.StatusNoContent}
	}
	delete(b.resources, c.Path)
	delete(b.jobs, c.Path)
	return b.long(Answer{Status: http.StatusNoContent})
}

// getJob advances the job by one step: queued, then running for as many looks as it has
// lines to print.
func (b *BatchAI) getJob(c *Call) Answer {
	if b.resources[c.Path] == nil {
		return b.get(c)
	}
	answer := b.get(c)
	shown, _ := answer.Body.(map[string]any)
	properties, _ := shown["properties"].(map[string]any)
	job := b.jobs[c.Path]
	job.looks++
	switch {
	case job.cancelled:
		properties["executionState"] = "failed"
		properties["executionInfo"] = map[string]any{
			"startTime": "2018-06-19T10:00:00Z", "endTime": "2018-06-19T10:05:00Z",
			"errors": []any{map[string]any{"code": "JobTerminated", "message": "terminated by the user"}},
		}
	case job.looks == 1:
		properties["executionState"] = "queued"
	case job.shown < len(b.Lines) && !job.ended:
		job.shown++
		properties["executionState"] = "running"
		properties["executionInfo"] = map[string]any{"startTime": "2018-06-19T10:00:00Z"}
	default:
		job.ended = true
		properties["executionState"] = map[bool]string{true: "succeeded", false: "failed"}[b.Exit == 0]
		properties["executionInfo"] = map[string]any{
			"startTime": "2018-06-19T10:00:00Z", "endTime": "2018-06-19T10:11:10.5Z", "exitCode": b.Exit,
		}
	}
	return answer
}

func (b *BatchAI) terminate(c *Call) Answer {
	job := b.jobs[strings.TrimSuffix(c.Path, "/terminate")]
	if job == nil {
		return failure(http.StatusNotFound, "JobNotFound", "there is no such job")
	}
	job.cancelled = !job.ended
	return b.long(Answer{Status: http.StatusOK})
}

// list returns the files of one folder of an output directory.
func (b *BatchAI) list(c *Call) Answer {
	path := strings.TrimSuffix(c.Path, "/listOutputFiles")
	job := b.jobs[path]
	if job == nil {
		return failure(http.StatusNotFound, "JobNotFound", "there is no such job")
	}
	id, folder := c.Query.Get("outputdirectoryid"), c.Query.Get("directory")
	all := b.Outputs[id]
	if id == "stdouterr" {
		all = map[string]string{}
		if job.looks > 1 {
			all["stdout.txt"] = strings.Join(b.Lines[:job.shown], "")
			all["stderr.txt"], all["stdout-job_prep.txt"] = "", "prepared\n"
		}
	}
	prefix := ""
	if folder != "." {
		prefix = folder + "/"
	}
	var value []any
	seen := map[string]bool{}
	for name, text := range all {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if sub, _, deeper := strings.Cut(rest, "/"); deeper {
			if !seen[sub] {
				value = append(value, map[string]any{"name": sub, "fileType": "directory"})
			}
			seen[sub] = true
			continue
		}
		value = append(value, map[string]any{
			"name": rest, "fileType": "file", "downloadUrl": b.link(path+"/"+id+"/"+name, text),
			"properties": map[string]any{"contentLength": len(text), "lastModified": "2018-06-19T10:00:00Z"},
		})
	}
	slices.SortFunc(value, func(x, y any) int {
		return strings.Compare(fmt.Sprint(x.(map[string]any)["name"]), fmt.Sprint(y.(map[string]any)["name"]))
	})
	return Answer{Status: http.StatusOK, Body: b.page(c, value)}
}

// page returns one page of a list, with two items. The next one is requested with GET.
func (b *BatchAI) page(c *Call, value []any) map[string]any {
	const size = 2
	skip, _ := strconv.Atoi(c.Query.Get("skip")) // 0 for the first
	value = value[min(skip, len(value)):]
	if len(value) <= size {
		return map[string]any{"value": value}
	}
	next := url.Values{"skip": {strconv.Itoa(skip + size)}, "api-version": {b.Version}}
	for _, name := range []string{"outputdirectoryid", "directory"} {
		next.Set(name, c.Query.Get(name))
	}
	return map[string]any{"value": value[:size], "nextLink": b.URL + c.Path + "?" + next.Encode()}
}
