package auth

// Scope is the authorisation that a route requires. A token of a higher scope
// is valid for the lower ones too; a scope without tokens is open.
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
