package scenario

import (
	"slices"
	"strings"

	"simplane/core/strictyaml"
)

// Set changes settings: "concurrency=12", of every function; "checkout:queueSize=20"
// or "functions.checkout.queueSize=20", of one; "load.checkout.arrivals.rate=50", of
// one's loads; "syncQueue.enabled=true", of core. Several are separated by commas. A
// value is written as in a scenario file: keys that a mapping leaves out have their
// defaults. What the scenario's updates change of a
// function's setting goes: the new value holds throughout. The error is a
// *strictyaml.Error that lists everything wrong with the changed scenario.
func (s *Scenario) Set(settings string) error {
	p := &problems{File: settings}
	for _, one := range SplitList(settings) {
		path, value, ok := strings.Cut(one, "=")
		if !ok || strings.TrimSpace(value) == "" {
			p.Add(1, "%s is not a setting; write one such as concurrency=12, or checkout:queueSize=20", shown(one))
			continue
		}
		docs, err := strictyaml.Parse(settings, []byte(value))
		if err != nil {
			return err
		}
		if len(docs) != 1 {
			p.Add(1, "%s has no value; write one such as concurrency=12", shown(one))
			continue
		}
		s.setOne(p, strings.TrimSpace(path), docs[0])
	}
	if !p.Any() {
		check(s, p)
	}
	return p.Err()
}

func (s *Scenario) setOne(p *problems, path string, value *strictyaml.Node) {
	name, rest, ofOne := strings.Cut(path, ":")
	if !ofOne {
		name, rest = "", path
	}
	if of, ok := strings.CutPrefix(path, "functions."); ok {
		name, rest, ofOne = s.named(of)
	} else if of, ok := strings.CutPrefix(path, "load."); ok {
		s.setLoads(p, of, value)
		return
	}
	keys := strings.Split(rest, ".")
	if ofOne || functionTable.find(keys[0]) != nil {
		if ofOne && !s.declares(p, name) {
			return
		}
		if keys[0] == "name" || keys[0] == "copies" {
			p.Add(1, "%s cannot be set; it says which function it is", shown(keys[0]))
			return
		}
		for i := range s.Functions {
			if f := &s.Functions[i]; name == "" || name == f.Name {
				functionTable.set(p, keys, value, "", f)
				s.setThroughout(f.Name, keys[0])
			}
		}
		return
	}
	if keys[0] == "core" {
		keys = keys[1:]
	}
	if len(keys) == 0 || coreTable.find(keys[0]) == nil {
		p.Add(1, "unknown setting %s%s", shown(rest), strictyaml.Nearest(rest, slices.Concat(functionTable.keys(), coreTable.keys())))
		return
	}
	coreTable.set(p, keys, value, "", &s.Core)
}

// named splits NAME.KEY; names may have points, too.
func (s *Scenario) named(path string) (name, key string, ok bool) {
	for i := range s.Functions {
		n := s.Functions[i].Name
		if k, found := strings.CutPrefix(path, n+"."); found && len(n) > len(name) {
			name, key = n, k
		}
	}
	if name == "" {
		name, key, _ = strings.Cut(path, ".")
	}
	return name, key, true
}

// declares reports a function that is not in the scenario.
func (s *Scenario) declares(p *problems, name string) bool {
	if s.Find(name) != nil {
		return true
	}
	names := make([]string, len(s.Functions))
	for i := range names {
		names[i] = s.Functions[i].Name
	}
	p.Add(1, "function %s is not in it%s", shown(name), strictyaml.Nearest(name, names))
	return false
}

// setLoads changes all loads of a function.
func (s *Scenario) setLoads(p *problems, path string, value *strictyaml.Node) {
	name, key, _ := s.named(path)
	if !s.declares(p, name) {
		return
	}
	keys, found := strings.Split(key, "."), false
	if keys[0] == "function" {
		p.Add(1, "%s cannot be set; it says which load it is", shown(keys[0]))
		return
	}
	for i := range s.Load {
		if l := &s.Load[i]; l.Function == name {
			found = true
			loadTable.set(p, keys, value, "", l)
		}
	}
	if !found {
		p.Add(1, "%s has no load", shown(name))
	}
}

// setThroughout takes a setting of a function out of its updates, and those that
// then change nothing.
func (s *Scenario) setThroughout(function, key string) {
	var kept []Fault
	for _, f := range s.Faults {
		if f.Function == function && (f.Kind == "update" || f.Kind == "reconfigure") {
			f.given = slices.DeleteFunc(slices.Clone(f.given), func(g string) bool { return g == key })
			c := &f.Change
			switch key {
			case "queueSize":
				c.QueueSize = nil
			case "concurrency":
				c.Concurrency = nil
			case "maxRetries":
				c.MaxRetries = nil
			case "timeoutMillis":
				c.TimeoutMillis = nil
			case "retryBackoff":
				c.RetryBackoff = nil
			case "rateMaxPerSecond":
				c.RateMaxPerSecond = nil
			case "scaling":
				c.Scaling = nil
			}
			if f.Change == (Change{}) {
				continue
			}
		}
		kept = append(kept, f)
	}
	s.Faults = kept
}

// settable is a kind whose parts can be set by their path.
type settable interface {
	set(p *problems, path []string, n *strictyaml.Node, where string, into any)
}

func (r *record[T]) set(p *problems, path []string, n *strictyaml.Node, where string, into any) {
	t, f := into.(*T), r.find(path[0])
	if f == nil {
		p.Add(1, "%sunknown key %s in %s%s", prefix(where), shown(path[0]), r.what, strictyaml.Nearest(path[0], r.keys()))
		return
	}
	if r.given != nil && *r.given(t) != nil {
		given := r.given(t)
		*given = append(slices.DeleteFunc(slices.Clone(*given), func(g string) bool { return g == f.key }), f.key)
	}
	where = strictyaml.Path(where, f.key)
	if len(path) == 1 {
		if whole, ok := f.typ.(interface{ reset(into any) }); ok {
			whole.reset(f.at(t))
		}
		f.typ.decode(p, n, where, f.at(t))
		return
	}
	of, ok := f.typ.(settable)
	if !ok {
		p.Add(1, "%s has no parts; set it as a whole", where)
		return
	}
	of.set(p, path[1:], n, where, f.at(t))
}

// reset gives all keys their defaults: those that a value leaves out have them.
func (r *record[T]) reset(into any) { *into.(*T) = r.fresh() }

// SplitList splits at the commas that are in no brackets.
func SplitList(s string) (all []string) {
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				all = append(all, s[from:i])
				from = i + 1
			}
		}
	}
	return append(all, s[from:])
}
