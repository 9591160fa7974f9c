package draws

// Context is what a call brings beside its input and its key when its load says so. It is
// made of the input: no two calls whose inputs differ bring the same, and whoever knows the
// input knows it.
type Context struct {
	Metadata               []byte
	TraceID, Parent, State string
}

// ContextOf is the context of a call with this input.
func ContextOf(input []byte) Context {
	of := string(input)
	return Context{
		Metadata: []byte(`{"of":` + of + `}`),
		TraceID:  "trace of " + of, Parent: "parent of " + of, State: "state of " + of,
	}
}
