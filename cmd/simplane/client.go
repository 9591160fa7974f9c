package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"simplane/server/client"
)

const clientGroup = "client"

const serverUsage = "`address` of the server (default $SIMPLANE_SERVER, the context in use, or 127.0.0.1:8080)"

// clientOptions are what every command that calls a server takes.
type clientOptions struct {
	server, token, tokenFile, context string
	outputOptions

	tls client.TLS
}

// addClientCommands adds the commands that call a running server.
func addClientCommands(root *cobra.Command) {
	root.AddGroup(&cobra.Group{ID: clientGroup, Title: "Calling a running server:"})
	for _, build := range []func(*clientOptions) *cobra.Command{
		fnCommand, invokeCommand, enqueueCommand, execCommand, dlqCommand, configCommand, clusterCommand, topCommand, healthCommand,
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
	f.StringVar(&o.context, "context", "", "`name` of a server that `simplane context add` was given (default $SIMPLANE_CONTEXT)")
	o.bindAccess(f)
	o.bindOutput(cmd)
	_ = cmd.RegisterFlagCompletionFunc("context", completeContexts(1<<30))
}

// bindAccess adds what a server may ask of its callers.
func (o *clientOptions) bindAccess(f *pflag.FlagSet) {
	f.StringVar(&o.token, "token", "", "bearer `token` (default $SIMPLANE_TOKEN)")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` that holds the token (default $SIMPLANE_TOKEN_FILE)")
	f.StringVar(&o.tls.CA, "tls-ca", "", "PEM `file` of the CA that the server's certificate is from (default: the machine's)")
	f.StringVar(&o.tls.Cert, "tls-cert", "", "PEM `file` of a client certificate")
	f.StringVar(&o.tls.Key, "tls-key", "", "PEM `file` of its key")
}

// connect checks the options and prepares the client.
func (o *clientOptions) connect() (*client.Client, error) {
	address, token, tls, err := o.resolve()
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	if tls != (client.TLS{}) && !strings.Contains(address, "://") {
		address = "https://" + address
	}
	c, err := client.New(address, token)
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	if tls != (client.TLS{}) {
		if err := c.UseTLS(tls); err != nil {
			return nil, usageErrorf("%w", err)
		}
	}
	return c, nil
}

// resolve says which server is called, and how: --server, --context,
// $SIMPLANE_SERVER, $SIMPLANE_CONTEXT, the context in use, in this order. A
// context is taken whole: its server gets its token and no other one but that
// of a flag, and no other server gets its token.
func (o *clientOptions) resolve() (address, token string, tls client.TLS, err error) {
	name := o.context
	switch {
	case o.server != "" && o.context != "":
		return "", "", tls, errors.New("give --server or --context, not both")
	case o.server != "":
		address = o.server
	case name == "":
		if address = getenv("SIMPLANE_SERVER"); address == "" {
			name = getenv("SIMPLANE_CONTEXT")
		}
	}
	if address == "" {
		f, err := readContexts()
		if err != nil {
			return "", "", tls, err
		}
		if name = firstOf(name, f.Current); name != "" {
			c, err := f.get(name)
			if err != nil {
				return "", "", tls, err
			}
			token, err = readToken(o.token, o.tokenFile, c.Token, c.TokenFile)
			tls = client.TLS{CA: firstOf(o.tls.CA, c.TLSCA), Cert: firstOf(o.tls.Cert, c.TLSCert), Key: firstOf(o.tls.Key, c.TLSKey)}
			return c.Server, token, tls, err
		}
		address = "127.0.0.1:8080"
	}
	token, err = readToken(o.token, o.tokenFile, getenv("SIMPLANE_TOKEN"), getenv("SIMPLANE_TOKEN_FILE"))
	return address, token, o.tls, err
}

// readToken is the token to send: of a flag, else of what else is given, where
// the token itself comes before a file's.
func readToken(flag, flagFile, other, otherFile string) (string, error) {
	if flag != "" && flagFile != "" {
		return "", errors.New("give --token or --token-file, not both")
	}
	file := flagFile
	if file == "" {
		if token := firstOf(flag, other); token != "" {
			return token, nil
		}
		file = otherFile
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
		ctx, stop := untilSignal(cmd)
		defer stop()
		err = do(ctx, c, cmd, args)
		if err != nil && ctx.Err() != nil {
			return interrupted(ctx, err)
		}
		return clientError(suggestFunction(ctx, c, err))
	}
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(children...)
	return cmd
}
