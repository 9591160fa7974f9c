package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"simplane/server/client"
)

const clientGroup = "client"

const serverUsage = "`address` of the server (default $SIMPLANE_SERVER or 127.0.0.1:8080)"

// clientOptions are what every command that calls a server takes.
type clientOptions struct {
	server, token, tokenFile, output string

	tls client.TLS
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
	f.StringVar(&o.server, "server", "", serverUsage)
	o.bindAccess(f)
	f.StringVarP(&o.output, "output", "o", "table", "output `format`: table or json; for specs yaml too")
	_ = cmd.RegisterFlagCompletionFunc("output", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return outputFormats(cmd), cobra.ShellCompDirectiveNoFileComp
	})
}

// bindAccess adds what a server may ask of its callers.
func (o *clientOptions) bindAccess(f *pflag.FlagSet) {
	f.StringVar(&o.token, "token", "", "bearer `token` (default $SIMPLANE_TOKEN)")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` that holds the token (default $SIMPLANE_TOKEN_FILE)")
	f.StringVar(&o.tls.CA, "tls-ca", "", "PEM `file` of the CA that the server's certificate is from (default: the machine's)")
	f.StringVar(&o.tls.Cert, "tls-cert", "", "PEM `file` of a client certificate")
	f.StringVar(&o.tls.Key, "tls-key", "", "PEM `file` of its key")
}

// yamlToo marks the commands that print specs.
var yamlToo = map[string]string{"yaml": "yes"}

func outputFormats(cmd *cobra.Command) []string {
	formats := []string{"table", "json"}
	if cmd.Annotations["yaml"] != "" {
		formats = append(formats, "yaml")
	}
	return formats
}

func (o *clientOptions) checkOutput(cmd *cobra.Command) error {
	if formats := outputFormats(cmd); !slices.Contains(formats, o.output) {
		return usageErrorf("--output: must be %s, not %q", strings.Join(formats, " or "), o.output)
	}
	return nil
}

// connect checks the other options and prepares the client.
func (o *clientOptions) connect() (*client.Client, error) {
	token, err := o.bearer()
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	c, err := client.New(firstOf(o.server, getenv("SIMPLANE_SERVER"), "127.0.0.1:8080"), token)
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

// bearer is the token to send: of a flag, else of the environment, where the
// token itself comes before a file's.
func (o *clientOptions) bearer() (string, error) {
	if o.token != "" && o.tokenFile != "" {
		return "", errors.New("give --token or --token-file, not both")
	}
	file := o.tokenFile
	if file == "" {
		if token := firstOf(o.token, getenv("SIMPLANE_TOKEN")); token != "" {
			return token, nil
		}
		file = getenv("SIMPLANE_TOKEN_FILE")
	}
	if file == "" {
		return "", nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(raw))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("%s: expected one line, the token", file)
	}
	return token, nil
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
		if err := o.checkOutput(cmd); err != nil {
			return err
		}
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
