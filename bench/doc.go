// Package bench measures the worker as a whole. Its figures are ratios of
// things measured in turns within one run, so that a noisy machine blurs them
// but does not shift them.
package bench
