package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

const clientGroup = "client"

// clientOptions are what every command that calls a server takes.
type clientOptions struct {
	server, token, output string
	tls                   client.TLS
}

// addClientCommands adds the commands that call a running server.
func addClientCommands(root *cobra.Command) {
	root.AddGroup(&cobra.Group{ID: clientGroup, Title: "Calling a running server:"})
	for _, build := range []func(*clientOptions) *cobra.Command{
		fnCommand, invokeCommand, enqueueCommand, execCommand, dlqCommand, configCommand, topCommand,
	} {
		o := &clientOptions{}
		cmd := build(o)
		cmd.GroupID = clientGroup
		o.bind(cmd)
		root.AddCommand(cmd)
	}
}

func (o *clientOptions) bind(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&o.server, "server", "", "`address` of the server (default $SIMPLANE_SERVER or 127.0.0.1:8080)")
	f.StringVar(&o.token, "token", "", "bearer `token` (default $SIMPLANE_TOKEN; the variable does not show in process lists)")
	f.StringVarP(&o.output, "output", "o", "table", "output `format`: table or json")
	f.StringVar(&o.tls.CA, "tls-ca", "", "PEM `file` of the CA that the server's certificate is from (default: the machine's)")
	f.StringVar(&o.tls.Cert, "tls-cert", "", "PEM `file` of a client certificate")
	f.StringVar(&o.tls.Key, "tls-key", "", "PEM `file` of its key")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// connect checks the options and prepares the client.
func (o *clientOptions) connect() (*client.Client, error) {
	if o.output != "table" && o.output != "json" {
		return nil, usageErrorf("--output: must be table or json, not %q", o.output)
	}
	c, err := client.New(firstOf(o.server, os.Getenv("SIMPLANE_SERVER"), "127.0.0.1:8080"), firstOf(o.token, os.Getenv("SIMPLANE_TOKEN")))
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	if o.tls != (client.TLS{}) {
		if err := c.UseTLS(o.tls); err != nil {
			return nil, usageErrorf("%w", err)
		}
	}
	return c, nil
}

func (o *clientOptions) json() bool { return o.output == "json" }

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// calling wraps what a client command does: it connects, lets an interrupt
// end the call, and turns the error into the exit code.
func calling(o *clientOptions, do func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := o.connect()
		if err != nil {
			return err
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
		defer stop()
		return clientError(do(ctx, c, cmd, args))
	}
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(children...)
	return cmd
}
