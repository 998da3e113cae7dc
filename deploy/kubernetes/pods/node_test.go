package pods

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// nodeLost ends the kubelet until the cluster has given up the node and its pods, and
// somebody has marked the node as out of service, so that the pods are replaced. Meanwhile
// their containers continue.
func nodeLost(t *testing.T, j *job) {
	t.Helper()
	lost := j.pods(t, j.id, "")
	j.stop(t, "kubelet")
	back := sync.OnceFunc(func() { j.start(t, "kubelet") })
	t.Cleanup(back)
	await(t, "the node to be given up", func() bool {
		return j.kubectl(t, "get", "node", "node", "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}") != "True"
	})
	// Where no node is ready, as here, the cluster takes itself for the one that lost its
	// network, and gives up no pods until it is told to.
	const gone = "batchscore.test/gone"
	j.kubectl(t, "taint", "node", "node", gone+"=yes:NoExecute")
	await(t, "the pods of the node to be given up", func() bool {
		return !slices.ContainsFunc(j.pods(t, j.id, ""), func(p pod) bool { return p.Metadata.DeletionTimestamp == nil })
	})
	j.table.note("while the node is lost: %s\n", j.said(t))
	const outOfService = "node.kubernetes.io/out-of-service"
	j.kubectl(t, "taint", "node", "node", outOfService+"=gone:NoExecute")
	var ids []string
	for _, p := range lost {
		ids = append(ids, p.Metadata.UID)
	}
	await(t, "pods that replace those of the node", func() bool {
		return slices.ContainsFunc(j.pods(t, j.id, ""), func(p pod) bool { return !slices.Contains(ids, p.Metadata.UID) })
	})
	before := j.parts(t)
	await(t, "a rank to commit without its pod", func() bool { return j.parts(t) > before })
	j.table.note("ranks of pods that are gone still commit: %d parts, then %d\n", before, j.parts(t))
	j.kubectl(t, "taint", "node", "node", outOfService+"-", gone+"-")
	back()
	await(t, "a pod that replaces another to run", func() bool {
		return slices.ContainsFunc(j.pods(t, j.id, ""), pod.running)
	})
	still := strings.Fields(j.ctr(t, "task", "list", "--quiet"))
	twice := 0
	for _, p := range lost {
		if slices.Contains(still, p.container()) {
			twice++
		}
	}
	j.table.note("when the first pod that replaces another runs, %d containers of the lost pods do as well\n", twice)
}

// parts returns how many parts of the output there are.
func (j *job) parts(t *testing.T) int {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(j.out, "part-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(parts)
}
