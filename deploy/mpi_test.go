package deploy

import (
	"slices"
	"testing"
)

// TestMPISilence: the job's own settings and the administrator's come first.
func TestMPISilence(t *testing.T) {
	all := []string{"--mca", "oob_tcp_keepalive_intvl", "10", "--mca", "oob_tcp_keepalive_probes", "3", "--mca", "oob_tcp_keepalive_time", "30"}
	for _, c := range []struct {
		job  Job
		mca  map[string]string
		want []string
	}{
		{want: all},
		{mca: map[string]string{"oob_tcp_keepalive_intvl": "5", "oob_tcp_if_include": "lo"}, want: all[3:]},
		{job: Job{Environment: map[string]string{"OMPI_MCA_oob_tcp_keepalive_time": "300"}}, want: all[:6]},
	} {
		if got := MPISilence(c.job, c.mca); !slices.Equal(got, c.want) {
			t.Errorf("%v, %v: %q, want %q", c.job.Environment, c.mca, got, c.want)
		}
	}
}
