//go:build tools

// Package controlplane pins the servers of a Kubernetes cluster without nodes,
// built by "make kubernetes-check": etcd, the API server, the controllers, the
// MPI operator, and kubectl.
package controlplane

import (
	_ "github.com/kubeflow/mpi-operator/cmd/mpi-operator"
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
