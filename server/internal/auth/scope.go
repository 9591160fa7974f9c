package auth

// Scope is what a route lets its caller do. A token of a higher scope opens
// the lower ones too; a scope without tokens is open.
type Scope int

const (
	ScopePublic   Scope = iota // health, metrics, API description
	ScopeInvoke                // run functions and read executions
	ScopeManage                // register, delete, scale, read logs
	ScopeInternal              // completion callbacks, drain-once, administration
	scopes
)

func (s Scope) String() string {
	return [...]string{"public", "invoke", "manage", "internal"}[s]
}
