package kubernetes

import (
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// Conventions of images for the MPI operator.
const (
	sshFolder = "/home/mpiuser/.ssh"
	sshConfig = "/home/mpiuser/.sshd_config"
	sshPort   = 2222
)

// launcherMemory is several times what mpirun takes for hundreds of ranks.
const launcherMemory = "512Mi"

const (
	// lostLaunchers is how many launchers of one job may be lost with their nodes. The
	// operator cannot tell the cluster which exit codes are final, so after such a code the
	// cluster starts as many more, which end at once. It waits 10 s for the first, and each
	// time twice as long.
	lostLaunchers = 2
	// patience is how long the launcher waits for workers that cannot be used.
	patience = 15 * time.Minute
	// lastSeconds of the grace period are left to a launcher some of whose workers do not
	// answer, to end with mpirun's code.
	lastSeconds = 5
	// longestName is how much the kernel keeps of the name of a process.
	longestName = 15
	// workerFolder has what a worker's pod knows of itself. launcher.sh has it, too.
	workerFolder = "/run/batchscore"
	// launcherFolder is the launcher's own.
	launcherFolder = "/tmp/batchscore-launcher"
)

// launcherScript starts the ranks: once workers answer and no rank of a launcher before it
// is left there, and again after failures that may pass. A signal that asks its pod to end
// makes ranks drain; mpirun itself would kill them.
//
//go:embed launcher.sh
var launcherScript string

// workerScript is what the launcher asks of workers. It drains their ranks, too, before a
// worker's pod ends.
//
//go:embed worker.sh
var workerScript string

// serve leaves a worker's script and settings where the launcher calls it, and becomes the
// command that follows them.
const serve = `cd ` + workerFolder + ` && printf %s "$1" >worker && printf '%s\n' "$2" "$3" >settings && shift 3 && exec "$@"`

// restarts returns how often one launcher may start the ranks again, and how many
// launchers may be lost.
func (b *builder) restarts() (restarts, losses int) {
	if b.job.Bounded() {
		return 0, 0
	}
	return b.retries, min(b.retries, lostLaunchers)
}

// finalCodes returns the exit codes after which ranks do not start again, as launcher.sh
// has them.
func finalCodes() string {
	text := "|"
	for _, code := range deploy.FinalCodes {
		text += fmt.Sprintf("%d|", code)
	}
	return text
}

// identityVars are the variables that Azure's workload identity sets in pods. The file
// that one of them names is in every pod of the job.
var identityVars = []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"}

// driverVars returns mpirun's options that pass on where the image looks for the driver of
// GPUs. sshd starts the ranks without it. Variables of the job are passed on already.
func driverVars(job []envVar) []string {
	var options []string
	for _, name := range []string{"LD_LIBRARY_PATH", "PATH"} {
		if !slices.ContainsFunc(job, func(v envVar) bool { return v.Name == name }) {
			options = append(options, "-x", name)
		}
	}
	return options
}

func (b *builder) mpiJob() mpiJobSpec {
	mpirun := []string{"mpirun", "-np", strconv.Itoa(b.job.Ranks()),
		// The worker itself divides a node's cores among its ranks.
		"--bind-to", "none"}
	mpirun = append(mpirun, deploy.MPISilence(b.job, nil)...)
	for _, v := range b.vars {
		mpirun = append(mpirun, "-x", v.Name)
	}
	if b.job.GPUsPerNode > 0 {
		mpirun = append(mpirun, driverVars(b.vars)...)
	}
	if b.o.WorkloadIdentity {
		for _, name := range identityVars {
			mpirun = append(mpirun, "-x", name)
		}
	}
	mpirun = append(mpirun, b.argv()...)

	// Ranks of a program of the team's own may not know how to stop.
	name, stops := "", "end"
	if b.job.Scores() {
		name, stops = path.Base(b.o.Binary), "drain"
	}
	worker := b.pod(roleWorker, b.job.GPUsPerNode)
	sshd := &worker.Containers[0]
	sshd.Command = []string{"sh", "-c", serve, "worker", workerScript,
		literal(name[:min(len(name), longestName)]), strconv.FormatInt(seconds(b.o.Grace), 10), "/usr/sbin/sshd", "-De", "-f", sshConfig}
	// sshd passes on no variable; mpirun does. This one is for 'kubectl exec', as of doctor.
	sshd.Env = slices.DeleteFunc(slices.Clone(b.vars), func(v envVar) bool { return v.Name != cpusVar })
	sshd.ReadinessProbe = &probe{TCPSocket: tcpSocket{Port: sshPort}}
	worker.Volumes = append(slices.Clip(worker.Volumes), volume{Name: "worker", EmptyDir: &emptyDir{}})
	sshd.VolumeMounts = append(slices.Clip(sshd.VolumeMounts), volumeMount{Name: "worker", MountPath: workerFolder})
	if b.job.Scores() {
		sshd.Lifecycle = &lifecycle{PreStop: handler{Exec: execAction{Command: []string{"sh", workerFolder + "/worker", "ending"}}}}
	}

	// The launcher is small, and losing it would end the run. So it gets no GPU,
	// and no node that can be taken away.
	launcher := b.pod(roleLauncher, 0)
	launcher.NodeSelector, launcher.Tolerations = b.o.Nodes.Selector, b.o.Nodes.Tolerations
	launcher.PriorityClassName = b.o.Nodes.PriorityClass
	launcher.Volumes, launcher.Containers[0].VolumeMounts = nil, nil
	launcher.Containers[0].Resources = b.launcherResources()
	restarts, losses := b.restarts()
	launcher.Containers[0].Command = append([]string{"sh", "-c", launcherScript, "launcher",
		strconv.Itoa(restarts), finalCodes(), strconv.FormatInt(int64(patience.Seconds()), 10), stops,
		strconv.FormatInt(max(seconds(b.o.Grace)-lastSeconds, 1), 10), launcherFolder}, mpirun...)
	return mpiJobSpec{
		SlotsPerWorker: b.job.RanksPerNode, SSHAuthMountPath: sshFolder,
		LauncherCreationPolicy: "WaitForWorkersReady", MPIImplementation: "OpenMPI",
		RunPolicy: runPolicy{
			// The launcher stays, with its log. Workers free their nodes.
			CleanPodPolicy: "Running", BackoffLimit: losses,
			ActiveDeadlineSeconds: seconds(b.job.TimeLimit), TTLSecondsAfterFinished: seconds(b.o.Keep),
		},
		MPIReplicaSpecs: map[string]mpiReplica{
			"Launcher": {Replicas: 1, RestartPolicy: "Never", Template: b.template(roleLauncher, launcher)},
			"Worker":   {Replicas: b.job.Nodes, RestartPolicy: "OnFailure", Template: b.template(roleWorker, worker)},
		},
	}
}

// launcherResources returns the resources of MPI's launcher, which starts processes and
// passes on what they print.
func (b *builder) launcherResources() resources {
	if b.o.Memory == "" {
		return resources{}
	}
	return resources{
		Requests: map[string]string{"memory": launcherMemory},
		Limits:   map[string]string{"memory": launcherMemory},
	}
}
