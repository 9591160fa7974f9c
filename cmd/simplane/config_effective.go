package main

import (
	"github.com/spf13/cobra"

	"simplane/server"
)

// settingChoices are what the settings with few values can be.
var settingChoices = map[string][]string{
	"fsync": {"always", "every="}, "provider": {server.ProviderProcess, server.ProviderContainer, server.ProviderKubernetes, server.ProviderNone},
	"container-pull": {"missing", "always", "never"}, "container-reach": {"auto", "network", "port"},
	"log-level": {"debug", "info", "warn", "error"}, "log-format": {"text", "json"}, "scheduler": {"on", "off"}, "cgroup-root": {"auto", "none"},
}

// completeSettingFlags offers the values of the flags that have few.
func completeSettingFlags(cmd *cobra.Command) {
	for name, values := range settingChoices {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

func configEffectiveCommand(o *clientOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "effective [flags of serve]", Short: "Show every setting that `serve` would have here, and where it comes from", Args: noArgs,
		Long: "Show every setting that `serve` would have here with the same flags, environment\n" +
			"and file, and which of them it comes from. Tokens are hidden. No server is asked:\n" +
			"`config get` shows what can be changed in a running one.",
		Example: "  simplane config effective --config /etc/simplane.yaml",
	}
	var changed bool
	settings := server.NewSettings(cmd.Flags())
	cmd.Flags().BoolVar(&changed, "changed", false, "only those that are not the default")
	completeSettingFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.checkOutput(cmd); err != nil {
			return err
		}
		if err := loadSettings(settings); err != nil {
			return err
		}
		t := newTable("KEY", "VALUE", "FROM").cut("VALUE", "FROM")
		shown := []server.Effective{}
		for _, e := range settings.Effective() {
			if changed && e.Default() {
				continue
			}
			shown = append(shown, e)
			t.row(e.Key, orDash(e.Value), e.Source)
		}
		if done, err := o.structuredValue(cmd.OutOrStdout(), shown); done {
			return err
		}
		return t.print(cmd.OutOrStdout())
	}
	return cmd
}
