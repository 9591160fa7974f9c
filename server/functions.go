package server

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"simplane/core"
)

func (s *Server) handleRegister(ctx *fasthttp.RequestCtx) {
	in, fault := decodeSpec(ctx.PostBody())
	if fault != nil {
		fault.write(ctx)
		return
	}
	spec, err := core.ResolveSpec(in)
	var invalid *core.ValidationError
	if errors.As(err, &invalid) {
		validationFailed(invalid.Details...).write(ctx)
		return
	}
	fn, fault := s.register(spec)
	if fault != nil {
		fault.write(ctx)
		return
	}
	s.log.Info("function registered", "function", spec.Name, "mode", spec.ExecutionMode)
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
	fn, err := s.core.Register(spec)
	if err != nil {
		s.deprovision(spec)
		return nil, &apiError{status: fasthttp.StatusServiceUnavailable, code: core.CodeFunctionLimit, message: err.Error()}
	}
	return fn, nil
}

// decodeSpec reads a function spec. Malformed JSON names the byte offset, a
// value of the wrong type its field.
func decodeSpec(body []byte) (core.SpecInput, *apiError) {
	var in core.SpecInput
	if fault := wholeObject(body); fault != nil {
		return in, fault
	}
	err := json.Unmarshal(body, &in)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return in, validationFailed(fmt.Sprintf("%s: must be %s, not %s", wrongType.Field, typeName(wrongType.Type.Kind().String()), wrongType.Value))
	}
	if err != nil {
		return in, badRequest(codeMalformedJSON, "malformed JSON: "+err.Error())
	}
	return in, nil
}

func typeName(kind string) string {
	switch kind {
	case "int", "int64":
		return "a whole number"
	case "float64":
		return "a number"
	case "slice":
		return "an array"
	case "map", "struct":
		return "an object"
	}
	return "a " + kind
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
	s.log.Info("function deleted", "function", name)
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
	if fault := s.setReplicas(fn, *body.Replicas); fault != nil {
		fault.write(ctx)
		return
	}
	writeJSON(ctx, fasthttp.StatusOK, map[string]any{"function": name, "replicas": *body.Replicas})
}
