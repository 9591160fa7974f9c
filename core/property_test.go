package core

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ring
		var model []*execution
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				ex := &execution{}
				r.push(ex)
				model = append(model, ex)
			},
			"pop": func(t *rapid.T) {
				got := r.pop()
				if len(model) == 0 {
					if got != nil {
						t.Fatal("popped from an empty ring")
					}
					return
				}
				if got != model[0] {
					t.Fatal("not the oldest")
				}
				model = model[1:]
			},
			"remove": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				r.remove(model[i])
				model = slices.Delete(slices.Clone(model), i, i+1)
			},
			"": func(t *rapid.T) {
				if r.live != len(model) {
					t.Fatalf("%d live, want %d", r.live, len(model))
				}
				if n := len(r.buf); n&(n-1) != 0 || (n > 4 && int(r.tail-r.head) > n) {
					t.Fatalf("buffer of %d for positions %d to %d", n, r.head, r.tail)
				}
			},
		})
	})
}

func TestDeadlineHeapModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d deadlines
		all := make([]*execution, 8)
		for i := range all {
			all[i] = &execution{heapIndex: -1}
		}
		type entry struct {
			at, seq int64
		}
		model := map[*execution]entry{}
		seq := int64(0)
		one := rapid.Custom(func(t *rapid.T) *execution { return all[rapid.IntRange(0, len(all)-1).Draw(t, "i")] })
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				ex, at := one.Draw(t, "ex"), rapid.Int64Range(1, 5).Draw(t, "at")
				seq++
				d.set(ex, at)
				model[ex] = entry{at, seq}
			},
			"drop": func(t *rapid.T) {
				ex := one.Draw(t, "ex")
				d.drop(ex)
				delete(model, ex)
			},
			"": func(t *rapid.T) {
				if len(d.items) != len(model) {
					t.Fatalf("%d items, want %d", len(d.items), len(model))
				}
				var want *execution
				for ex, e := range model {
					if w, ok := model[want]; !ok || e.at < w.at || (e.at == w.at && e.seq < w.seq) {
						want = ex
					}
				}
				at, got, ok := d.next()
				if ok != (want != nil) || got != want || (ok && at != model[want].at) {
					t.Fatalf("next is %p at %d, want %p at %d", got, at, want, model[want].at)
				}
				for i, it := range d.items {
					if int(it.ex.heapIndex) != i {
						t.Fatal("an element does not know its place")
					}
				}
			},
		})
	})
}

func TestCalendarModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCalendar[execution](rapid.Int64Range(1, 7).Draw(t, "width"))
		var model []appointment[execution]
		now := int64(0)
		popAll := func() (got []appointment[execution]) {
			for more := true; more; {
				got, more = c.pop(now, got)
			}
			return got
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				a := appointment[execution]{now + rapid.Int64Range(-20, 20).Draw(t, "due"), &execution{}}
				c.add(a.item, a.due)
				model = append(model, a)
			},
			"pop": func(t *rapid.T) {
				now += rapid.Int64Range(-10, 10).Draw(t, "step") // the wall clock goes both ways
				got := popAll()
				var rest []appointment[execution]
				due := 0
				for _, a := range model {
					if a.due >= now {
						rest = append(rest, a)
						continue
					}
					due++
					if !slices.Contains(got, a) {
						t.Fatalf("at %d: the entry due at %d is missing", now, a.due)
					}
				}
				if len(got) != due {
					t.Fatalf("at %d: %d popped, %d are due", now, len(got), due)
				}
				model = rest
			},
		})
		// Nothing is lost: the end of time pops the rest.
		now = 1 << 40
		if got := popAll(); len(got) != len(model) {
			t.Fatalf("%d left, want %d", len(got), len(model))
		}
		if len(c.keys) != 0 || len(c.buckets) != 0 {
			t.Fatal("buckets are left")
		}
	})
}

// modelID makes ids that share the half by which the store finds them, three
// at a time.
func modelID(n uint64) ID {
	id := idOf(n / 3)
	id[0] = byte(n % 3)
	return id
}

func TestExecutionStoreModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const maxCount, maxBytes = 6, 50
		cfg := Config{MaxExecutions: maxCount, MaxPayloadBytes: maxBytes, Shards: 2, StaleTTL: 100, TTL: 50, CleanupTTL: 10, SweepInterval: 5}
		s := newExecutionStore(cfg)
		model := map[ID]*execution{}
		bytes, n := 0, uint64(0)
		pick := func(t *rapid.T) *execution {
			if len(model) == 0 {
				t.Skip()
			}
			var ids []ID
			for id := range model {
				ids = append(ids, id)
			}
			slices.SortFunc(ids, func(a, b ID) int { return slices.Compare(a[:], b[:]) })
			return model[rapid.SampledFrom(ids).Draw(t, "id")]
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				size := rapid.IntRange(0, 20).Draw(t, "size")
				want := len(model) < maxCount && bytes+size <= maxBytes
				if got := s.reserve(int64(size), 0); (got == reserved) != want {
					t.Fatalf("reserve of %d: %v", size, got)
				}
				if !want {
					return
				}
				n++
				ex := &execution{fn: &Function{}, id: modelID(n), input: make([]byte, size)}
				s.put(ex)
				model[ex.id] = ex
				bytes += size
			},
			"reserve and release": func(t *rapid.T) {
				if s.reserve(1, 0) == reserved {
					s.release(1)
				}
			},
			"remove": func(t *rapid.T) {
				ex := pick(t)
				s.remove(ex)
				s.used.addBytes(-ex.payloadBytes())
				bytes -= len(ex.input)
				delete(model, ex.id)
			},
			"look at": func(t *rapid.T) { s.lookAt(pick(t), rapid.Int64Range(0, 200).Draw(t, "due")) },
			"": func(t *rapid.T) {
				if int(s.used.count.Load()) != len(model) || int(s.used.bytes.Load()) != bytes {
					t.Fatalf("%d records and %d bytes, want %d and %d", s.used.count.Load(), s.used.bytes.Load(), len(model), bytes)
				}
				for i := uint64(1); i <= n; i++ {
					if got := s.get(modelID(i)); got != model[modelID(i)] {
						t.Fatalf("get %d: %v", i, got)
					}
				}
			},
		})
	})
}

func TestIdempotencyStoreModel(t *testing.T) {
	type entry struct {
		id       ID
		print    Fingerprint
		token    uint64
		storedAt int64
		waiting  int
	}
	rapid.Check(t, func(t *rapid.T) {
		const ttl, maxKeys = 20, 3
		s := NewIdempotencyStore(1, ttl, 5, maxKeys)
		model := map[string]*entry{}
		now, told, wantTold, n := int64(0), 0, 0, uint64(0)
		key := rapid.SampledFrom([]string{"a", "b", "cc", "d"})
		request := rapid.SampledFrom([]Fingerprint{{1}, {1}, {1}, {2}})
		live := func(k string) *entry {
			e := model[k]
			if e == nil || (e.token == 0 && e.storedAt+ttl < now) {
				return nil
			}
			return e
		}
		// room is where the model of the bound lives: expired keys make room.
		room := func(k string) bool {
			if model[k] != nil {
				return true
			}
			if len(model) >= maxKeys {
				for other, e := range model {
					if e.token == 0 && e.storedAt+ttl < now {
						delete(model, other)
					}
				}
			}
			return len(model) < maxKeys
		}
		newID := func() ID { n++; return idOf(n) }
		t.Repeat(map[string]func(*rapid.T){
			"time": func(t *rapid.T) { now += rapid.Int64Range(0, 15).Draw(t, "d") },
			"put": func(t *rapid.T) {
				k, id := key.Draw(t, "k"), newID()
				want, print := room(k), request.Draw(t, "request")
				if got := s.Put("f", k, print, id, now); got != want {
					t.Fatalf("put: %v", got)
				}
				if want {
					if e := model[k]; e != nil {
						wantTold += e.waiting
					}
					model[k] = &entry{id: id, print: print, storedAt: now}
				}
			},
			"put if absent": func(t *rapid.T) {
				k, id := key.Draw(t, "k"), newID()
				e, print := live(k), request.Draw(t, "request")
				want, wantID := false, ID{}
				if e != nil {
					wantID = e.id
				} else if room(k) {
					want, wantID = true, id
					model[k] = &entry{id: id, print: print, storedAt: now}
				}
				if got, stored := s.PutIfAbsent("f", k, print, id, now); stored != want || got != wantID {
					t.Fatalf("put if absent: %v %v, want %v %v", got, stored, wantID, want)
				}
			},
			"acquire": func(t *rapid.T) {
				k := key.Draw(t, "k")
				e, print := live(k), request.Draw(t, "request")
				state, token, id := s.AcquireOrGet("f", k, print, now, func() { told++ })
				switch {
				case e != nil && e.print != print:
					if state != Reused || token != 0 || id != (ID{}) {
						t.Fatalf("acquire for another request: %v %v %v", state, token, id)
					}
				case e != nil && e.token != 0:
					e.waiting++
					if state != Pending {
						t.Fatalf("acquire of a pending claim: %v", state)
					}
				case e != nil:
					if state != Existing || id != e.id {
						t.Fatalf("acquire of a known key: %v %v", state, id)
					}
				case !room(k):
					if state != KeysFull {
						t.Fatalf("acquire at the bound: %v", state)
					}
				default:
					if state != Claimed || token == 0 {
						t.Fatalf("acquire: %v %v", state, token)
					}
					model[k] = &entry{token: token, print: print}
				}
			},
			"claim if matches": func(t *rapid.T) {
				k := key.Draw(t, "k")
				e := model[k]
				old := idOf(n + 100)
				if e != nil && e.token == 0 && rapid.Bool().Draw(t, "right") {
					old = e.id
				}
				state, token := s.ClaimIfMatches("f", k, old)
				if want := e != nil && e.token == 0 && e.id == old; want != (state == Claimed) {
					t.Fatalf("claim: %v", state)
				}
				if state == Claimed {
					model[k] = &entry{token: token, print: e.print}
				}
			},
			"publish": func(t *rapid.T) {
				k, id := key.Draw(t, "k"), newID()
				e := model[k]
				token := uint64(1 << 40)
				if e != nil && rapid.Bool().Draw(t, "right") {
					token = e.token
				}
				want := e != nil && e.token != 0 && token == e.token
				if err := s.Publish("f", k, token, id, now); (err == nil) != want {
					t.Fatalf("publish: %v", err)
				}
				if want {
					wantTold += e.waiting
					model[k] = &entry{id: id, print: e.print, storedAt: now}
				}
			},
			"abandon": func(t *rapid.T) {
				k := key.Draw(t, "k")
				e := model[k]
				token := uint64(1 << 40)
				if e != nil && rapid.Bool().Draw(t, "right") {
					token = e.token
				}
				want := e != nil && e.token != 0 && token == e.token
				if err := s.Abandon("f", k, token); (err == nil) != want {
					t.Fatalf("abandon: %v", err)
				}
				if want {
					wantTold += e.waiting
					delete(model, k)
				}
			},
			"sweep": func(t *rapid.T) {
				sweepAll(s, 0, now)
				for k, e := range model {
					if e.token == 0 && e.storedAt+ttl < now {
						delete(model, k)
					}
				}
			},
			"": func(t *rapid.T) {
				if told != wantTold {
					t.Fatalf("%d callbacks, want %d", told, wantTold)
				}
				if s.Len() != len(model) {
					t.Fatalf("%d keys, want %d", s.Len(), len(model))
				}
				bytes := int64(0)
				for k := range model {
					bytes += int64(len("f" + k))
				}
				if s.Bytes() != bytes {
					t.Fatalf("%d bytes, want %d", s.Bytes(), bytes)
				}
				for _, k := range []string{"a", "b", "cc", "d"} {
					id, ok := s.Get("f", k, now)
					e := live(k)
					if want := e != nil && e.token == 0; ok != want || (want && id != e.id) {
						t.Fatalf("get %s: %v %v, want %+v", k, id, ok, e)
					}
				}
			},
		})
	})
}

// FuzzRing reads each byte as one operation on a ring.
func FuzzRing(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 2, 0, 1, 1})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 7, 11, 3, 0, 0, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var r ring
		var model []*execution
		for _, op := range ops {
			switch i := int(op >> 2); {
			case op&3 == 0:
				ex := &execution{}
				r.push(ex)
				model = append(model, ex)
			case op&3 == 1:
				var want *execution
				if len(model) > 0 {
					want, model = model[0], model[1:]
				}
				if r.pop() != want {
					t.Fatal("not the oldest")
				}
			case len(model) > 0:
				i %= len(model)
				r.remove(model[i])
				model = slices.Delete(slices.Clone(model), i, i+1)
			}
			if r.live != len(model) {
				t.Fatalf("%d live, want %d", r.live, len(model))
			}
		}
	})
}
