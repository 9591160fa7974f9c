package process

import (
	"io"

	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// pipeTransfer is that of an EXEC function: the input on stdin up to the end of
// file, and stdout. A program need not read its input.
type pipeTransfer struct {
	input []byte
	limit int // of the output, in bytes

	output []byte // the reader's, until eof is closed
	eof    chan struct{}
	over   chan struct{} // closed when the output is larger than the limit
}

func throughPipes(in *instance, _ string, inv provider.Invocation) (transfer, error) {
	x := &pipeTransfer{input: inv.Input, limit: in.f.p.opt.MaxOutputBytes, eof: make(chan struct{}), over: make(chan struct{})}
	if text, isText := fncall.Text(inv.Input); isText {
		x.input = text
	}
	return x, nil
}

func (x *pipeTransfer) vars() map[string]string { return nil }

func (x *pipeTransfer) pipes() bool { return true }

func (x *pipeTransfer) begin(c *child) <-chan struct{} {
	go func() {
		// It ends when all is written, when nobody can read it any more, and when
		// cleanUp closes the pipe. No error says anything about the function.
		_, _ = c.stdin.Write(x.input)
		_ = c.stdin.Close()
	}()
	go func() {
		defer close(x.eof)
		x.output, _ = io.ReadAll(io.LimitReader(c.stdout, int64(x.limit)+1))
		if len(x.output) > x.limit {
			close(x.over)
			_, _ = io.Copy(io.Discard, c.stdout) // until it is killed
		}
	}()
	return x.over
}

func (x *pipeTransfer) end(c *child) { c.readingEnds(x.eof) }

func (x *pipeTransfer) result(_ *child, failed *provider.Result) provider.Result {
	switch {
	case len(x.output) > x.limit:
		return tooLarge(x.limit)
	case failed != nil:
		return *failed
	}
	return provider.Result{Output: fncall.JSONOrText(x.output)}
}

func (x *pipeTransfer) close() {}
