// Package image holds the container image of the worker: the Dockerfile, and the
// scripts that its steps are. The package has no code; its tests hold the files
// to each other, and check.sh runs the steps without a container engine.
package image
