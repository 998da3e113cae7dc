// Package deps holds the scripts that fetch what building, running and testing need, and
// the pins of what they fetch. The package has no code; its tests run the scripts where
// that takes no network.
package deps
