package core

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var testTimes = scaleTimes{upCooldown: 3, downCooldown: 10, downWindow: 60}

func newPolicy(desired int) *replicaPolicy {
	return &replicaPolicy{desired: desired, upAt: never, downAt: never}
}

func TestPolicyStepsUpAtTheCooldownAndNotBefore(t *testing.T) {
	p := newPolicy(1)
	for _, step := range []struct {
		now  int64
		want int
		then int
	}{
		{100, 4, 4}, // the first step waits for nothing
		{102, 6, 4}, // 2 of 3
		{103, 6, 6}, // exactly the cooldown
		{105, 9, 6},
		{106, 9, 9},
		{106, 17, 9},
		{106, 18, 18}, // doubles
	} {
		p.decide(step.now, step.want, false, testTimes)
		wantEqual(t, "desired", p.desired, step.then)
	}
}

func TestPolicyIgnoresSmallStepsDown(t *testing.T) {
	p := newPolicy(11)
	p.decide(100, 9, false, testTimes)
	wantEqual(t, "a fifth of 11 is more than 2", p.desired, 11)
	p = newPolicy(10)
	p.decide(100, 8, false, testTimes)
	wantEqual(t, "a fifth of 10", p.desired, 8)
	p = newPolicy(11)
	p.decide(100, 10, true, testTimes)
	wantEqual(t, "idle", p.desired, 10)
}

func TestPolicyStepsDownToTheMostOfTheWindow(t *testing.T) {
	p := newPolicy(0)
	p.decide(0, 9, false, testTimes)
	p.decide(20, 5, false, testTimes)
	p.decide(60, 2, false, testTimes) // the 9 is exactly a window old: it counts
	wantEqual(t, "at the window's end", p.desired, 9)
	p.decide(61, 2, false, testTimes)
	wantEqual(t, "past it", p.desired, 5)
	p.decide(81, 2, false, testTimes)
	wantEqual(t, "once the 5 is too old", p.desired, 2)
}

func TestPolicyKeepsTheDownCooldown(t *testing.T) {
	short := scaleTimes{upCooldown: 1, downCooldown: 10, downWindow: 1}
	p := newPolicy(1)
	p.decide(0, 9, false, short) // a step up
	p.decide(9, 4, false, short)
	wantEqual(t, "9 of 10 after the step up", p.desired, 9)
	p.decide(10, 4, false, short)
	wantEqual(t, "10 of 10", p.desired, 4)
	p.decide(19, 1, false, short)
	wantEqual(t, "9 of 10 after the step down", p.desired, 4)
	p.decide(20, 1, false, short)
	wantEqual(t, "10 of 10 again", p.desired, 1)
}

func TestPolicyGoesToZeroOnlyWhenIdle(t *testing.T) {
	short := scaleTimes{upCooldown: 1, downCooldown: 1, downWindow: 1}
	p := newPolicy(3)
	for now := int64(0); now < 100; now++ {
		p.decide(now, 0, false, short)
	}
	wantEqual(t, "quiet, but not for the grace period", p.desired, 1)
	p.decide(101, 0, true, short)
	wantEqual(t, "idle", p.desired, 0)
}

func TestPolicyIdleDoesNotWaitForTheWindow(t *testing.T) {
	p := newPolicy(0)
	p.decide(0, 9, false, testTimes)
	p.decide(30, 0, true, testTimes)
	wantEqual(t, "desired", p.desired, 0)
}

// naivePolicy is the rule written down again, over a full history.
type naivePolicy struct {
	desired int
	asked   []timedValue
	ups     []int64
	changes []int64
}

func (p *naivePolicy) decide(now int64, want int, idle bool, t scaleTimes) {
	p.asked = append(p.asked, timedValue{now, want})
	last := func(at []int64) int64 {
		if len(at) == 0 {
			return never
		}
		return at[len(at)-1]
	}
	most := 0
	for _, a := range p.asked {
		if now-a.at <= t.downWindow {
			most = max(most, a.value)
		}
	}
	switch {
	case want > p.desired:
		if want >= 2*p.desired || now-last(p.ups) >= t.upCooldown {
			p.desired = want
			p.ups = append(p.ups, now)
			p.changes = append(p.changes, now)
		}
	default:
		floor := max(most, 1)
		if idle {
			floor = want
		}
		enough := idle || 10*floor <= 8*p.desired
		if floor < p.desired && enough && now-last(p.changes) >= t.downCooldown {
			p.desired = floor
			p.changes = append(p.changes, now)
		}
	}
}

func TestPolicyIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := scaleTimes{
			upCooldown:   rapid.Int64Range(0, 5).Draw(t, "upCooldown"),
			downCooldown: rapid.Int64Range(0, 12).Draw(t, "downCooldown"),
			downWindow:   rapid.Int64Range(0, 20).Draw(t, "downWindow"),
		}
		p, naive := newPolicy(0), &naivePolicy{}
		now := rapid.Int64Range(0, 1000).Draw(t, "start")
		for range rapid.IntRange(1, 100).Draw(t, "looks") {
			now += rapid.Int64Range(0, 8).Draw(t, "pause")
			want := rapid.IntRange(0, 10).Draw(t, "want")
			idle := rapid.IntRange(0, 9).Draw(t, "idle") == 0
			before := p.desired
			changed := p.decide(now, want, idle, times)
			naive.decide(now, want, idle, times)
			if p.desired != naive.desired {
				t.Fatalf("at %d: desired %d, the naive policy has %d", now, p.desired, naive.desired)
			}
			if changed != (p.desired != before) {
				t.Fatalf("at %d: changed is %v, from %d to %d", now, changed, before, p.desired)
			}
			if most := len(p.asked.items); most > 11 {
				t.Fatalf("the window keeps %d values of 11 possible ones", most)
			}
		}
	})
}

func TestArrivalsRate(t *testing.T) {
	var r arrivals
	second := int64(time.Second)
	wantEqual(t, "nothing seen", r.perSecond(), 0)
	r.sample(0, 0)
	r.sample(second/10, 50)
	wantEqual(t, "50 in a tenth of a second, as if in a second", r.perSecond(), 50)
	for i := int64(1); i <= 9; i++ {
		r.sample(i*second, uint64(20*i))
	}
	wantEqual(t, "20 a second for long", r.perSecond(), 20)
	r.sample(60*second, 200)
	wantEqual(t, "after a long sleep", r.perSecond(), 0)
}
