package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/engines"
)

func newCluster() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Set up, show, resize and remove the machines of an engine",
		Long: `cluster is for administrators: it sets up the machines that jobs run on, for engines
that allow it. A cluster scales by itself between two sizes; with --min 0 it costs
nothing while no job runs.`,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClusterCreate(), newClusterShow(), newClusterResize(), newClusterDelete())
	return cmd
}

// clusterFlags choose the engine of a cluster.
type clusterFlags struct {
	serviceFlags
	to string
}

func (f *clusterFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.to, "to", "", "the cluster is on `ENGINE`: "+strings.Join(clusterEngines(), " or ")+" (required)")
	chooseOne(cmd, "to", clusterEngines())
	f.serviceFlags.register(cmd)
}

// clusterEngines returns the names of the engines whose machines can be set up.
func clusterEngines() []string {
	return engines.Names(func(d deploy.Driver) bool { return d.Clusters })
}

// open opens the engine.
func (f *clusterFlags) open() (deploy.Clusters, error) {
	if d, _ := engines.Find(f.to); !d.Clusters {
		return nil, invalid("to", f.to, orList(clusterEngines())+didYouMean(f.to, clusterEngines())+"; the machines of other engines exist already")
	}
	l, _, err := f.launcher(f.to, yaml.Node{})
	if err != nil {
		return nil, err
	}
	return l.(deploy.Clusters), nil // as its driver says
}

func newClusterCreate() *cobra.Command {
	var f clusterFlags
	var c deploy.Cluster
	var priority string
	var idle time.Duration
	var dryRun bool
	cmd := &cobra.Command{
		Use:     "create NAME --to ENGINE --vm-size SIZE [--max N]",
		Short:   "Create a cluster and wait until it takes jobs",
		Long:    "create creates a cluster and waits until it takes jobs. If it exists already with the\nsame settings, nothing changes.",
		Example: "  batchscore cluster create gpus --to azureml --vm-size Standard_NC24ads_A100_v4 --max 8 --priority low",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Name, c.Priority, c.IdleTime = args[0], deploy.Priority(priority), deploy.Duration(idle)
			switch {
			case c.VMSize == "":
				return usagef("--vm-size is missing: the cloud's name for a kind of machine, such as Standard_NC24ads_A100_v4")
			case !slices.Contains(deploy.Priorities, c.Priority):
				return oneOf("priority", priority, asWords(deploy.Priorities))
			case idle < 0:
				return invalid("idle-time", idle, "a time above zero")
			}
			if err := checkSizes(c.MinNodes, c.MaxNodes); err != nil {
				return err
			}
			clusters, err := f.open()
			if err != nil {
				return err
			}
			if dryRun {
				documents, err := clusters.ClusterDocuments(c)
				if err != nil {
					return err
				}
				return printDocuments(cmd.OutOrStdout(), documents)
			}
			if err := clusters.CreateCluster(cmd.Context(), c); err != nil {
				return err
			}
			_, err = printf(cmd.OutOrStdout(), "cluster %s takes jobs: %d to %d nodes of %s, %s\n", c.Name, c.MinNodes, c.MaxNodes, c.VMSize, c.Priority)
			return err
		},
	}
	f.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&c.VMSize, "vm-size", "", "use machines of `SIZE`, the cloud's name for a kind of machine, such as Standard_NC24ads_A100_v4 (required)")
	fs.IntVar(&c.MinNodes, "min", 0, "keep `N` nodes when no job runs; they cost money all the time")
	fs.IntVar(&c.MaxNodes, "max", 1, "grow to at most `N` nodes")
	fs.StringVar(&priority, "priority", string(deploy.Dedicated), "use nodes of this `PRIORITY`: dedicated, or low: cheaper, but the cloud may take them away")
	chooseOne(cmd, "priority", asWords(deploy.Priorities))
	fs.DurationVar(&idle, "idle-time", 0, "remove a node after it has been idle for `DURATION`, such as 10m (default the engine's own)")
	fs.BoolVar(&dryRun, "dry-run", false, "print what would be sent, and send nothing")
	return cmd
}

// checkSizes returns what is wrong with the two sizes of a cluster.
func checkSizes(least, most int) error {
	if least < 0 || most < 1 || least > most {
		return usagef("invalid values %d for --min and %d for --max: want --min from 0 up, and --max from 1 and from --min up", least, most)
	}
	return nil
}

func newClusterShow() *cobra.Command {
	var f clusterFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME --to ENGINE",
		Short: "Show how many nodes a cluster has and how many of them are busy",
		Args:  oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			clusters, err := f.open()
			if err != nil {
				return err
			}
			c, err := clusters.ShowCluster(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c)
			}
			return printCluster(cmd.OutOrStdout(), c)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printCluster prints a cluster as a table.
func printCluster(w io.Writer, c deploy.Cluster) error {
	t := newTable(w)
	fmt.Fprintln(t, "CLUSTER\tSTATE\tVM SIZE\tPRIORITY\tNODES\tBUSY\tMIN\tMAX\tIDLE TIME")
	idle := "-"
	if c.IdleTime > 0 {
		idle = c.IdleTime.String()
	}
	printf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", c.Name, c.State, c.VMSize, c.Priority, c.Nodes, c.Busy, c.MinNodes, c.MaxNodes, idle)
	return t.Flush()
}

func newClusterResize() *cobra.Command {
	var f clusterFlags
	var least, most int
	cmd := &cobra.Command{
		Use:   "resize NAME --to ENGINE --min N --max N",
		Short: "Change the two sizes between which a cluster scales",
		Args:  oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("min") || !cmd.Flags().Changed("max") {
				return usagef("resize needs both --min and --max")
			}
			if err := checkSizes(least, most); err != nil {
				return err
			}
			clusters, err := f.open()
			if err != nil {
				return err
			}
			if err := clusters.ResizeCluster(cmd.Context(), args[0], least, most); err != nil {
				return err
			}
			_, err = printf(cmd.OutOrStdout(), "cluster %s scales between %d and %d nodes\n", args[0], least, most)
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&least, "min", 0, "keep `N` nodes when no job runs (required)")
	cmd.Flags().IntVar(&most, "max", 0, "grow to at most `N` nodes (required)")
	return cmd
}

func newClusterDelete() *cobra.Command {
	var f clusterFlags
	cmd := &cobra.Command{
		Use:   "delete NAME --to ENGINE",
		Short: "Remove a cluster and wait until it is gone; jobs that run there end",
		Args:  oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			clusters, err := f.open()
			if err != nil {
				return err
			}
			if err := clusters.DeleteCluster(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = printf(cmd.OutOrStdout(), "cluster %s is gone\n", args[0])
			return err
		},
	}
	f.register(cmd)
	return cmd
}
