// Package units holds the systemd units of nightly runs: batchscore.service,
// batchscore.timer, and nightly.env with their settings. The package has no
// code. Its tests check the units against the exit codes and with systemd's own tool.
package units
