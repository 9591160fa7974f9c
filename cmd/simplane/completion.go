package main

import (
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"
)

// bashCompletion needs nothing but bash: cobra's own script needs the package
// bash-completion, without which it fails at every Tab.
//
//go:embed completion.bash
var bashCompletion string

func completionCommand(root *cobra.Command) *cobra.Command {
	root.CompletionOptions.DisableDefaultCmd = true
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print the script that completes commands in a shell", Args: exactArgs("SHELL"),
		Long: "Print the script that completes commands, flags, functions and executions in\n" +
			"bash, zsh, fish or powershell. Put one of these lines into the file that your\n" +
			"shell reads at its start:\n\n" +
			"  source <(simplane completion bash)\n" +
			"  source <(simplane completion zsh)\n" +
			"  simplane completion fish | source\n" +
			"  simplane completion powershell | Out-String | Invoke-Expression",
		ValidArgsFunction: cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			w := cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				_, err := fmt.Fprint(w, bashCompletion)
				return err
			case "zsh":
				return root.GenZshCompletion(w)
			case "fish":
				return root.GenFishCompletion(w, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(w)
			}
			return usageErrorf("SHELL: must be bash, zsh, fish or powershell, not %q%s", args[0], didYouMean(args[0], shells))
		},
	}
}
