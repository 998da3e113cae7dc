package main

import "github.com/spf13/cobra"

// shells are the shells for which 'batchscore completion' writes a script.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion() *cobra.Command {
	var plain bool
	cmd := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that makes a shell complete commands, flags and values",
		Long: `completion prints a script for a shell. The shell then completes commands, flags and
their values: engines, devices, formats, tasks, presets, registered models, jobs. In
bash this needs the package bash-completion, and in zsh "compinit" before it.`,
		Example: `  source <(batchscore completion bash)    # in ~/.bashrc
  source <(batchscore completion zsh)     # in ~/.zshrc
  batchscore completion fish | source     # in ~/.config/fish/config.fish`,
		Args: oneArg("bash, zsh, fish or powershell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root, w := cmd.Root(), cmd.OutOrStdout()
			switch {
			case args[0] == "bash":
				return root.GenBashCompletionV2(w, !plain)
			case args[0] == "zsh" && plain:
				return root.GenZshCompletionNoDesc(w)
			case args[0] == "zsh":
				return root.GenZshCompletion(w)
			case args[0] == "fish":
				return root.GenFishCompletion(w, !plain)
			case args[0] == "powershell" && plain:
				return root.GenPowerShellCompletion(w)
			case args[0] == "powershell":
				return root.GenPowerShellCompletionWithDesc(w)
			}
			return usagef("there is no completion for %q: want %s%s", args[0], orList(shells), didYouMean(args[0], shells))
		},
	}
	cmd.Flags().BoolVar(&plain, "no-descriptions", false, "complete names without what they mean")
	return cmd
}
