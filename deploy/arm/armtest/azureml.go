package armtest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// AzureML is a fake of Azure Machine Learning, api-version 2024-04-01, and of
// its run history service. Its fields may be set before the first request.
type AzureML struct {
	*Server
	// Logs are what the ranks of a job print, as a list of pieces for each rank. At
	// every look at a running job one more piece of each has been printed. Failure
	// is why the job fails at its end; empty for a job that succeeds.
	Logs    [][]string
	Failure string

	resources map[string]map[string]any // by path
	jobs      map[string]*running
}

const mlBase = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"

// The bodies, according to the official Go SDK of that api-version.
var (
	mlEnvironment = Object(Fields{"properties": Object(Fields{
		"image": Text().Must(), "osType": String(`^(Linux|Windows)$`),
	}).Must()})
	mlFolder = func(kind, modes string) Schema {
		return Map(Object(Fields{
			kind:   String(`^uri_folder$`).Must(),
			"mode": String(modes).Must(),
			"uri":  String(`^(azureml|https|wasbs|abfss)://.+$`).Must(),
		}))
	}
	mlCommand = Object(Fields{
		"jobType":              String(`^Command$`).Must(),
		"displayName":          Text(),
		"experimentName":       Text(),
		"command":              Text().Must(),
		"computeId":            String(anyID).Must(),
		"environmentId":        String(anyID).Must(),
		"environmentVariables": Map(String(`(?s).*`)),
		"distribution": Object(Fields{
			"distributionType": String(`^Mpi$`).Must(), "processCountPerInstance": Integer(1),
		}),
		"resources": Object(Fields{
			"instanceCount": Integer(1), "shmSize": String(`^[1-9]\d*[bkmg]$`),
		}),
		"limits":   Object(Fields{"jobLimitsType": String(`^Command$`).Must(), "timeout": String(duration)}),
		"identity": Object(Fields{"identityType": String(`^Managed$`).Must(), "clientId": Text()}),
		"inputs":   mlFolder("jobInputType", `^(ReadOnlyMount|Download)$`),
		"outputs":  mlFolder("jobOutputType", `^(ReadWriteMount|Upload)$`),
		"tags":     Map(Text()),
	}).Must()
	mlJob      = Object(Fields{"properties": mlCommand})
	mlSchedule = Object(Fields{"properties": Object(Fields{
		"displayName": Text(),
		"isEnabled":   Boolean(),
		"trigger": Object(Fields{
			"triggerType": String(`^Cron$`).Must(), "expression": String(`^(\S+ ){4}\S+$`).Must(), "timeZone": Text(),
		}).Must(),
		"action": Object(Fields{"actionType": String(`^CreateJob$`).Must(), "jobDefinition": mlCommand}).Must(),
	}).Must()})
	mlScale = Object(Fields{
		"minNodeCount": Integer(0), "maxNodeCount": Integer(0).Must(), "nodeIdleTimeBeforeScaleDown": String(duration),
	}).Must()
	mlCompute = Object(Fields{
		"location": Text().Must(),
		"identity": Object(Fields{
			"type": String(`^(SystemAssigned|UserAssigned)$`).Must(), "userAssignedIdentities": Map(Object(nil)),
		}),
		"properties": Object(Fields{
			"computeType": String(`^AmlCompute$`).Must(),
			"properties": Object(Fields{
				"vmSize":        String(`^(?i)standard_\w+$`).Must(),
				"vmPriority":    String(`^(Dedicated|LowPriority)$`),
				"osType":        String(`^(Linux|Windows)$`),
				"scaleSettings": mlScale,
			}).Must(),
		}).Must(),
	})
	mlResize = Object(Fields{"properties": Object(Fields{"properties": Object(Fields{"scaleSettings": mlScale}).Must()}).Must()})
)

// NewAzureML starts the fake, which has a workspace.
func NewAzureML(tb testing.TB) *AzureML {
	m := &AzureML{Server: newServer(tb, "2024-04-01"), resources: map[string]map[string]any{}, jobs: map[string]*running{}}
	m.Names = map[string]string{
		"subscription": anyGUID, "group": `^[-\w._()]{1,90}$`, "workspace": `^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$`,
		"compute": `^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`, "name": `^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$`, "version": `^\w{1,30}$`,
	}
	const (
		environment = mlBase + "/environments/{name}/versions/{version}"
		compute     = mlBase + "/computes/{compute}"
		job         = mlBase + "/jobs/{name}"
		schedule    = mlBase + "/schedules/{name}"
	)
	m.routes = []Route{
		{Method: "GET", Path: mlBase, Answer: m.workspace},
		{Method: "PUT", Path: environment, Body: &mlEnvironment, Answer: m.put},
		{Method: "PUT", Path: compute, Body: &mlCompute, Answer: m.putCompute},
		{Method: "GET", Path: compute, Answer: m.get},
		{Method: "PATCH", Path: compute, Body: &mlResize, Answer: m.resize},
		{Method: "DELETE", Path: compute, Query: map[string]string{"underlyingResourceAction": `^(Delete|Detach)$`}, Answer: m.remove},
		{Method: "PUT", Path: job, Body: &mlJob, Answer: m.putJob},
		{Method: "GET", Path: job, Answer: m.getJob},
		{Method: "POST", Path: job + "/cancel", Answer: m.cancel},
		{Method: "PUT", Path: schedule, Body: &mlSchedule, Answer: m.putSchedule},
		{Method: "GET", Path: schedule, Answer: m.get},
		{Method: "GET", Path: "/history/v1.0" + mlBase + "/runs/{name}/details", Answer: m.details},
	}
	return m
}

func (m *AzureML) workspace(*Call) Answer {
	return Answer{Status: http.StatusOK, Body: map[string]any{"properties": map[string]any{
		"discoveryUrl": m.link("discovery", `{"api": "`+m.URL+`", "history": "`+m.URL+`"}`),
	}}}
}

func (m *AzureML) put(c *Call) Answer {
	m.resources[c.Path] = c.Body
	return Answer{Status: http.StatusCreated, Body: c.Body}
}

func (m *AzureML) get(c *Call) Answer {
	body := m.resources[c.Path]
	if body == nil {
		return failure(http.StatusNotFound, "ResourceNotFound", "there is no %s", c.Path)
	}
	return Answer{Status: http.StatusOK, Body: body, Header: map[string]string{"Retry-After": m.RetryAfter}}
}

// lacks returns what a command refers to and does not exist.
func (m *AzureML) lacks(properties any) (Answer, bool) {
	command, _ := properties.(map[string]any)
	for _, field := range []string{"computeId", "environmentId"} {
		if id := fmt.Sprint(command[field]); m.resources[id] == nil {
			return failure(http.StatusBadRequest, "UserError", "%s: there is no %s", field, id), true
		}
	}
	return Answer{}, false
}

func (m *AzureML) putJob(c *Call) Answer {
	if answer, lacks := m.lacks(c.Body["properties"]); lacks {
		return answer
	}
	if m.jobs[c.Path] == nil {
		m.jobs[c.Path] = &running{}
	}
	return m.put(c)
}

func (m *AzureML) putSchedule(c *Call) Answer {
	properties, _ := c.Body["properties"].(map[string]any)
	action, _ := properties["action"].(map[string]any)
	if answer, lacks := m.lacks(action["jobDefinition"]); lacks {
		return answer
	}
	m.resources[c.Path] = c.Body
	return m.long(Answer{Status: http.StatusOK, Body: c.Body})
}

func (m *AzureML) putCompute(c *Call) Answer {
	shown := map[string]any{}
	outer, _ := c.Body["properties"].(map[string]any)
	inner, _ := outer["properties"].(map[string]any)
	for name, v := range inner {
		shown[name] = v
	}
	shown["allocationState"], shown["currentNodeCount"] = "Steady", 3
	shown["nodeStateCounts"] = map[string]any{"runningNodeCount": 2, "idleNodeCount": 1}
	m.resources[c.Path] = map[string]any{"location": c.Body["location"], "properties": map[string]any{
		"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": shown,
	}}
	return m.long(Answer{Status: http.StatusOK, Body: m.resources[c.Path]})
}

func (m *AzureML) resize(c *Call) Answer {
	answer := m.get(c)
	if answer.Status == http.StatusOK {
		inner := func(body map[string]any) map[string]any {
			outer, _ := body["properties"].(map[string]any)
			properties, _ := outer["properties"].(map[string]any)
			return properties
		}
		inner(m.resources[c.Path])["scaleSettings"] = inner(c.Body)["scaleSettings"]
	}
	return answer
}

func (m *AzureML) remove(c *Call) Answer {
	if m.resources[c.Path] == nil {
		return m.get(c)
	}
	delete(m.resources, c.Path)
	return m.long(Answer{Status: http.StatusOK})
}

// pieces returns how many pieces a job prints.
func (m *AzureML) pieces() (n int) {
	for _, rank := range m.Logs {
		n = max(n, len(rank))
	}
	return n
}

// getJob advances the job by one step: NotStarted, Queued, then Running for as many
// looks as it has pieces to print, Finalizing, and its end.
func (m *AzureML) getJob(c *Call) Answer {
	sent, job := m.resources[c.Path], m.jobs[c.Path]
	if job == nil {
		return m.get(c)
	}
	properties := map[string]any{}
	command, _ := sent["properties"].(map[string]any)
	for name, v := range command {
		properties[name] = v
	}
	job.looks++
	switch {
	case job.cancelled:
		properties["status"] = "Canceled"
	case job.looks == 1:
		properties["status"] = "NotStarted"
	case job.looks == 2:
		properties["status"] = "Queued"
	case job.shown < m.pieces():
		job.shown++
		properties["status"] = "Running"
	case !job.ended:
		job.ended = true
		properties["status"] = "Finalizing"
	case m.Failure != "":
		properties["status"] = "Failed"
	default:
		properties["status"] = "Completed"
	}
	properties["services"] = map[string]any{
		"Studio": map[string]any{"jobServiceType": "Studio", "endpoint": "https://ml.azure.com/runs/" + c.Names["name"]},
	}
	return Answer{
		Status: http.StatusOK, Header: map[string]string{"Retry-After": m.RetryAfter},
		Body: map[string]any{"id": c.Path, "name": c.Names["name"], "properties": properties},
	}
}

func (m *AzureML) cancel(c *Call) Answer {
	job := m.jobs[strings.TrimSuffix(c.Path, "/cancel")]
	if job == nil {
		return m.get(c)
	}
	job.cancelled = !job.ended
	return m.long(Answer{Status: http.StatusOK})
}

func (m *AzureML) details(c *Call) Answer {
	path := strings.TrimSuffix(strings.Replace(strings.TrimPrefix(c.Path, "/history/v1.0"), "/runs/", "/jobs/", 1), "/details")
	job := m.jobs[path]
	if job == nil {
		return failure(http.StatusNotFound, "UserError", "run %s was not found", c.Names["name"])
	}
	files := map[string]any{}
	for i, rank := range m.Logs {
		name := fmt.Sprintf("user_logs/std_log_process_%d.txt", i)
		if len(m.Logs) == 1 {
			name = "user_logs/std_log.txt"
		}
		if job.shown > 0 {
			files[name] = m.link(path+"/"+name, strings.Join(rank[:min(job.shown, len(rank))], ""))
		}
	}
	files["system_logs/lifecycler/lifecycler.log"] = m.link(path+"/system", "of the system\n")
	body := map[string]any{"runId": c.Names["name"], "startTimeUtc": "2026-11-22T02:00:00.5+00:00", "logFiles": files}
	if job.ended || job.cancelled {
		body["endTimeUtc"] = "2026-11-22T02:11:10.5+00:00"
		if m.Failure != "" {
			body["error"] = map[string]any{"error": map[string]any{"code": "UserError", "message": m.Failure}}
		}
	}
	return Answer{Status: http.StatusOK, Body: body}
}
