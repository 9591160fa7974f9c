package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

func contextCommand() *cobra.Command {
	return group("context", "Name servers, with their tokens and CAs, and choose one",
		contextAddCommand(), contextUseCommand(), contextListCommand(), contextRmCommand())
}

func contextAddCommand() *cobra.Command {
	var o clientOptions
	var use bool
	cmd := &cobra.Command{
		Use: "add NAME --server ADDRESS", Short: "Name a server, or change what is kept of it", Args: exactArgs("NAME"),
		Long: "Name a server with all that its callers need: address, token, CA and client\n" +
			"certificate. The first one named is the one in use. They are kept in a file\n" +
			"that only you can read: $SIMPLANE_CONTEXTS, else simplane/contexts.yaml in\n" +
			"$XDG_CONFIG_HOME or ~/.config.",
		Example:           "  simplane context add prod --server https://simplane.example:8080 --token-file ~/prod.token",
		ValidArgsFunction: completeContexts(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !contextName.MatchString(args[0]) {
				return usageErrorf("NAME: must be up to 63 letters, digits, dots, dashes and underscores, not %q", args[0])
			}
			if o.server == "" {
				return usageErrorf("--server is missing: which one is %s?", args[0])
			}
			if o.token != "" && o.tokenFile != "" {
				return usageErrorf("give --token or --token-file, not both")
			}
			c := serverContext{Server: o.server, Token: o.token}
			for _, file := range []struct {
				from string
				to   *string
			}{{o.tokenFile, &c.TokenFile}, {o.tls.CA, &c.TLSCA}, {o.tls.Cert, &c.TLSCert}, {o.tls.Key, &c.TLSKey}} {
				if file.from == "" {
					continue
				}
				abs, err := filepath.Abs(file.from)
				if err != nil {
					return err
				}
				*file.to = abs
			}
			probe := clientOptions{server: c.Server, token: c.Token, tokenFile: c.TokenFile, tls: client.TLS{CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey}}
			if _, err := probe.connect(); err != nil { // what cannot be used is not kept
				return err
			}
			f, err := readContexts()
			if err != nil {
				return err
			}
			f.Contexts[args[0]] = c
			note := ""
			if use || f.Current == "" {
				f.Current, note = args[0], "; it is in use"
			}
			if err := f.write(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s%s\n", args[0], c.Server, note)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.server, "server", "", "`address` of the server")
	o.bindAccess(f)
	f.BoolVar(&use, "use", false, "use it from now on")
	return cmd
}

func contextUseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Choose the server that commands call from now on", Args: exactArgs("NAME"),
		Long: "Choose the server that commands call from now on, where neither --server nor\n" +
			"$SIMPLANE_SERVER names another. --context NAME does it for one command.",
		ValidArgsFunction: completeContexts(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := readContexts()
			if err != nil {
				return err
			}
			c, err := f.get(args[0])
			if err != nil {
				return err
			}
			f.Current = args[0]
			if err := f.write(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is in use: %s\n", args[0], c.Server)
			return err
		},
	}
}

func contextListCommand() *cobra.Command {
	var o clientOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List the servers that are named; the one in use has a star", Args: noArgs,
		Annotations: namesToo,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkOutput(cmd); err != nil {
				return err
			}
			f, err := readContexts()
			if err != nil {
				return err
			}
			names := slices.Sorted(maps.Keys(f.Contexts))
			type row struct {
				Name    string `json:"name"`
				Current bool   `json:"current"`
				serverContext
			}
			rows := []row{}
			t := newTable("", "NAME", "SERVER", "TOKEN")
			for _, name := range names {
				c := f.Contexts[name]
				star, token := "", "-"
				if name == f.Current {
					star = "*"
				}
				switch {
				case c.Token != "":
					token = "kept here"
				case c.TokenFile != "":
					token = c.TokenFile
				}
				t.row(star, name, c.Server, token)
				rows = append(rows, row{name, name == f.Current, c})
			}
			raw, err := json.Marshal(rows)
			if err != nil {
				return err
			}
			if done, err := o.structured(cmd.OutOrStdout(), raw, names...); done {
				return err
			}
			return t.print(cmd.OutOrStdout())
		},
	}
	o.bindOutput(cmd)
	return cmd
}

func contextRmCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME...", Short: "Forget named servers and their tokens", Args: atLeastArgs("NAME"),
		ValidArgsFunction: completeContexts(1 << 30),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := readContexts()
			if err != nil {
				return err
			}
			for _, name := range args {
				if _, err := f.get(name); err != nil {
					return err
				}
			}
			for _, name := range args {
				delete(f.Contexts, name)
				if f.Current == name {
					f.Current = ""
				}
			}
			if err := f.write(); err != nil {
				return err
			}
			for _, name := range args {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s removed\n", name); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// completeContexts offers the names of contexts for the first n arguments.
func completeContexts(n int) completion {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		f, err := readContexts()
		if err != nil || len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := f.names()
		slices.Sort(names)
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
