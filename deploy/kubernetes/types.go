package kubernetes

// The types of Kubernetes' API that a job is made of. They are defined here because
// k8s.io/api would make the binary 5.5 MB larger. Tests decode every document
// strictly into the types of that module.

type object struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   metadata          `yaml:"metadata"`
	Type       string            `yaml:"type,omitempty"`
	StringData map[string]string `yaml:"stringData,omitempty"`
	Spec       any               `yaml:"spec,omitempty"`
}

type metadata struct {
	Name   string            `yaml:"name,omitempty"`
	Labels map[string]string `yaml:"labels,omitempty"`
}

type jobSpec struct {
	CompletionMode          string           `yaml:"completionMode"`
	Completions             int              `yaml:"completions"`
	Parallelism             int              `yaml:"parallelism"`
	BackoffLimitPerIndex    int              `yaml:"backoffLimitPerIndex"`
	PodReplacementPolicy    string           `yaml:"podReplacementPolicy"`
	PodFailurePolicy        podFailurePolicy `yaml:"podFailurePolicy"`
	ActiveDeadlineSeconds   int64            `yaml:"activeDeadlineSeconds,omitempty"`
	TTLSecondsAfterFinished int64            `yaml:"ttlSecondsAfterFinished"`
	Template                podTemplate      `yaml:"template"`
}

type podFailurePolicy struct {
	Rules []failureRule `yaml:"rules"`
}

type failureRule struct {
	Action          string         `yaml:"action"`
	OnPodConditions []podCondition `yaml:"onPodConditions,omitempty"`
	OnExitCodes     *exitCodes     `yaml:"onExitCodes,omitempty"`
}

type podCondition struct {
	Type   string `yaml:"type"`
	Status string `yaml:"status"`
}

type exitCodes struct {
	ContainerName string `yaml:"containerName"`
	Operator      string `yaml:"operator"`
	Values        []int  `yaml:"values"`
}

type cronJobSpec struct {
	Schedule                string `yaml:"schedule"`
	TimeZone                string `yaml:"timeZone,omitempty"`
	ConcurrencyPolicy       string `yaml:"concurrencyPolicy"`
	StartingDeadlineSeconds int    `yaml:"startingDeadlineSeconds"`
	JobTemplate             struct {
		Metadata metadata `yaml:"metadata"`
		Spec     jobSpec  `yaml:"spec"`
	} `yaml:"jobTemplate"`
}

type mpiJobSpec struct {
	SlotsPerWorker         int                   `yaml:"slotsPerWorker"`
	SSHAuthMountPath       string                `yaml:"sshAuthMountPath"`
	LauncherCreationPolicy string                `yaml:"launcherCreationPolicy"`
	MPIImplementation      string                `yaml:"mpiImplementation"`
	RunPolicy              runPolicy             `yaml:"runPolicy"`
	MPIReplicaSpecs        map[string]mpiReplica `yaml:"mpiReplicaSpecs"`
}

type runPolicy struct {
	CleanPodPolicy          string `yaml:"cleanPodPolicy"`
	BackoffLimit            int    `yaml:"backoffLimit"`
	ActiveDeadlineSeconds   int64  `yaml:"activeDeadlineSeconds,omitempty"`
	TTLSecondsAfterFinished int64  `yaml:"ttlSecondsAfterFinished"`
}

type mpiReplica struct {
	Replicas      int         `yaml:"replicas"`
	RestartPolicy string      `yaml:"restartPolicy"`
	Template      podTemplate `yaml:"template"`
}

type podTemplate struct {
	Metadata metadata `yaml:"metadata"`
	Spec     podSpec  `yaml:"spec"`
}

type podSpec struct {
	RestartPolicy                 string            `yaml:"restartPolicy,omitempty"`
	ServiceAccountName            string            `yaml:"serviceAccountName,omitempty"`
	TerminationGracePeriodSeconds int64             `yaml:"terminationGracePeriodSeconds"`
	ImagePullSecrets              []named           `yaml:"imagePullSecrets,omitempty"`
	SecurityContext               podSecurity       `yaml:"securityContext"`
	NodeSelector                  map[string]string `yaml:"nodeSelector,omitempty"`
	Tolerations                   []Toleration      `yaml:"tolerations,omitempty"`
	PriorityClassName             string            `yaml:"priorityClassName,omitempty"`
	Containers                    []container       `yaml:"containers"`
	Volumes                       []volume          `yaml:"volumes,omitempty"`
}

type named struct {
	Name string `yaml:"name"`
}

type podSecurity struct {
	RunAsNonRoot   bool           `yaml:"runAsNonRoot"`
	RunAsUser      int64          `yaml:"runAsUser"`
	RunAsGroup     int64          `yaml:"runAsGroup"`
	FSGroup        int64          `yaml:"fsGroup"`
	FSGroupChange  string         `yaml:"fsGroupChangePolicy"`
	SeccompProfile seccompProfile `yaml:"seccompProfile"`
}

type seccompProfile struct {
	Type string `yaml:"type"`
}

type container struct {
	Name            string            `yaml:"name"`
	Image           string            `yaml:"image"`
	Command         []string          `yaml:"command"`
	Env             []envVar          `yaml:"env,omitempty"`
	Resources       resources         `yaml:"resources,omitempty"`
	ReadinessProbe  *probe            `yaml:"readinessProbe,omitempty"`
	Lifecycle       *lifecycle        `yaml:"lifecycle,omitempty"`
	SecurityContext containerSecurity `yaml:"securityContext"`
	VolumeMounts    []volumeMount     `yaml:"volumeMounts,omitempty"`
}

type envVar struct {
	Name      string     `yaml:"name"`
	Value     string     `yaml:"value,omitempty"`
	ValueFrom *valueFrom `yaml:"valueFrom,omitempty"`
}

type valueFrom struct {
	SecretKeyRef *secretKey `yaml:"secretKeyRef,omitempty"`
	FieldRef     *fieldRef  `yaml:"fieldRef,omitempty"`
}

type secretKey struct {
	Name string `yaml:"name"`
	Key  string `yaml:"key"`
}

type fieldRef struct {
	FieldPath string `yaml:"fieldPath"`
}

type resources struct {
	Requests map[string]string `yaml:"requests,omitempty"`
	Limits   map[string]string `yaml:"limits,omitempty"`
}

type probe struct {
	TCPSocket tcpSocket `yaml:"tcpSocket"`
}

type tcpSocket struct {
	Port int `yaml:"port"`
}

type lifecycle struct {
	PreStop handler `yaml:"preStop"`
}

type handler struct {
	Exec execAction `yaml:"exec"`
}

type execAction struct {
	Command []string `yaml:"command"`
}

type containerSecurity struct {
	AllowPrivilegeEscalation bool         `yaml:"allowPrivilegeEscalation"`
	Capabilities             capabilities `yaml:"capabilities"`
}

type capabilities struct {
	Drop []string `yaml:"drop"`
}

type volumeMount struct {
	Name      string `yaml:"name"`
	MountPath string `yaml:"mountPath"`
	ReadOnly  bool   `yaml:"readOnly,omitempty"`
}

type volume struct {
	Name                  string       `yaml:"name"`
	PersistentVolumeClaim *claimVolume `yaml:"persistentVolumeClaim,omitempty"`
	HostPath              *hostPath    `yaml:"hostPath,omitempty"`
	EmptyDir              *emptyDir    `yaml:"emptyDir,omitempty"`
}

type claimVolume struct {
	ClaimName string `yaml:"claimName"`
	ReadOnly  bool   `yaml:"readOnly,omitempty"`
}

type hostPath struct {
	Path string `yaml:"path"`
	Type string `yaml:"type"`
}

type emptyDir struct {
	Medium    string `yaml:"medium,omitempty"`
	SizeLimit string `yaml:"sizeLimit,omitempty"`
}
