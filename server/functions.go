package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/jsonobject"
)

func (s *Server) handleRegister(ctx *fasthttp.RequestCtx) {
	in, wrong, fault := decodeSpec(ctx.PostBody())
	if fault != nil {
		fault.write(ctx)
		return
	}
	spec, err := core.ResolveSpec(in)
	var invalid *core.ValidationError
	errors.As(err, &invalid)
	if details := specDetails(wrong, invalid); len(details) > 0 {
		validationFailed(details...).write(ctx)
		return
	}
	if u, err := url.Parse(spec.EndpointURL); err == nil && u.Host != "" {
		if err := s.egress.CheckHost(u.Hostname()); err != nil {
			validationFailed("endpointUrl: " + err.Error()).write(ctx)
			return
		}
	}
	note(ctx, "function", spec.Name, "mode", spec.ExecutionMode)
	fn, fault := s.register(spec)
	if fault != nil {
		fault.write(ctx)
		return
	}
	writeJSON(ctx, fasthttp.StatusCreated, fn.Spec())
}

// register makes the provider and core agree on a new function. One at a time:
// a name is the provider's key too.
func (s *Server) register(spec *core.Spec) (*core.Function, *apiError) {
	s.functionsMu.Lock()
	defer s.functionsMu.Unlock()
	if s.core.Function(spec.Name) != nil {
		return nil, &apiError{status: fasthttp.StatusConflict, code: core.CodeExists, message: fmt.Sprintf("function %q is already registered; delete it first", spec.Name)}
	}
	if fault := s.provision(spec); fault != nil {
		return nil, fault
	}
	taken := spec.Provided() && s.scaler != nil
	if taken {
		s.scaler.hold()
		defer s.scaler.release()
	}
	fn, err := s.core.Register(spec)
	if err != nil {
		s.deprovision(spec)
		return nil, &apiError{status: fasthttp.StatusServiceUnavailable, code: core.CodeFunctionLimit, message: err.Error()}
	}
	if taken {
		s.scaler.adopt(fn)
	}
	return fn, nil
}

// decodeSpec reads a function spec. Malformed JSON names the byte offset.
// wrong has the fields whose value is of the wrong type, each with what is
// wrong: members are read one by one, so that one of them hides no other.
func decodeSpec(body []byte) (in core.SpecInput, wrong map[string]string, fault *apiError) {
	r := readBody(body)
	defer r.close()
	wrong = map[string]string{}
	fault = r.object(body, func(name []byte) (bool, error) {
		value, err := jsonobject.Value(&r.dec, body)
		if err != nil {
			return true, err
		}
		key, _ := json.Marshal(string(name))
		err = json.Unmarshal(slices.Concat([]byte("{"), key, []byte(":"), value, []byte("}")), &in)
		if field, what, ok := wrongType(err); ok {
			wrong[field] = what
			err = nil
		}
		return true, err
	})
	return in, wrong, fault
}

// specDetails joins what decoding and what resolving found wrong. A field of
// the wrong type counts as not given for the latter: that is not said too.
func specDetails(wrong map[string]string, invalid *core.ValidationError) []string {
	var details []string
	for field, what := range wrong {
		details = append(details, field+": "+what)
	}
	if invalid != nil {
		for _, d := range invalid.Details {
			field, _, _ := strings.Cut(d, ":")
			if _, known := wrong[field]; !known {
				details = append(details, d)
			}
		}
	}
	slices.Sort(details)
	return details
}

func (s *Server) handleListFunctions(ctx *fasthttp.RequestCtx) {
	specs := []*core.Spec{} // [] rather than null when empty
	for _, fn := range s.core.Functions() {
		specs = append(specs, fn.Spec())
	}
	writeJSON(ctx, fasthttp.StatusOK, specs)
}

func (s *Server) handleGetFunction(ctx *fasthttp.RequestCtx, name string) {
	fn := s.core.Function(name)
	if fn == nil {
		s.writeRejection(ctx, core.ErrNotFound)
		return
	}
	writeJSON(ctx, fasthttp.StatusOK, fn.Spec())
}

func (s *Server) handleDeleteFunction(ctx *fasthttp.RequestCtx, name string) {
	s.functionsMu.Lock()
	fn, err := s.core.Delete(name)
	if err == nil {
		s.deprovision(fn.Spec())
	}
	s.functionsMu.Unlock()
	if err != nil {
		s.refused(ctx, err)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

func (s *Server) handleReplicas(ctx *fasthttp.RequestCtx, name string) {
	var body struct {
		Replicas *int `json:"replicas"`
	}
	fn := s.core.Function(name)
	if fn == nil {
		s.writeRejection(ctx, core.ErrNotFound)
		return
	}
	raw := ctx.PostBody()
	if fault := wholeObject(raw); fault != nil {
		fault.write(ctx)
		return
	}
	if err := json.Unmarshal(raw, &body); err != nil || body.Replicas == nil || *body.Replicas < 0 || *body.Replicas > core.MaxReplicasBound {
		validationFailed(fmt.Sprintf("replicas: must be a whole number from 0 to %d", core.MaxReplicasBound)).write(ctx)
		return
	}
	if fn.Spec().ExecutionMode != core.ModeDeployment {
		validationFailed("executionMode: replicas can be set on DEPLOYMENT functions only, this one is " + fn.Spec().ExecutionMode).write(ctx)
		return
	}
	note(ctx, "replicas", *body.Replicas)
	if fault := s.setReplicas(fn, *body.Replicas); fault != nil {
		fault.write(ctx)
		return
	}
	writeJSON(ctx, fasthttp.StatusOK, map[string]any{"function": name, "replicas": *body.Replicas})
}
