// Command json-transform applies steps to an object, or to each object of an
// array: {"data": …, "steps": [{"op": "pick|drop", "keys": […]},
// {"op": "rename", "from": …, "to": …}, {"op": "set", "key": …, "value": …}]}.
package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"simplane/scenarios/functions/go/function"
)

type step struct {
	Op       string
	Keys     []string
	From, To string
	Key      string
	Value    any
}

func main() { function.Serve(handle) }

func handle(input json.RawMessage) (any, error) {
	var in struct {
		Data  any
		Steps []step
	}
	if err := json.Unmarshal(input, &in); err != nil || in.Data == nil {
		return nil, errors.New(`json-transform: the input must be {"data": object or array, "steps": array}`)
	}
	for _, s := range in.Steps {
		var err error
		if in.Data, err = apply(s, in.Data); err != nil {
			return nil, err
		}
	}
	return in.Data, nil
}

func apply(s step, data any) (any, error) {
	switch v := data.(type) {
	case []any:
		for i := range v {
			var err error
			if v[i], err = apply(s, v[i]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[string]any:
		return applyObject(s, v)
	}
	return nil, errors.New("json-transform: data must be an object or an array of objects")
}

func applyObject(s step, v map[string]any) (any, error) {
	switch s.Op {
	case "pick":
		out := map[string]any{}
		for _, k := range s.Keys {
			if x, ok := v[k]; ok {
				out[k] = x
			}
		}
		return out, nil
	case "drop":
		for _, k := range s.Keys {
			delete(v, k)
		}
	case "rename":
		if x, ok := v[s.From]; ok {
			delete(v, s.From)
			v[s.To] = x
		}
	case "set":
		v[s.Key] = s.Value
	default:
		return nil, fmt.Errorf("json-transform: unknown op %q", s.Op)
	}
	return v, nil
}
