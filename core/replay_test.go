package core

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// recordedDay records a bit of everything that a function goes through, and
// returns what is recorded of each function.
func recordedDay(t testing.TB) (ReplayConfig, map[uint32]*track) {
	c, ok := t.(checker)
	if !ok {
		t.Fatal("no checker")
	}
	tp := &tape{}
	b := newBed(c, func(cfg *Config) {
		cfg.Recorder = tp
		cfg.TTL, cfg.CleanupTTL, cfg.StaleTTL = 20*time.Second, 5*time.Second, 10*time.Minute
	})
	random := rand.New(rand.NewPCG(1, 2))
	b.register("a", slots(2), queueSize(5), retries(2), timeout(2*time.Second))
	b.register("b", slots(1), queueSize(3), pausing(RetryBackoff{100, 400, 2, 0.5}))
	var waiters []*wakes
	var ids []ID
	for i := range 600 {
		name := []string{"a", "b"}[random.IntN(2)]
		switch random.IntN(12) {
		case 0, 1, 2:
			if res, err := b.Submit(&Request{Function: name, Input: make([]byte, random.IntN(100)), Metadata: []byte("{}")}); err == nil {
				ids = append(ids, res.ID)
			}
		case 3, 4, 5:
			w := &wakes{}
			waiters = append(waiters, w)
			if res, err := b.Submit(&Request{Function: name, Sync: true, Input: []byte("1"), Waiter: w, IdempotencyKey: []string{"", "k"}[random.IntN(2)]}); err == nil {
				ids = append(ids, res.ID)
			}
		case 6, 7:
			if b.work.pending() > 0 {
				b.work.next(c).Complete(Outcome{Status: Success, Output: make([]byte, random.IntN(50)), ColdStart: i%2 == 0})
			}
		case 8:
			if b.work.pending() > 0 {
				b.work.next(c).Complete(Outcome{Status: Error, Code: "BOOM", Message: "it broke", RetryAfter: time.Duration(random.IntN(2)) * time.Second})
			}
		case 9:
			if len(ids) > 0 {
				id := ids[random.IntN(len(ids))]
				if random.IntN(2) == 0 {
					_, _ = b.Cancel(id)
				} else if len(waiters) > 0 {
					b.Forget(id, waiters[random.IntN(len(waiters))])
				}
			}
		case 10:
			b.clock.advance(time.Duration(random.IntN(1500)) * time.Millisecond)
		case 11:
			if random.IntN(5) == 0 {
				if _, err := b.Update(spec(c, name, slots(1+random.IntN(3)), queueSize(1+random.IntN(5)), retries(random.IntN(3))), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := b.Delete("a"); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(time.Minute)
	full, tracks := b.Config(), tp.tracks()
	maps.DeleteFunc(tracks, func(domain uint32, _ *track) bool { _, keys := KeyDomain(domain); return keys })
	return full.ForReplay(), tracks
}

// TestReplayFindsEveryChange changes one bit of one field of one record, and then
// the replay must not come out as it did.
func TestReplayFindsEveryChange(t *testing.T) {
	alone(t)
	cfg, tracks := recordedDay(t)
	random := rand.New(rand.NewPCG(3, 4))
	fields := reflect.TypeFor[Step]().NumField()
	changed := make([]int, fields)
	for range 3000 {
		tr := tracks[1+random.Uint32N(2)]
		from := tr.first[0]
		step := random.IntN(len(tr.steps))
		was := tr.steps[step]
		if _, unverified, bad, _ := (&track{steps: tr.steps[:step+1], bases: tr.bases}).replay(cfg, from); bad != nil {
			t.Fatalf("unchanged, it is %v: %s", bad.Result, bad.Why)
		} else if unverified > 0 && random.IntN(50) > 0 { // most of them come late
			continue
		}
		again := append([]Step(nil), was...)
		s := &again[random.IntN(len(again))]
		field := random.IntN(fields)
		changeField(reflect.ValueOf(s).Elem().Field(field), random)
		tr.steps[step] = again
		_, before, _, _ := (&track{steps: tr.steps[:step], bases: tr.bases}).replay(cfg, from)
		_, after, bad, _ := tr.replay(cfg, from)
		tr.steps[step] = was
		if bad == nil && after == before {
			t.Fatalf("step %v: %s of a record changed from %+v to %+v: identical", was[0].Kind, reflect.TypeFor[Step]().Field(field).Name, was, again)
		}
		changed[field]++
	}
	for field, n := range changed {
		if n < 20 {
			t.Errorf("%s was changed %d times only", reflect.TypeFor[Step]().Field(field).Name, n)
		}
	}
}

// changeField flips a bit.
func changeField(v reflect.Value, random *rand.Rand) {
	switch v.Kind() {
	case reflect.Array:
		changeField(v.Index(random.IntN(v.Len())), random)
	case reflect.Int64:
		v.SetInt(v.Int() ^ 1<<random.IntN(63))
	default:
		v.SetUint(v.Uint() ^ 1<<random.IntN(v.Type().Bits()))
	}
}

// TestReplayOfOtherSettings: what decides otherwise is found.
func TestReplayOfOtherSettings(t *testing.T) {
	alone(t)
	cfg, tracks := recordedDay(t)
	for name, change := range map[string]func(*ReplayConfig, *Spec){
		"queueSize":  func(_ *ReplayConfig, s *Spec) { s.QueueSize = 1 },
		"maxRetries": func(_ *ReplayConfig, s *Spec) { s.MaxRetries = 0 },
		"slots":      func(_ *ReplayConfig, s *Spec) { s.Concurrency++ },
		"cleanupTtl": func(cfg *ReplayConfig, _ *Spec) { cfg.CleanupTTL *= 2 },
		"scheduler":  func(cfg *ReplayConfig, _ *Spec) { cfg.SchedulerOff = true },
	} {
		found := 0
		for domain, tr := range tracks { // an update may come before the first that it matters to
			other, from, spec := cfg, *tr.first[0], *tr.first[0].Spec
			change(&other, &spec)
			from.Spec = &spec
			switch _, _, bad, _ := tr.replay(other, &from); {
			case bad == nil:
			case bad.Result != ReplayDiverged:
				t.Errorf("function %d with another %s: %v: %s", domain, name, bad.Result, bad.Why)
			default:
				found++
			}
		}
		if found == 0 {
			t.Errorf("another %s: identical", name)
		}
	}
}

// TestKeyReplay: what a crowded shard of keys decides is decided again, and each
// changed bit is found.
func TestKeyReplay(t *testing.T) {
	alone(t)
	tp := &tape{}
	s := NewIdempotencyStore(2, 100, 10, 6)
	s.recordTo(tp, &Domains{})
	random := rand.New(rand.NewPCG(5, 6))
	tokens := map[string]uint64{}
	for now := int64(0); now < 3000; now += random.Int64N(4) {
		key := string(rune('a' + random.IntN(8)))
		switch random.IntN(6) {
		case 0, 1:
			if state, token, id := s.AcquireOrGet("f", key, Fingerprint{byte(random.IntN(5) / 4)}, now, nil); state == Claimed {
				tokens[key] = token
			} else if state == Existing && random.IntN(4) == 0 {
				if state, token = s.ClaimIfMatches("f", key, id); state == Claimed {
					tokens[key] = token
				}
			}
		case 2, 3:
			if tokens[key] != 0 {
				_ = s.Publish("f", key, tokens[key], idOf(uint64(now)), now)
			}
		case 4:
			_ = s.Abandon("f", key, tokens[key]+uint64(random.IntN(3)/2))
		case 5:
			s.sweep(random.IntN(2), now)
		}
	}
	cfg := ReplayConfig{IdempotencyTTL: 100, SweepInterval: 10}
	seen := map[uint32]int{}
	for domain, tr := range tp.tracks() {
		tr.replayKeys(t, cfg, domain)
		for i := range tr.steps {
			was := &tr.steps[i][0]
			seen[was.A]++
			seen[uint32(was.Flags)<<8]++
			again := *was
			field := reflect.ValueOf(&again).Elem().Field(random.IntN(reflect.TypeFor[Step]().NumField()))
			changeField(field, random)
			r, err := NewKeyReplay(cfg, domain)
			if err != nil {
				t.Fatal(err)
			}
			for j := range i {
				r.Next(&tr.steps[j][0])
			}
			if v := r.Next(&again); v.Result == ReplayIdentical || v.Result == ReplayUnverified && i > 0 {
				t.Fatalf("%+v changed to %+v: %v", *was, again, v.Result)
			}
		}
	}
	for _, want := range []uint32{keyAcquire, keyTakeOver, keyPublish, keyAbandon, keySweep, uint32(FlagCrowded) << 8,
		uint32(StepFlags(KeysFull)|FlagCrowded|FlagFull) << 8, uint32(Reused) << 8, uint32(FlagWrongToken) << 8} {
		if seen[want] == 0 {
			t.Errorf("%#x was never seen", want)
		}
	}
}

// BenchmarkReplay is how fast a recording is replayed, in steps.
func BenchmarkReplay(b *testing.B) {
	cfg, tracks := recordedDay(b)
	n := 0
	for b.Loop() {
		for _, tr := range tracks {
			steps, _, bad, _ := tr.replay(cfg, tr.first[0])
			if bad != nil {
				b.Fatal(bad.Why)
			}
			n += steps
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "steps/s")
}

// TestRateReplay finds a place that was given twice, and a refusal with places left.
func TestRateReplay(t *testing.T) {
	alone(t)
	tp := &tape{}
	b := newBed(t, func(cfg *Config) { cfg.Recorder, cfg.RateMaxPerSecond = tp, 5 })
	b.register("f", slots(1), func(in *SpecInput) { in.RateMaxPerSecond = ptr(int64(3)) })
	for range 4 {
		for range 4 {
			_, _ = b.Submit(&Request{Function: "f", Input: []byte("1")})
		}
		b.clock.advance(time.Second)
	}
	refused := 0
	for i := range tp.steps {
		for _, change := range []func(*Step){
			func(*Step) {},
			func(s *Step) { s.Extra ^= 3 << 32 },
			func(s *Step) { s.Extra ^= 3 },
		} {
			var r RateReplay
			var err error
			for j := range tp.steps {
				s := tp.steps[j]
				if j == i {
					change(&s)
				}
				if e := r.Next(&s); e != nil {
					err = e
				}
			}
			s := tp.steps[i]
			change(&s)
			wrong := s != tp.steps[i] && (s.Kind == StepAccept && s.Extra>>32 > 0 && s.Extra>>32 < 4 && uint32(s.Extra) > 0 && uint32(s.Extra) < 4 || s.Kind == StepRefuse && s.Extra < 3)
			if (err != nil) != wrong {
				t.Fatalf("%+v as %+v: %v", tp.steps[i], s, err)
			}
		}
		if tp.steps[i].Kind == StepRefuse {
			refused++
		}
	}
	wantEqual(t, "refused", refused, 4)
}

// TestReplayTellsPlacesFromOtherRecords: beside a journal, a further record of what is
// not durable has no places in it; and a request that is made again is refused with
// the figures of now.
func TestReplayTellsPlacesFromOtherRecords(t *testing.T) {
	d := newDurableBed(t, func(c *Config) {
		c.RateMaxPerSecond, c.SyncQueue = 2, SyncQueueConfig{Enabled: true, MaxConcurrency: 1, MaxDepth: 9, MaxEstimatedWait: time.Minute, MaxQueueWait: time.Minute}
	})
	d.register("f", slots(1))
	d.clock.advance(2 * time.Second)
	for _, key := range []string{"a", "b"} {
		d.submit(Request{Function: "f", Sync: true, IdempotencyKey: key, Waiter: &wakes{}})
	}
	d.work.next(t).Complete(Outcome{Status: Success, Output: []byte("1"), ColdStart: true, Init: time.Second})
	r := Request{Function: "f", Input: []byte("1")}
	if _, err := d.Submit(&r); err != ErrRateLimited {
		t.Fatal(err)
	}
	r.Function = "g"
	if _, err := d.Submit(&r); err != ErrNotFound {
		t.Fatal(err)
	}
}
