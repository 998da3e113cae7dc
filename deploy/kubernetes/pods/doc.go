// Package pods has a Kubernetes cluster of one node, which up.sh runs on this machine, and
// the test that runs jobs on it and disturbs them. "make pods-check" runs both; without it
// the test does nothing.
package pods
