package batchai

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// The service's bodies, with the fields that are used.
type (
	jobBody struct {
		Properties jobProperties `json:"properties"`
	}
	jobProperties struct {
		Cluster         resource        `json:"cluster"`
		NodeCount       int             `json:"nodeCount"`
		StdOutErrPrefix string          `json:"stdOutErrPathPrefix"`
		MountVolumes    mountVolumes    `json:"mountVolumes"`
		Container       *container      `json:"containerSettings,omitempty"`
		Preparation     commandLine     `json:"jobPreparation"`
		CustomToolkit   commandLine     `json:"customToolkitSettings"`
		Inputs          []inputFolder   `json:"inputDirectories,omitempty"`
		Outputs         []outputFolder  `json:"outputDirectories"`
		Environment     []variable      `json:"environmentVariables"`
		Secrets         []secretValue   `json:"secrets,omitempty"`
		Constraints     *jobConstraints `json:"constraints,omitempty"`
	}
	resource struct {
		ID string `json:"id"`
	}
	mountVolumes struct {
		FileShares []fileShare `json:"azureFileShares,omitempty"`
		Blobs      []blobMount `json:"azureBlobFileSystems,omitempty"`
	}
	fileShare struct {
		Account     string      `json:"accountName"`
		URL         string      `json:"azureFileUrl"`
		Credentials credentials `json:"credentials"`
		Path        string      `json:"relativeMountPath"`
	}
	blobMount struct {
		Account     string      `json:"accountName"`
		Container   string      `json:"containerName"`
		Credentials credentials `json:"credentials"`
		Path        string      `json:"relativeMountPath"`
		Options     string      `json:"mountOptions,omitempty"`
	}
	credentials struct {
		Key       string     `json:"accountKey,omitempty"`
		Reference *vaultLink `json:"accountKeySecretReference,omitempty"`
	}
	vaultLink struct {
		Vault resource `json:"sourceVault"`
		URL   string   `json:"secretUrl"`
	}
	container struct {
		Registry registry `json:"imageSourceRegistry"`
	}
	registry struct {
		Image       string               `json:"image"`
		Server      string               `json:"serverUrl,omitempty"`
		Credentials *registryCredentials `json:"credentials,omitempty"`
	}
	registryCredentials struct {
		User      string     `json:"username"`
		Password  string     `json:"password,omitempty"` //nolint:gosec // G117: the service wants it like this
		Reference *vaultLink `json:"passwordSecretReference,omitempty"`
	}
	commandLine struct {
		Line string `json:"commandLine"`
	}
	inputFolder struct {
		ID   string `json:"id"`
		Path string `json:"path"`
	}
	outputFolder struct {
		ID     string `json:"id"`
		Prefix string `json:"pathPrefix"`
	}
	variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	secretValue struct {
		Name      string     `json:"name"`
		Value     string     `json:"value,omitempty"`
		Reference *vaultLink `json:"valueSecretReference,omitempty"`
	}
	jobConstraints struct {
		WallClock string `json:"maxWallClockTime"`
	}
)

const (
	mountRoot = "$AZ_BATCHAI_JOB_MOUNT_ROOT/"
	logsMount = "batchscore-logs"
	// outputID is the output directory that Fetch downloads. A job's own command
	// finds it as $AZ_BATCHAI_OUTPUT_OUTPUT.
	outputID = "OUTPUT"

	installOpenMPI = "command -v mpirun >/dev/null || " +
		"{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openmpi-bin openssh-client; }"
)

// values are the values of the secrets of one job; if shown, references in their
// place, for a person to read.
type values struct {
	account, registry secret
	job               map[string]string
	shown             bool
}

// text returns the value of a secret of the service, or the reference if shown.
func (v values) text(s secret) string {
	if v.shown {
		return s.String()
	}
	return s.value
}

// body returns the body that creates the job.
func (e *Engine) body(job deploy.Job, id string, v values) (jobBody, error) {
	job = job.WithDefaults()
	var faults deploy.Faults
	faults.Add(e.unsupported(job))
	mounts, folders, inputs, err := e.mounts(job, v)
	faults.Add(err)
	if err := faults.Err(); err != nil {
		return jobBody{}, err
	}
	line, err := e.line(job, folders)
	if err != nil {
		return jobBody{}, err
	}
	p := jobProperties{
		Cluster:         resource{e.cluster(e.o.Cluster)},
		NodeCount:       job.Nodes,
		StdOutErrPrefix: mountRoot + logsMount,
		MountVolumes:    mounts,
		Container:       e.container(job.Image, v),
		Preparation:     commandLine{e.o.Preparation},
		CustomToolkit:   commandLine{line},
		Inputs:          inputs,
		Outputs:         []outputFolder{{outputID, mountRoot + logsMount}},
		Environment:     []variable{{deploy.JobVariable, id}},
	}
	for _, name := range slices.Sorted(maps.Keys(job.Environment)) {
		p.Environment = append(p.Environment, variable{name, job.Environment[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		s := secretValue{Name: name}
		switch reference := job.Secrets[name]; {
		case reference.KeyVault != "":
			s.Reference = e.vault(reference.KeyVault)
		case v.shown:
			s.Value = reference.String()
		default:
			s.Value = v.job[name]
		}
		p.Secrets = append(p.Secrets, s)
	}
	if job.TimeLimit > 0 {
		p.Constraints = &jobConstraints{arm.Duration(time.Duration(job.TimeLimit))}
	}
	return jobBody{p}, nil
}

// unsupported returns an error for what the engine cannot do.
func (e *Engine) unsupported(job deploy.Job) error {
	var faults deploy.Faults
	no := func(field, what string, args ...any) { faults.Add(deploy.Unsupported(engine, field, what, args...)) }
	if job.Schedule != "" {
		no("schedule", "Batch AI starts every job once: use the systemd timer, or --to kubernetes")
	}
	if job.GPU != "" {
		no("gpu", "the GPU depends on the cluster's vmSize: name vmSize instead")
	}
	faults.Add(arm.CheckOut(engine, job))
	faults.Add(deploy.CheckUTF8(engine, job))
	faults.Add(deploy.CheckMPI(engine, job))
	for _, m := range job.Mounts {
		if _, _, prefix, blob := arm.Blob(m.Source); blob && !plainPrefix(prefix) {
			no("mounts", "%s: Batch AI replaces $NAME and .. in the paths of mounts: want a prefix without them", deploy.Shown(m.Source))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		s := job.Secrets[name]
		if s.Kubernetes != "" {
			no("secrets", "%s: Batch AI cannot read a Secret of Kubernetes: use env, file or keyVault", name)
		}
		if s.KeyVault != "" && e.o.KeyVault == "" {
			faults.Add(deploy.Lacking(engine, "secrets", "%s: service.yaml names no key vault: add keyVault to its section batchai", name))
		}
	}
	if e.o.Logs == "" || !e.accountKey.given() {
		faults.Say("%s: service.yaml names no share for logs (logs: azurefile://ACCOUNT/SHARE) or no accountKey: %w", engine, deploy.ErrService)
	}
	return faults.Err()
}

// mounts returns the volumes of the job: the share for logs, and its own.
func (e *Engine) mounts(job deploy.Job, v values) (mountVolumes, []arm.Folder, []inputFolder, error) {
	key := credentials{Key: v.text(v.account)}
	if v.account.KeyVault != "" {
		key = credentials{Reference: e.vault(v.account.KeyVault)}
	}
	var (
		volumes mountVolumes
		folders []arm.Folder
		inputs  []inputFolder
	)
	share := func(source, at string) bool {
		_, rest := place.Cut(source)
		account, name, ok := strings.Cut(rest, "/")
		if ok = ok && accountName.MatchString(account) && shareName.MatchString(name); ok {
			volumes.FileShares = append(volumes.FileShares, fileShare{
				Account: account, URL: "https://" + account + ".file.core.windows.net/" + name, Credentials: key, Path: at,
			})
		}
		return ok
	}
	var faults deploy.Faults
	if e.o.Logs != "" && !share(e.o.Logs, logsMount) {
		faults.Say("%s: logs %q in service.yaml: want azurefile://ACCOUNT/SHARE: %w", engine, e.o.Logs, deploy.ErrService)
	}
	for i, m := range job.Mounts {
		at, id := "mount"+strconv.Itoa(i), "MOUNT"+strconv.Itoa(i)
		path := mountRoot + at
		account, name, prefix, isBlob := arm.Blob(m.Source)
		scheme, _ := place.Cut(m.Source)
		switch {
		case isBlob:
			b := blobMount{Account: account, Container: name, Credentials: key, Path: at}
			if m.ReadOnly {
				b.Options = "-o ro"
			}
			volumes.Blobs = append(volumes.Blobs, b)
			if prefix != "" {
				path += "/" + prefix
			}
		case scheme == "azurefile" && share(m.Source, at):
		default:
			faults.Add(deploy.Unsupported(engine, "mounts", "%s: Batch AI mounts az://ACCOUNT/CONTAINER[/PREFIX] and azurefile://ACCOUNT/SHARE", m.Source))
		}
		inputs = append(inputs, inputFolder{id, path})
		folders = append(folders, arm.Folder{Path: m.Path, Expression: `"$AZ_BATCHAI_INPUT_` + id + `"`})
	}
	return volumes, folders, inputs, faults.Err()
}

func (e *Engine) vault(url string) *vaultLink { return &vaultLink{resource{e.o.KeyVault}, url} }

func (e *Engine) container(image string, v values) *container {
	if image == "" {
		return nil
	}
	r := registry{Image: image}
	if host, _, ok := strings.Cut(image, "/"); ok && strings.ContainsAny(host, ".:") {
		r.Server = host
	}
	if e.o.RegistryUser != "" {
		r.Credentials = &registryCredentials{User: e.o.RegistryUser, Password: v.text(v.registry)}
		if url := v.registry.KeyVault; url != "" {
			r.Credentials.Password, r.Credentials.Reference = "", e.vault(url)
		}
	}
	return &container{r}
}

// line returns the command line of the first node, which starts the ranks. On
// SIGTERM mpirun would kill the ranks before they have drained, but it passes
// SIGUSR1 on to them. So a shell turns the one signal into the other. Ranks are
// not bound to cores, as mpirun does by default for two or fewer: the worker
// divides a node's cores among its ranks.
func (e *Engine) line(job deploy.Job, folders []arm.Folder) (string, error) {
	command, err := arm.Line(engine, deploy.RankArgv(job.Argv(e.o.Worker)), folders)
	if err != nil {
		return "", err
	}
	mpirun := []string{"mpirun", "-mca", "btl_tcp_if_exclude", "docker0,lo", "--allow-run-as-root"}
	export := []string{deploy.JobVariable}
	export = slices.AppendSeq(export, maps.Keys(job.Environment))
	export = slices.AppendSeq(export, maps.Keys(job.Secrets))
	slices.Sort(export)
	start := shellquote.Join(mpirun) + " --hostfile $AZ_BATCHAI_MPI_HOST_FILE " + shellquote.Join([]string{
		"-np", strconv.Itoa(job.Ranks()), "--map-by", "ppr:" + strconv.Itoa(job.RanksPerNode) + ":node", "--bind-to", "none", "--tag-output",
	})
	start += " " + shellquote.Join(deploy.MPISilence(job, nil))
	for _, name := range export {
		start += " -x " + name
	}
	// A SIGTERM can arrive before _p is set. If wait returns 143, it was interrupted
	// by the signal, or mpirun itself ended with 143; in the latter case a second
	// wait returns 127.
	// Its variables begin with an underscore, as no variable of a job does.
	return `_p=; _t=; trap 'if [ -z "$_p" ]; then _t=1; else kill -USR1 $_p; fi' TERM; ` + start + " " + command + " & _p=$!; " +
		`[ -z "$_t" ] || kill -USR1 $_p; wait $_p; _s=$?; trap '' TERM; ` +
		"if [ $_s -eq 143 ]; then wait $_p; _r=$?; [ $_r -eq 127 ] || _s=$_r; fi; exit $_s", nil
}
