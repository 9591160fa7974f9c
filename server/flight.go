package server

import (
	"os"
	"runtime"
	"time"

	"simplane/core"
	"simplane/core/recording"
	"simplane/server/internal/flight"
	"simplane/server/internal/machine"
)

// openFlightRecorder makes the flight recorder, unless nothing is to be recorded,
// and has it go into core's configuration.
func (s *Server) openFlightRecorder(cfg *Config) {
	if cfg.FlightRecorderBytes == 0 && cfg.Record == "" {
		return
	}
	s.flight = flight.New(flight.Options{Bytes: cfg.FlightRecorderBytes, DumpDir: cfg.dumpDirectory(), Header: s.recordingHeader, Log: s.log})
	cfg.Core.Recorder = s.flight
}

// beginRecording has everything go into files, if that is asked for. Core exists,
// and has taken no step yet.
func (s *Server) beginRecording(cfg *Config) error {
	if s.flight == nil {
		return nil
	}
	if cfg.Record != "" {
		if err := s.flight.Record(cfg.Record, cfg.RecordMaxBytes); err != nil {
			return err
		}
		s.log.Info("recording every decision", "directory", cfg.Record, "maxBytes", cfg.RecordMaxBytes, "names", cfg.RecordNames)
	}
	s.metrics.Registry.MustRegister(s.flight.Collectors()...)
	return nil
}

// dumpDirectory is where dumps go that nobody has asked for over HTTP.
func (c *Config) dumpDirectory() string {
	switch {
	case c.DataDir != "":
		return c.DataDir
	case c.Record != "":
		return c.Record
	}
	if dir, err := os.Getwd(); err == nil {
		return dir // the log then says where, in full
	}
	return "."
}

func (s *Server) recordingHeader(why string) recording.Header {
	h := recording.Header{
		Version: s.cfg.Version, Commit: s.cfg.Commit, Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Made: s.clock.Now().Wall, Why: why, Names: s.cfg.RecordNames,
	}
	switch {
	case s.only != nil:
		cfg := s.only.core.Config()
		h.Config = cfg.ForReplay()
	case s.member.replay.Load() != nil: // else there is no step yet
		h.Config = *s.member.replay.Load()
	}
	return h
}

// DumpFlightRecorder writes what the flight recorder holds into a file, and logs
// its name or why there is none.
func (s *Server) DumpFlightRecorder(why string) {
	name, err := s.flight.DumpFile(why)
	if err != nil {
		s.log.Warn("the flight recorder was not dumped", "why", why, "error", err)
		return
	}
	s.log.Info("flight recorder dumped", "why", why, "file", name)
}

// guarded has the flight recorder dumped if f panics.
func (s *Server) guarded(f func()) func() {
	if s.flight == nil {
		return f
	}
	return s.flight.Guarded(f)
}

// coreClock is the clock for core: what its timers call is guarded.
type coreClock struct {
	*machine.Clock
	guarded func(func()) func()
}

// AfterFunc implements core.Clock.
func (c coreClock) AfterFunc(d time.Duration, f func()) core.Timer {
	return c.Clock.AfterFunc(d, c.guarded(f))
}
