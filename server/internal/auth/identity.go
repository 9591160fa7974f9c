package auth

import (
	"crypto/x509"
	"regexp"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// The author of a change, for the audit log: "token:NAME" of the bearer
// token, "cert:NAME" of the client certificate, both when there are both,
// else this.
const anonymous = "anonymous"

// WhoReload is the author of changes on SIGHUP.
const WhoReload = "signal:SIGHUP"

// Who names the caller. It checks the tokens of all scopes, because a caller
// of an open scope may still send one.
func (g *Guard) Who(ctx *fasthttp.RequestCtx) string {
	var names []string
	if token := g.tokens.Load().name(ctx); token != "" {
		names = append(names, "token:"+token)
	}
	if state := ctx.TLSConnectionState(); state != nil && len(state.PeerCertificates) > 0 {
		names = append(names, "cert:"+certificateName(state.PeerCertificates[0]))
	}
	if len(names) == 0 {
		return anonymous
	}
	return strings.Join(names, " ")
}

// unambiguous matches text that cannot be confused with anything else in a
// log line.
var unambiguous = regexp.MustCompile(`^[A-Za-z0-9._@*/:-]{1,128}$`)

// certificateName is the subject's common name, or the serial number when
// there is none.
func certificateName(c *x509.Certificate) string {
	name := c.Subject.CommonName
	switch {
	case name == "":
		return "serial-" + c.SerialNumber.Text(16)
	case !unambiguous.MatchString(name):
		return strconv.Quote(httpjson.Clip([]byte(name), 128))
	}
	return name
}
