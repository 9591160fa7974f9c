package scenario

import (
	"reflect"
	"slices"
	"time"
)

// Remove makes a scenario smaller in its ith way: an element of a list goes, or a key
// does, which is then its default. It reports whether there is such a way. What it
// leaves may be no valid scenario. Lists and pointers are changed in place: it is for a
// scenario of one's own.
func (s *Scenario) Remove(i int) bool { return s.reduce(&reduction{left: i}) }

// Halve is Remove, but brings the ith number half way to the least that it may be.
func (s *Scenario) Halve(i int) bool { return s.reduce(&reduction{left: i, halves: true}) }

func (s *Scenario) reduce(r *reduction) bool {
	scenarioTable.reduce(r, s)
	return r.done
}

// reduction looks for the ith way, from the outside in.
type reduction struct {
	left   int
	halves bool // numbers, and removes nothing
	done   bool
}

// here counts a way of a sort, and says whether it is the one.
func (r *reduction) here(halves bool) bool {
	if halves != r.halves {
		return false
	}
	if r.left--; r.left < 0 && !r.done {
		r.done = true
		return true
	}
	return false
}

// reducible is a kind whose values can be made smaller.
type reducible interface {
	reduce(r *reduction, value any)
}

func (t *record[T]) reduce(r *reduction, value any) {
	of, def := value.(*T), t.fresh()
	for _, f := range t.fields {
		now := reflect.ValueOf(f.at(of)).Elem()
		if now.Kind() == reflect.Pointer && now.IsNil() {
			continue
		}
		least := reflect.ValueOf(f.at(&def)).Elem()
		same := reflect.DeepEqual(now.Interface(), least.Interface())
		if same && r.halves {
			continue // a default that is halved would be one key more
		}
		if !f.must && !same && r.here(false) {
			now.Set(least)
			if t.given != nil {
				given := t.given(of)
				*given = slices.DeleteFunc(slices.Clone(*given), func(key string) bool { return key == f.key })
			}
			return
		}
		if inner, ok := f.typ.(reducible); ok {
			if inner.reduce(r, f.at(of)); r.done {
				return
			}
		}
	}
}

func (l list[T]) reduce(r *reduction, value any) {
	items := value.(*[]T)
	for i := range *items {
		if len(*items) > l.min && r.here(false) {
			*items = slices.Delete(*items, i, i+1)
			return
		}
	}
	for i := range *items {
		if l.of.reduce(r, &(*items)[i]); r.done {
			return
		}
	}
}

func (o optional[T]) reduce(r *reduction, value any) {
	if inner, ok := o.of.(reducible); ok && *value.(**T) != nil {
		inner.reduce(r, *value.(**T))
	}
}

func (t integer) reduce(r *reduction, value any) {
	switch v := value.(type) {
	case *int:
		if half := (*v + int(t.low)) / 2; half < *v && r.here(true) {
			*v = half
		}
	case *int64:
		if half := (*v + t.low) / 2; half < *v && r.here(true) {
			*v = half
		}
	}
}

func (t number) reduce(r *reduction, value any) {
	if v := value.(*float64); *v/2 >= t.low && *v > 1e-3 && r.here(true) {
		*v /= 2
	}
}

func (t span) reduce(r *reduction, value any) {
	v := value.(*time.Duration)
	half := (*v / 2).Round(time.Millisecond)
	if half >= t.low && half < *v && r.here(true) {
		*v = half
	}
}
