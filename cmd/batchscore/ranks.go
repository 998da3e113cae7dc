package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/shard"
)

// rankFlags override what the launcher's environment says.
type rankFlags struct {
	rank, world int
}

func (f *rankFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.rank, "rank", 0, "be rank `N`, counted from 0 (default from the launcher's environment)")
	cmd.Flags().IntVar(&f.world, "world", 0, "be one of `N` ranks (default from the launcher's environment)")
}

// resolve returns which of how many ranks this process is.
func (f *rankFlags) resolve(cmd *cobra.Command) (shard.World, error) {
	return shard.FromEnv(os.LookupEnv, shard.Flags{
		Rank: f.rank, World: f.world,
		RankSet: cmd.Flags().Changed("rank"), WorldSet: cmd.Flags().Changed("world"),
	}, launcherAbove())
}

// launchers are the programs that start ranks on a node.
var launchers = map[string]bool{
	"mpirun": true, "mpiexec": true, "orterun": true, "orted": true, "prterun": true, "prted": true,
	"hydra_pmi_proxy": true, "pmi_proxy": true, "mpiexec.hydra": true, "slurmstepd": true, "torchrun": true,
}

// launcherAbove returns the name of the nearest launcher among the ancestors of
// this process, or "". A worker that has such an ancestor but no rank variables
// is one of several that would all take themselves for rank 0 of 1.
func launcherAbove() string {
	pid := os.Getppid()
	for range 32 { // no launcher starts its ranks deeper than this
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return ""
		}
		// pid (comm) state ppid ...; comm may hold spaces and parentheses.
		open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if open < 0 || end < open {
			return ""
		}
		if name := string(stat[open+1 : end]); launchers[name] {
			return name
		}
		fields := strings.Fields(string(stat[end+1:]))
		if len(fields) < 2 {
			return ""
		}
		if pid, err = strconv.Atoi(fields[1]); err != nil || pid <= 1 {
			return ""
		}
	}
	return ""
}
