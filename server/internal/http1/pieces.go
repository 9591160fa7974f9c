package http1

import (
	"io"

	"github.com/valyala/fasthttp"
)

// SetPieces answers with three pieces in turn, which a Server sends from where
// they are, in one system call if the connection takes them. They must not
// change before the answer is written.
func SetPieces(ctx *fasthttp.RequestCtx, before, large, after []byte) {
	p := &pieces{left: [3][]byte{before, large, after}}
	ctx.Response.SetBodyStream(p, len(before)+len(large)+len(after))
}

// pieces is an answer in pieces: those that were not read yet.
type pieces struct{ left [3][]byte }

// Read implements io.Reader, for whoever is not a Server.
func (p *pieces) Read(b []byte) (int, error) {
	for i, piece := range p.left {
		if len(piece) > 0 {
			n := copy(b, piece)
			p.left[i] = piece[n:]
			return n, nil
		}
	}
	return 0, io.EOF
}

// writePieces writes an answer in pieces, behind what out has.
func (x *exchange) writePieces(p *pieces) error {
	resp := &x.ctx.Response
	if err := resp.Header.Write(x.out); err != nil || resp.SkipBody {
		return err
	}
	if _, err := x.out.Write(p.left[0]); err != nil {
		return err
	}
	x.behind = p.left[1:]
	if x.out.Buffered() == 0 {
		_, err := x.Write(nil)
		return err
	}
	return x.out.Flush()
}
