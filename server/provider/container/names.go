package container

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"simplane/server/provider"
)

// Labels of the containers and of the network.
const (
	labelManagedBy = "app.kubernetes.io/managed-by" // simplane
	labelName      = "simplane.internal/name"       // the control plane's, Options.Name
	labelFunction  = "simplane.internal/function"
	labelProgram   = "simplane.internal/program" // what the container was started from, see program
	managedBy      = "simplane"
)

var nameFits = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,47}$`)

// containerName is the name of a new container: function names are shortened, as
// they may be longer than what the engine makes host names of.
func (p *Provider) containerName(function string) string {
	return fmt.Sprintf("%s-%.48s-%s", p.opt.Name, function, strings.ToLower(rand.Text()[:10]))
}

func (p *Provider) labels() map[string]string {
	return map[string]string{labelManagedBy: managedBy, labelName: p.opt.Name}
}

// program says, in a short text, what a deployment's containers are started from:
// those of two that have the same do not differ.
func (p *Provider) program(d provider.Deployment) string {
	raw, err := json.Marshal([]any{
		d.Image, d.Commands, d.RuntimeCommand, d.Env, d.CPU, d.Memory,
		p.opt.User, p.opt.MaxProcesses, p.opt.Network, p.opt.Reach,
	})
	if err != nil {
		panic(err) // plain values
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

// lock takes a name on this machine until unlock: of two simplanes with one name,
// each would remove the other's containers. The kernel gives it back however the
// process ends. A simplane in a container of its own sees no other's lock.
func lock(name string) (unlock func(), err error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@simplane/container/" + name, Net: "unix"})
	if err != nil {
		if errors.Is(err, errInUse) {
			return nil, fmt.Errorf("name %q: another simplane of this machine has it; give this one another (--container-name)", name)
		}
		return nil, err
	}
	return func() { _ = l.Close() }, nil
}
