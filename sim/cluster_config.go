package sim

import (
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/sim/internal/nodes"
	"simplane/sim/internal/world"
)

// What several judges of the runtime configuration: what is in force or shown anywhere is
// stored, an older one never takes the place of a newer one, and what was acknowledged
// holds from then on.

// configurations are those that were stored, by revision from the first on.
type configurations struct {
	stored  []revision
	acked   []int64          // virtual ns at which a revision was, by revision; 0 = it was not
	inForce map[string]int64 // the newest revision, by process
}

type revision struct {
	nodes.Configuration
	at int64 // virtual ns
}

func (k *several) startConfigurations() {
	k.configs = configurations{stored: []revision{{Configuration: nodes.Configuration{Revision: 1, Rate: int64(k.r.sc.Cluster.RateMaxPerSecond)}}}, acked: []int64{0, 0}, inForce: map[string]int64{}}
}

// configured judges a fact with a configuration.
func (k *several) configured(f *core.Fact) {
	c, err := nodes.DecodeConfiguration(f.Data)
	if newest := k.configs.newest(); err != nil || c.Revision != newest+1 {
		k.fail("changes of the configuration rest on one another", "revision %d is stored after revision %d; %v", c.Revision, newest, err)
		return
	}
	k.configs.stored = append(k.configs.stored, revision{c, k.loop.Now()})
	k.configs.acked = append(k.configs.acked, 0)
}

func (c *configurations) newest() int64 { return int64(len(c.stored)) }

// has says that a configuration is stored as it is.
func (c *configurations) has(one nodes.Configuration) bool {
	return one.Revision >= 1 && one.Revision <= c.newest() && c.stored[one.Revision-1].Configuration == one
}

// InForce implements nodes.Watch.
func (k *several) InForce(m cluster.Member, c nodes.Configuration) {
	if !k.configs.has(c) {
		k.fail("a configuration in force is stored", "%s has revision %d with a rate of %d in force, and revision %d is stored", m.Life, c.Revision, c.Rate, k.configs.newest())
		return
	}
	if before := k.configs.inForce[m.Life]; c.Revision < before {
		k.fail("an older configuration never takes the place of a newer one", "%s has revision %d in force after revision %d", m.Life, c.Revision, before)
	}
	k.configs.inForce[m.Life] = c.Revision
}

// Shown implements nodes.Watch.
func (k *several) Shown(asked int64, c nodes.Configuration) {
	if !k.configs.has(c) {
		k.fail("a configuration that is shown is stored", "revision %d with a rate of %d is shown, and revision %d is stored", c.Revision, c.Rate, k.configs.newest())
	}
	for i := c.Revision + 1; i <= k.configs.newest(); i++ {
		if at := k.configs.acked[i]; at > 0 && at < asked {
			k.fail("an acknowledged configuration holds", "revision %d is shown to who has asked at %v; revision %d was acknowledged at %v", c.Revision, time.Duration(asked), i, time.Duration(at))
			return
		}
	}
}

// Acknowledged implements nodes.Watch.
func (k *several) Acknowledged(c nodes.Configuration) {
	if !k.configs.has(c) || k.configs.acked[c.Revision] > 0 {
		k.fail("an acknowledged configuration holds", "revision %d with a rate of %d is acknowledged; revision %d is stored, and it was acknowledged before at %v",
			c.Revision, c.Rate, k.configs.newest(), time.Duration(k.configs.acked[min(c.Revision, k.configs.newest())]))
		return
	}
	k.configs.acked[c.Revision] = k.loop.Now()
	k.r.witness.functions[0].group.counts[cConfigured]++
}

// rateLasts is how long after a change was acknowledged places may be taken that were
// granted before: those of the window that was the next one then.
const rateLasts = 3 * time.Second

// RateAllowed implements nodes.Watch: the highest limit that may have been in force where
// places of a window were granted.
func (k *several) RateAllowed(window uint64) (most int64) {
	begins := int64(window)*int64(time.Second) - world.At(0).Wall
	c := &k.r.sc.Cluster // clocks may be slow as well as fast
	spread := 2 * (int64(c.ClockOffset) + k.loop.Now()/1_000_000*int64(c.ClockDrift+1))
	for i := len(k.configs.stored) - 1; i >= 0; i-- {
		r := &k.configs.stored[i]
		if r.at <= begins+int64(time.Second)+spread {
			most = max(most, r.Rate)
		}
		if at := k.configs.acked[r.Revision]; at > 0 && at+int64(rateLasts)+spread < begins {
			break
		}
	}
	return most
}

// followed checks that all processes have the newest configuration in force.
func (k *several) followed() bool {
	behind := k.cluster.Follows()
	if behind != "" {
		k.fail("all nodes follow the configuration", "%s has not revision %d in force", behind, k.configs.newest())
	}
	return behind == ""
}
