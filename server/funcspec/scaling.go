package funcspec

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"simplane/core"
)

// ScalingInput is a scaling config as a user writes it.
type ScalingInput struct {
	Strategy           *string                       `json:"strategy"`
	MinReplicas        *int                          `json:"minReplicas"`
	MaxReplicas        *int                          `json:"maxReplicas"`
	Metrics            []MetricInput                 `json:"metrics"`
	ConcurrencyControl *core.ConcurrencyControlInput `json:"concurrencyControl"`
}

// MetricInput is a metric of a scaling config as a user writes it.
type MetricInput struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Target Number `json:"target"`
}

// Number is a number that may be written as text, as Kubernetes writes its
// metrics' targets: 70 or "70".
type Number float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(raw []byte) error {
	number := raw
	if raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		if strings.TrimSpace(text) != text { // which the library would pass over
			return &json.UnmarshalTypeError{Value: "string", Type: reflect.TypeFor[float64]()}
		}
		number = []byte(text)
	}
	var f float64
	if err := json.Unmarshal(number, &f); err != nil {
		what := "string"
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			what = wrong.Value
		}
		return &json.UnmarshalTypeError{Value: what, Type: reflect.TypeFor[float64]()}
	}
	*n = Number(f)
	return nil
}

// core is what core reads of it.
func (in *ScalingInput) core() *core.ScalingConfigInput {
	if in == nil {
		return nil
	}
	out := &core.ScalingConfigInput{Strategy: in.Strategy, MinReplicas: in.MinReplicas, MaxReplicas: in.MaxReplicas, ConcurrencyControl: in.ConcurrencyControl}
	for _, m := range in.Metrics {
		out.Metrics = append(out.Metrics, core.ScalingMetric{Type: m.Type, Name: m.Name, Target: float64(m.Target)})
	}
	return out
}
