package core

import "time"

// ReplayConfig is what steps depend on of a Config. A recording begins with it.
type ReplayConfig struct {
	TTL        time.Duration `json:"ttlNs"`
	CleanupTTL time.Duration `json:"cleanupTtlNs"`
	StaleTTL   time.Duration `json:"staleTtlNs"`
	// IdempotencyTTL and SweepInterval are what the shards of keys depend on.
	IdempotencyTTL time.Duration `json:"idempotencyTtlNs"`
	SweepInterval  time.Duration `json:"sweepIntervalNs"`

	SchedulerOff bool `json:"schedulerOff,omitempty"`
	PassOverLate bool `json:"passOverLate,omitempty"`
	Journal      bool `json:"journal,omitempty"` // there is one
	Scaler       bool `json:"scaler,omitempty"`  // there is one

	AutoscaleInterval time.Duration `json:"autoscaleIntervalNs"`
	ScaleUpCooldown   time.Duration `json:"scaleUpCooldownNs"`
	ScaleDownCooldown time.Duration `json:"scaleDownCooldownNs"`
	ScaleDownWindow   time.Duration `json:"scaleDownWindowNs"`
	ScaleToZeroGrace  time.Duration `json:"scaleToZeroGraceNs"`
}

// ForReplay is the part of a configuration, defaults filled in, that steps depend
// on.
func (cfg *Config) ForReplay() ReplayConfig {
	return ReplayConfig{
		TTL: cfg.TTL, CleanupTTL: cfg.CleanupTTL, StaleTTL: cfg.StaleTTL,
		IdempotencyTTL: cfg.IdempotencyTTL, SweepInterval: cfg.SweepInterval,
		SchedulerOff: cfg.SchedulerOff, PassOverLate: cfg.PassOverLate,
		Journal: cfg.Journal != nil, Scaler: cfg.Scaler != nil,
		AutoscaleInterval: cfg.AutoscaleInterval, ScaleUpCooldown: cfg.ScaleUpCooldown, ScaleDownCooldown: cfg.ScaleDownCooldown,
		ScaleDownWindow: cfg.ScaleDownWindow, ScaleToZeroGrace: cfg.ScaleToZeroGrace,
	}
}
