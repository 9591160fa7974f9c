package server

import "github.com/spf13/pflag"

// SubjectAnnotation is the annotation of a flag that says what it is about; its
// value is one of Subjects.
const SubjectAnnotation = "simplane_subject"

// SubjectRest is what flags are about that have no subject of their own.
const SubjectRest = "This command"

// Subjects are what settings are about, in the order in which help shows them.
var Subjects = []string{
	"Addresses and TLS", "Who may do what", "Data directory", "Cluster", "Functions and their instances", "Admission and queues",
	"What is kept, and how long", "Bounds of requests and connections", "Autoscaling", "Logs, traces and recordings", SubjectRest,
}

// subjectFlags are the flags of each subject.
var subjectFlags = [][]string{
	{"addr", "mgmt-addr", "tls-cert", "tls-key", "tls-client-ca", "allowed-hosts", "internal-on-mgmt-only", "manage-on-mgmt-only", "metrics-on-mgmt-only"},
	{"invoke-token", "manage-token", "internal-token", "invoke-token-file", "manage-token-file", "internal-token-file", "insecure", "endpoint-allow"},
	{"data-dir", "fsync", "journal-timeout", "journal-max-bytes"},
	{"cluster", "cluster-embedded", "cluster-name", "cluster-addr", "cluster-peers", "cluster-stream", "cluster-replicas", "cluster-unsafe", "cluster-creds",
		"cluster-system", "cluster-system-creds", "cluster-tls-cert", "cluster-tls-key", "cluster-tls-ca", "peer-addr", "peer-advertise", "peer-tls-cert", "peer-tls-key", "peer-tls-ca"},
	{
		"provider", "kubeconfig", "kube-namespace", "cgroup-root", "function-user", "function-max-processes", "function-start-timeout",
		"container-host", "container-name", "container-network", "container-reach", "container-pull", "container-user", "image-credentials",
	},
	{"rate-max-per-second", "scheduler", "async-enabled", "cancel-on-disconnect", "pass-over-late", "sync-queue-enabled", "sync-queue-admission-enabled",
		"sync-queue-max-concurrency", "sync-queue-max-depth", "sync-queue-max-estimated-wait", "sync-queue-max-queue-wait", "sync-queue-retry-after"},
	{"ttl", "cleanup-ttl", "stale-ttl", "idempotency-ttl", "sweep-interval", "max-functions", "max-spec-bytes", "max-executions", "max-payload-bytes",
		"max-idempotency-keys", "shards"},
	{"max-body-bytes", "max-reading-bytes", "max-header-bytes", "max-response-bytes", "max-connections", "max-connections-per-ip", "pool-max-connections",
		"read-timeout", "write-timeout", "idle-timeout", "shutdown-grace"},
	{"autoscale-interval", "scale-up-cooldown", "scale-down-cooldown", "scale-down-window", "scale-to-zero-grace"},
	{"log-level", "log-format", "access-log-sample", "otlp-endpoint", "trace-sample-ratio", "flight-recorder-bytes", "record", "record-max-bytes", "record-names"},
	{"config"},
}

// annotate gives flags their subjects. Those that are in no list have none, which
// a test forbids for serve.
func annotate(flags *pflag.FlagSet) {
	for i, names := range subjectFlags {
		for _, name := range names {
			if flags.Lookup(name) != nil {
				_ = flags.SetAnnotation(name, SubjectAnnotation, []string{Subjects[i]})
			}
		}
	}
}
