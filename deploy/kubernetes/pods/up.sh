#!/usr/bin/env bash
# Runs a Kubernetes cluster of one node on this machine until it is interrupted or killed:
#
#	up.sh FOLDER BIN ARCHIVE
#
# FOLDER is where the cluster keeps everything; it is emptied at the start, and removed at
# the end unless KEEP is set. BIN has the servers and the plugins that
# "make pods-servers" builds, ARCHIVE a container image that becomes
# localhost/batchscore:pods. containerd,
# runc, iproute2 and root are needed.
#
# FOLDER/ready appears when the node takes pods. Then there are in FOLDER:
#
#	admin.kubeconfig   for whoever may do everything
#	user.kubeconfig    for a user with the rights that docs/administrator.md asks for
#	inside             runs a command next to the servers: inside COMMAND ARGUMENTS...
#	run/NAME           starts the server NAME again; run/NAME.pid is its process there
#	log/NAME           what a server prints
#	init               the process in whose namespaces they are
#	data/, small/      what the volume claims data and small hold; small is full at 2 MB,
#	                   and seen by processes of the cluster only
#	storage.json       address and key of an emulator of blob storage, if there is one in
#	                   BATCHSCORE_CACHE; its certificate is etc/ca.crt, its account batchtest
#
# All processes are in namespaces of their own for processes, mounts and the network. They
# end, and mounts and bridges vanish, with the first of them: also when this script is
# killed with SIGKILL. NET is the network of pods, 10.85.0 by default: clusters with
# different ones can run side by side.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(realpath -m "$1") bin=$(realpath "$2") archive=$(realpath "$3")
net=${NET:-10.85.0}
name=pods${net//./-}
namespace=labels

die() {
	printf 'pods: error: %s\n' "$*" >&2
	exit 1
}

# groups lists the control groups of the cluster in every hierarchy.
groups() {
	local group
	for group in /sys/fs/cgroup/"$name" /sys/fs/cgroup/*/"$name"; do
		if [ -d "$group" ]; then echo "$group"; fi
	done
}

# clean ends what a former cluster of this network left.
clean() {
	local group
	if [ -n "${inside:-}" ]; then
		kill -KILL "$inside" 2>/dev/null || true
		wait "$inside" 2>/dev/null || true
	fi
	for _ in $(seq 100); do
		for group in $(groups); do
			find "$group" -name cgroup.procs -exec sed "s/^/kill -KILL /" {} + 2>/dev/null | sh 2>/dev/null || true
			find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
		done
		[ -n "$(groups)" ] || break
		sleep 0.1
	done
	ip link delete "$name" 2>/dev/null || true
	[ -n "${KEEP:-}" ] || rm -rf --one-file-system "$folder"
}

if [ -z "${BATCHSCORE_PODS_INSIDE:-}" ]; then
	[ "$(id -u)" = 0 ] || die 'it makes a node: run it as root'
	for program in containerd runc ctr ip unshare nsenter setpriv openssl; do
		command -v "$program" >/dev/null || die "$program is missing: apt-get install containerd runc iproute2 util-linux openssl"
	done
	[ ! -e "$folder" ] || [ -e "$folder/pods" ] || die "$folder exists and is not a cluster's: remove it"
	mkdir -p "$(dirname "$folder")"
	exec 9>"/run/lock/$name"
	# One that is being ended needs some seconds.
	flock -w 20 9 || die "a cluster with the network $net.0/24 runs already: set NET"
	KEEP='' clean
	# A second signal, such as that for the end of the parent, does not interrupt it.
	trap 'trap "" HUP INT TERM; clean' EXIT
	trap 'exit 129' HUP
	trap 'exit 143' TERM
	trap 'exit 130' INT
	mkdir -p "$folder"/{log,run,data,small}
	# Who reads etc/tokens may do everything in the cluster, and is root on this machine.
	mkdir -m 0700 "$folder/etc"
	touch "$folder/pods"
	for controller in /sys/fs/cgroup /sys/fs/cgroup/*; do
		if [ -e "$controller/cgroup.procs" ] && mountpoint -q "$controller"; then mkdir -p "$controller/$name"; fi
	done
	BATCHSCORE_PODS_INSIDE=yes setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
		"${BASH_SOURCE[0]}" "$folder" "$bin" "$archive" 9>&- &
	inside=$!
	for _ in $(seq 300); do
		[ ! -e "$folder/run/network" ] || break
		kill -0 "$inside" 2>/dev/null || die "the cluster did not start: see $folder/log"
		sleep 0.1
	done
	init=$(cat "/proc/$inside/task/$inside/children")
	init=${init%% *}
	echo "$init" >"$folder/init"
	cat >"$folder/inside" <<-SCRIPT
		#!/bin/sh
		exec nsenter --target $init --net --mount --pid -- "\$@"
	SCRIPT
	chmod +x "$folder/inside"
	ip link add "$name" type veth peer name uplink netns "$init"
	ip address add "$net.253/32" dev "$name"
	ip link set "$name" up
	ip route add "$net.0/24" dev "$name" src "$net.253"
	"$folder/inside" ip link set uplink up
	"$folder/inside" ip route add "$net.253/32" dev uplink
	touch "$folder/run/connected"
	wait "$inside" || die "the cluster ended: see $folder/log"
	exit
fi

# From here on, in the namespaces.
mount --make-rshared /
ip link set lo up
ip link add cni0 type bridge
ip address add "$net.1/24" dev cni0
ip link set cni0 up
echo 1 >/proc/sys/net/ipv4/ip_forward
touch "$folder/run/network"
for _ in $(seq 100); do
	[ ! -e "$folder/run/connected" ] || break
	sleep 0.1
done

# server starts a server in the background and notes how to start it again.
server() {
	local server=$1
	shift
	{
		# shellcheck disable=SC2016 # that shell expands them
		printf '#!/bin/bash\ncd %q\nexport HOME=$PWD KUBECONFIG=$PWD/admin.kubeconfig\necho $$ >%q\nexec' "$folder" "run/$server.pid"
		printf ' %q' "$@"
		printf ' >>%q 2>&1\n' "$folder/log/$server"
	} >"$folder/run/$server"
	chmod +x "$folder/run/$server"
	"$folder/run/$server" &
}

# await waits until a command succeeds.
await() {
	local what=$1 tries=600
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || die "waited in vain for $what: see $folder/log"
		sleep 0.1
	done
}

kubeconfig() {
	touch "$folder/$1.kubeconfig"
	chmod 0600 "$folder/$1.kubeconfig"
	cat >"$folder/$1.kubeconfig" <<-CONFIG
		apiVersion: v1
		kind: Config
		clusters: [{name: pods, cluster: {server: "https://$net.1:6443", certificate-authority: $folder/etc/ca.crt}}]
		users: [{name: $1, user: {token: $2}}]
		contexts: [{name: pods, context: {cluster: pods, user: $1, namespace: $namespace}}]
		current-context: pods
	CONFIG
}

cd "$folder"
export HOME=$folder
# One certificate for the API server and for blob storage.
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=pods" -addext "subjectAltName=IP:$net.1,IP:127.0.0.1" \
	-keyout etc/ca.key -out etc/ca.crt 2>log/openssl
openssl genrsa -out etc/accounts.pem 2048 2>>log/openssl
token() { head -c 18 /dev/urandom | base64 | tr -d '+/='; }
admin=$(token) user=$(token)
printf '%s,admin,1,system:masters\n%s,user,2\n' "$admin" "$user" >etc/tokens
kubeconfig admin "$admin"
kubeconfig user "$user"
export KUBECONFIG=$folder/admin.kubeconfig
kubectl() { "$bin/kubectl" "$@"; }

cat >etc/containerd.toml <<CONFIG
version = 2
root = "$folder/containerd"
state = "$folder/state"
[grpc]
  address = "$folder/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  enable_selinux = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$bin"
    conf_dir = "$folder/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
CONFIG
mkdir -p etc/cni
cat >etc/cni/10-pods.conflist <<CONFIG
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$net.0/24", "rangeStart": "$net.10", "rangeEnd": "$net.250"}]],
            "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$folder/cni"}},
  {"type": "loopback"}
]}
CONFIG
cat >etc/kubelet.yaml <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
# Everyone on this machine reaches it. Only the API server has this certificate's key.
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: "$folder/etc/ca.crt"}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$name
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
clusterDNS: [$net.1]
clusterDomain: cluster.local
resolvConf: $folder/etc/resolv.conf
containerRuntimeEndpoint: unix://$folder/containerd.sock
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
nodeStatusUpdateFrequency: 2s
nodeStatusReportFrequency: 10s
volumeStatsAggPeriod: -1s
podLogsDir: $folder/log/pods
CONFIG
touch etc/resolv.conf
cat >etc/Corefile <<CONFIG
.:53 {
  bind $net.1
  errors
  cache 2
  kubernetes cluster.local {
    kubeconfig $folder/admin.kubeconfig
    ttl 2
  }
  template ANY ANY {
    rcode NXDOMAIN
  }
}
CONFIG

server containerd containerd --config etc/containerd.toml
server etcd "$bin/server" --data-dir="$folder/etcd" --unsafe-no-fsync --log-level=warn
server kube-apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address="$net.1" --advertise-address="$net.1" \
	--tls-cert-file=etc/ca.crt --tls-private-key-file=etc/ca.key --token-auth-file=etc/tokens --authorization-mode=RBAC \
	--service-account-key-file=etc/accounts.pem --service-account-signing-key-file=etc/accounts.pem \
	--service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.96.0.0/24 \
	--kubelet-preferred-address-types=InternalIP --kubelet-client-certificate=etc/ca.crt --kubelet-client-key=etc/ca.key \
	--default-not-ready-toleration-seconds=10 --default-unreachable-toleration-seconds=10
await containerd ctr --address containerd.sock version
images() { ctr --address containerd.sock --namespace k8s.io images "$@"; }
tar -C "$bin" --owner=0 --group=0 -cf etc/pause.tar pause
"$here/pack.sh" etc/pause-image.tar localhost/pause:1 '{"Entrypoint": ["/pause"]}' etc/pause.tar
{
	# The archive may call it otherwise.
	images import --snapshotter overlayfs "$archive"
	images list --quiet | grep -v '^sha256:' | head -n 1 | xargs -I{} "$(command -v ctr)" --address containerd.sock --namespace k8s.io \
		images tag --force {} localhost/batchscore:pods
	images import --snapshotter overlayfs etc/pause-image.tar
} >log/images 2>&1 &
importing=$!
await 'the API server' kubectl get --raw=/readyz
server kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$KUBECONFIG" --leader-elect=false --use-service-account-credentials=false \
	--service-account-private-key-file=etc/accounts.pem --root-ca-file=etc/ca.crt --node-monitor-grace-period=10s --node-monitor-period=2s
server kube-scheduler "$bin/kube-scheduler" --kubeconfig="$KUBECONFIG" --leader-elect=false
server kubelet "$bin/kubelet" --config=etc/kubelet.yaml --kubeconfig="$KUBECONFIG" --root-dir="$folder/kubelet" \
	--hostname-override=node --node-ip="$net.1" --cert-dir="$folder/etc/kubelet"
server dns "$bin/dns" -conf etc/Corefile

azurite=${BATCHSCORE_CACHE:-}/azurite/azurite-blob
if [ -x "$azurite" ]; then
	key=$(head -c 64 /dev/urandom | base64 -w 0)
	(umask 077 && printf '{"endpoint": "https://%s:10000", "key": "%s"}\n' "$net.1" "$key" >storage.json)
	export AZURITE_ACCOUNTS=batchtest:$key
	server azurite "$azurite" --blobHost "$net.1" --blobPort 10000 --cert "$folder/etc/ca.crt" --key "$folder/etc/ca.key" \
		--inMemoryPersistence --skipApiVersionCheck --disableTelemetry --silent
	unset AZURITE_ACCOUNTS
fi
mount -t tmpfs -o size=2m,mode=0777 tmpfs small
chown 10001:10001 data
sed -e "s|FOLDER|$folder|g" -e "s|NAMESPACE|$namespace|g" "$here/setup.yaml" >etc/setup.yaml
await 'the default service account' kubectl --namespace default get serviceaccount default
kubectl apply --filename="$bin/mpijobs.yaml" --server-side >log/setup
kubectl apply --filename=etc/setup.yaml >>log/setup
await 'MPIJobs to be known' kubectl get mpijobs.kubeflow.org
server mpi-operator "$bin/mpi-operator" -kubeConfig="$KUBECONFIG" -namespace="$namespace" -lock-namespace=mpi-operator -monitoring-port=0
wait "$importing" || die "the image could not be imported: see $folder/log/images"
kubectl wait --for=condition=Ready --timeout=120s node/node >>log/setup
kubectl --namespace "$namespace" wait --for=jsonpath='{.status.phase}'=Bound --timeout=60s pvc/data pvc/small >>log/setup
touch ready
echo "pods: the cluster is ready: export KUBECONFIG=$folder/user.kubeconfig"
# The shell waits for orphans too, so none stays a zombie.
while :; do wait -n || sleep 1; done
