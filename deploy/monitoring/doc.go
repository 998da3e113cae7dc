// Package monitoring has what a Prometheus and a Grafana need to watch jobs: the alert
// rules in alerts.yml, and the dashboard in dashboard.json, which the package writes. Its
// tests compare both with the list of metrics and have Debian's promtool check the rules.
// The systemd unit of 'jobs export' is in deploy/units.
package monitoring
