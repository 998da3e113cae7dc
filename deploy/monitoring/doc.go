// Package monitoring has what a Prometheus and a Grafana need to watch jobs: the alert
// rules in alerts.yml, the dashboard in dashboard.json, which the package writes, and a
// systemd unit for 'jobs export'. Its tests compare both with the list of metrics and have
// Debian's promtool check the rules.
package monitoring
