// Package units holds the systemd units of nightly runs: batchscore.service,
// batchscore.timer, and nightly.env with their settings. The package has no
// code; its test holds the units to the exit codes and to systemd's own check.
package units
