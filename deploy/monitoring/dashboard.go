package monitoring

import "encoding/json"

// object is one of JSON.
type object = map[string]any

// panel is one panel of the dashboard.
type panel struct {
	title, about string
	kind         string // timeseries or stat
	unit         string // of Grafana
	width        int    // of 24
	queries      []query
}

// query is one query of a panel.
type query struct{ expr, legend string }

// These choose what the variables of the dashboard name.
const (
	ofPlace = `{place=~"$place"}`
	ofJob   = `{job_id=~"$job_id"}`
)

// Panels for operators, in the order of their questions: is it done, how fast is it, what
// fails, what bounds it.
var panels = []panel{
	{"Done", "Images that have their row, of all images of the job.", "stat", "percentunit", 6, []query{
		{"batchscore_job_done_images" + ofPlace + " / batchscore_job_expected_images" + ofPlace, "{{place}}"},
	}},
	{"Time left", "At the rate of the last chunks. Empty if no rank works.", "stat", "s", 6, []query{
		{"batchscore_job_left_seconds" + ofPlace, "{{place}}"},
	}},
	{"States", "All states that a job is in now.", "stat", "none", 6, []query{
		{"batchscore_job_state" + ofPlace + " == 1", "{{out}}: {{state}}"},
	}},
	{"Failed", "Share of the images with a row that failed, without those that earlier runs scored.", "stat", "percentunit", 6, []query{
		{`sum by (place) (batchscore_job_judged_images{place=~"$place", status!="ok"}) / sum by (place) (batchscore_job_judged_images` + ofPlace + ")", "{{place}}"},
	}},
	{"Progress", "Images that have their row, and all images.", "timeseries", "short", 12, []query{
		{"batchscore_job_done_images" + ofPlace, "{{place}}: done"},
		{"batchscore_job_expected_images" + ofPlace, "{{place}}: all"},
	}},
	{"Images per second", "By rank as it scores, and of the whole job by its last chunks.", "timeseries", "short", 12, []query{
		{"rate(batchscore_images_processed_total" + ofJob + "[$__rate_interval])", "rank {{rank}}"},
		{"batchscore_job_images_per_second" + ofPlace, "{{place}}"},
	}},
	{"Failures by status", "Images without an answer, by why.", "timeseries", "short", 12, []query{
		{`batchscore_job_images{place=~"$place", status!="ok"}`, "{{place}}: {{status}}"},
		{`sum by (status) (batchscore_images_total{job_id=~"$job_id", status!="ok"})`, "ranks that run: {{status}}"},
	}},
	{"Collection", "All images of the last complete run, kept ones included, and why some of them failed.", "timeseries", "short", 12, []query{
		{"sum by (place) (batchscore_job_collection_images" + ofPlace + ")", "{{place}}: all"},
		{`batchscore_job_collection_images{place=~"$place", status!="ok"}`, "{{place}}: {{status}}"},
	}},
	{"Changes", "Images of the last complete run, by what became of them since the run before.", "timeseries", "short", 12, []query{
		{"batchscore_job_increment_images" + ofPlace, "{{place}}: {{change}}"},
	}},
	{"What bounds the speed", "Share of the time in which the goroutines of a stage work. A stage near 100% bounds the rate; if none is, images are waited for.",
		"timeseries", "percentunit", 12, []query{
			{"sum by (stage) (rate(batchscore_stage_busy_seconds_total" + ofJob + "[$__rate_interval]))" +
				" / sum by (stage) (batchscore_stage_workers" + ofJob + ")", "{{stage}}"},
		}},
	{"Time of one step", "95th percentile: of fetching or decoding one image, of inferring one batch, of committing one chunk.", "timeseries", "s", 12, []query{
		{"histogram_quantile(0.95, sum by (stage, le) (rate(batchscore_stage_duration_seconds_bucket" + ofJob + "[$__rate_interval])))", "{{stage}}"},
	}},
	{"Read from the storage", "Bytes of images.", "timeseries", "Bps", 12, []query{
		{"sum by (rank) (rate(batchscore_read_bytes_total" + ofJob + "[$__rate_interval]))", "rank {{rank}}"},
	}},
	{"Calls of the storage", "Empty for folders on a disk. Throttled answers ask for fewer calls.", "timeseries", "reqps", 12, []query{
		{"sum by (storage) (rate(batchscore_storage_calls_total" + ofJob + "[$__rate_interval]))", "{{storage}}: all"},
		{"sum by (storage) (rate(batchscore_storage_retries_total" + ofJob + "[$__rate_interval]))", "{{storage}}: repeated"},
		{"sum by (storage) (rate(batchscore_storage_throttled_total" + ofJob + "[$__rate_interval]))", "{{storage}}: throttled"},
	}},
	{"GPU busy", "Share of the time in which a kernel ran. Empty on CPUs.", "timeseries", "percentunit", 12, []query{
		{"rate(batchscore_gpu_busy_seconds_total" + ofJob + "[$__rate_interval]) / rate(batchscore_gpu_observed_seconds_total" + ofJob + "[$__rate_interval])",
			"rank {{rank}}"},
	}},
	{"GPU memory", "In use by all processes. Empty on CPUs.", "timeseries", "bytes", 12, []query{
		{"batchscore_gpu_memory_used_bytes" + ofJob, "rank {{rank}}"},
	}},
	{"Chunks", "Committed, and those that ranks took over from others.", "timeseries", "short", 12, []query{
		{"sum(batchscore_chunks_committed_total" + ofJob + ")", "committed"},
		{"sum(batchscore_chunks_stolen_total" + ofJob + ")", "from other shares"},
		{"sum(batchscore_chunks_doubled_total" + ofJob + ")", "doubled"},
		{"sum(batchscore_chunks_lost_total" + ofJob + ")", "lost to another rank"},
	}},
	{"Ranks", "At work, and not.", "timeseries", "short", 12, []query{
		{"batchscore_job_ranks" + ofPlace, "{{place}}: at work {{alive}}"},
	}},
	{"Batch", "Images in a call of the device, on average.", "timeseries", "short", 12, []query{
		{"sum(rate(batchscore_batch_images_sum" + ofJob + "[$__rate_interval])) / sum(rate(batchscore_batch_images_count" + ofJob + "[$__rate_interval]))", "images"},
	}},
}

// Expressions returns every query of the dashboard.
func Expressions() []string {
	var all []string
	for _, p := range panels {
		for _, q := range p.queries {
			all = append(all, q.expr)
		}
	}
	return all
}

// height of a panel, in the units of Grafana.
const height = 7

// Dashboard returns the dashboard as Grafana imports it.
func Dashboard() ([]byte, error) {
	source := object{"type": "prometheus", "uid": "${datasource}"}
	all := []object{}
	x, y := 0, 0
	for i, p := range panels {
		if x+p.width > 24 {
			x, y = 0, y+height
		}
		targets := []object{}
		for j, q := range p.queries {
			targets = append(targets, object{
				"refId": string(rune('A' + j)), "expr": q.expr, "legendFormat": q.legend, "datasource": source,
				"instant": p.kind == "stat", "range": p.kind != "stat",
			})
		}
		all = append(all, object{
			"id": i + 1, "type": p.kind, "title": p.title, "description": p.about, "datasource": source, "targets": targets,
			"gridPos":     object{"h": height, "w": p.width, "x": x, "y": y},
			"fieldConfig": object{"defaults": object{"unit": p.unit, "min": 0}, "overrides": []object{}},
			"options":     p.options(),
		})
		x += p.width
	}
	return json.MarshalIndent(object{
		"uid": "batchscore-jobs", "title": "batchscore jobs", "description": "Progress, speed and failures of jobs, and what bounds them.",
		"tags": []string{"batchscore"}, "timezone": "browser", "editable": true, "graphTooltip": 1, "fiscalYearStartMonth": 0, "schemaVersion": 39,
		"refresh": "30s", "time": object{"from": "now-6h", "to": "now"}, "panels": all,
		"annotations": object{"list": []object{}}, "links": []object{},
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0},
			variable("place", "Output", "label_values(batchscore_job_info, place)", source),
			variable("job_id", "Job", `label_values({__name__=~"batchscore_run_info|batchscore_job_info"}, job_id)`, source),
		}},
	}, "", "  ")
}

// options returns those that a kind of panel has to have.
func (p *panel) options() object {
	if p.kind == "stat" {
		return object{
			"graphMode": "none", "colorMode": "value", "justifyMode": "auto", "textMode": "auto", "wideLayout": true,
			"showPercentChange": false, "percentChangeColorMode": "standard", "orientation": "auto",
			"reduceOptions": object{"calcs": []string{"lastNotNull"}},
		}
	}
	return object{
		"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	}
}

// variable returns one that chooses some values of a label, at first all.
func variable(name, label, expr string, source object) object {
	return object{
		"name": name, "label": label, "type": "query", "datasource": source, "query": expr, "definition": expr, "refresh": 2, "sort": 2, "hide": 0,
		"includeAll": true, "multi": true, "allValue": ".*", "current": object{"selected": true, "text": "All", "value": "$__all"},
	}
}
