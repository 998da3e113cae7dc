//go:build tools

// In addition, "make pods-check" builds what a node needs: the scheduler, the kubelet, and
// plugins for the network of pods. CoreDNS, in dns, has a module of its own.

package controlplane

import (
	_ "github.com/containernetworking/plugins/plugins/ipam/host-local"
	_ "github.com/containernetworking/plugins/plugins/main/bridge"
	_ "github.com/containernetworking/plugins/plugins/main/loopback"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "k8s.io/kubernetes/cmd/kubelet"
)
