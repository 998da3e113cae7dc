// Package units holds the systemd units of nightly runs: batchscore.service,
// batchscore.timer, batchscore-resume.service, batchscore-prune.service with its timer,
// and nightly.env with their settings; and of their metrics, batchscore-export.service with
// export.env. The package has no code. Its tests check the units against the exit codes and
// with systemd's own tool; nights has a real systemd run them.
package units
