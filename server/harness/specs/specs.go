// Package specs has function specs for tests of all that reads them.
package specs

import "strings"

// Cases are specs and what is wrong with them; an empty Want is valid.
// NAME is replaced by a fresh name.
var Cases = []struct {
	Body string
	Want string // one line a detail
	// BeyondSchema says that the OpenAPI schema cannot express the rule.
	BeyondSchema bool
}{
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL"}`},
	{Body: `{"name":"NAME","image":"img","executionMode":"POOL","endpointUrl":"http://127.0.0.1:1/x"}`},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","concurrency":1,"queueSize":1,"maxRetries":0,"timeoutMillis":1}`},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","unknown":{"deep":[1]}}`},
	{Body: `{"image":"img","executionMode":"LOCAL"}`, Want: "name: is required"},
	{Body: `{"name":"","image":"img","executionMode":"LOCAL"}`, Want: "name: is required"},
	{Body: `{"name":"a:b","image":"img","executionMode":"LOCAL"}`, Want: "name: must be"},
	{Body: `{"name":"a/b","image":"img","executionMode":"LOCAL"}`, Want: "name: must be"},
	{Body: `{"name":"-a","image":"img","executionMode":"LOCAL"}`, Want: "name: must be"},
	{Body: `{"name":"a.","image":"img","executionMode":"LOCAL"}`, Want: "name: must be"},
	{Body: `{"name":"a b","image":"img","executionMode":"LOCAL"}`, Want: "name: must be"},
	{Body: `{"name":"é","image":"img","executionMode":"LOCAL"}`, Want: "name: must be"},
	{Body: `{"name":"a\n","image":"img","executionMode":"LOCAL"}`, Want: "name: must be", BeyondSchema: true},
	{Body: `{"name":"` + strings.Repeat("a", 129) + `","image":"img","executionMode":"LOCAL"}`, Want: "name: must be"},
	{Body: `{"name":"NAME","executionMode":"LOCAL"}`},
	{Body: `{"name":"NAME","executionMode":"POOL","endpointUrl":"http://127.0.0.1:1/x"}`},
	{Body: `{"name":"NAME","url":"http://127.0.0.1:1/x"}`},
	{Body: `{"name":"NAME"}`, Want: "image: is required where nothing else says what to start", BeyondSchema: true},
	{Body: `{"name":"NAME","executionMode":"POOL","url":"http://127.0.0.1:1/","runtimeCommand":"a"}`, Want: "runtimeCommand: must be left out beside an endpointUrl", BeyondSchema: true},
	{Body: `{"name":"NAME","image":" \t","executionMode":"LOCAL"}`, Want: "image: must not be blank"},
	{Body: `{"name":"NAME","image":"img","executionMode":"local"}`, Want: "executionMode: must be one of LOCAL, POOL, DEPLOYMENT"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","runtimeMode":"GRPC"}`, Want: "runtimeMode: must be one of HTTP, STDIO, FILE, EXEC"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","concurrency":0}`, Want: "concurrency: must be greater than 0"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","concurrency":-1}`, Want: "concurrency: must be greater than 0"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","queueSize":0}`, Want: "queueSize: must be greater than 0"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","maxRetries":-1}`, Want: "maxRetries: must be 0 or greater"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","timeoutMillis":0}`, Want: "timeoutMillis: must be greater than 0"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","timeoutMs":0}`, Want: "timeoutMillis: must be greater than 0"},
	{Body: `{"name":"NAME","image":"img","executionMode":"POOL","endpointUrl":"ftp://h/"}`, Want: "endpointUrl: must be", BeyondSchema: true},
	{Body: `{"name":"NAME","image":"img","executionMode":"POOL","url":"nowhere"}`, Want: "endpointUrl: must be", BeyondSchema: true},
	{Body: `{"name":"NAME","image":"img","executionMode":"POOL"}`, Want: "endpointUrl: is required for POOL", BeyondSchema: true},
	{Body: `{"name":"NAME","image":"img","executionMode":"POOL","url":"http://127.0.0.1:1/","command":["a"]}`, Want: "commands: must be left out beside an endpointUrl", BeyondSchema: true},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","command":["a"],"scalingConfig":{"metrics":[{"type":"rps","target":"0.5"}]}}`},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","scalingConfig":{"metrics":[{"type":"rps","target":"many"}]}}`, Want: "scalingConfig.metrics.target: must be a number, not string"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","env":{"A=B":"x"}}`, Want: `env: "A=B" is not`, BeyondSchema: true},
	{Body: `{"name":7,"image":"img","executionMode":"LOCAL"}`, Want: "name: must be a string"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","concurrency":"4"}`, Want: "concurrency: must be a whole number"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","concurrency":1.5}`, Want: "concurrency: must be a whole number"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","concurrency":1e30}`, Want: "concurrency: must be"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","commands":"run"}`, Want: "commands: must be an array"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","commands":[1]}`, Want: "commands: must be a string"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","env":[]}`, Want: "env: must be an object"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","scalingConfig":{"strategy":"MAGIC"}}`, Want: "scalingConfig.strategy: must be one of HPA, INTERNAL, NONE"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","scalingConfig":{"minReplicas":"x"}}`, Want: "scalingConfig.minReplicas: must be a whole number"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","scalingConfig":{"minReplicas":3,"maxReplicas":2}}`, Want: "scalingConfig.maxReplicas: must not be below minReplicas", BeyondSchema: true},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","scalingConfig":{"metrics":[{"type":"rps","target":0}]}}`, Want: "scalingConfig.metrics[0].target: must be greater than 0"},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","scalingConfig":{"metrics":[{"type":"prometheus","target":1}]}}`, Want: "scalingConfig.metrics[0].name: is required", BeyondSchema: true},
	{Body: `{"name":"NAME","image":"img","executionMode":"LOCAL","scalingConfig":{"concurrencyControl":{"mode":"X"}}}`, Want: "scalingConfig.concurrencyControl.mode: must be one of FIXED"},
	{ // All at once, and not the first only.
		Body: `{"name":"a:b","image":"","executionMode":"X","runtimeMode":"Y","concurrency":0,"queueSize":-5,"maxRetries":-1,"timeoutMillis":0}`,
		Want: "name: must be\nimage: must\nexecutionMode: must\nruntimeMode: must\nconcurrency: must\nqueueSize: must\nmaxRetries: must\ntimeoutMillis: must",
	},
	{ // Values of the wrong type hide nothing else.
		Body: `{"name":7,"image":"","concurrency":"x","queueSize":0,"executionMode":"LOCAL"}`,
		Want: "name: must be a string\nimage: must not be blank\nconcurrency: must be a whole number\nqueueSize: must be greater than 0",
	},
}
