package core

// Base is what a function's next steps depend on, as it is after the step Seq. A
// replay begins with one.
type Base struct {
	Domain uint32 `json:"domain"`
	Seq    uint32 `json:"seq"` // the latest record that it includes
	Check  uint32 `json:"check"`
	Wall   int64  `json:"wall"`
	Mono   int64  `json:"mono"`

	// Spec is in force. Its Data is nil.
	Spec        *Spec `json:"spec"`
	NoInstances bool  `json:"noInstances,omitempty"`
	// Whole says that what follows is here, too. A Base that has the spec only
	// comes with an update of a function that has too much for a Base.
	Whole bool `json:"whole,omitempty"`

	Deleted        bool            `json:"deleted,omitempty"`
	Ready          bool            `json:"ready,omitempty"` // in the scheduler's ready list
	ReplicasWanted int             `json:"replicasWanted,omitempty"`
	ReplicasReady  int             `json:"replicasReady,omitempty"`
	Service        [3]int64        `json:"service"` // samples, mean and mean deviation in ns
	Autoscale      *BaseAutoscale  `json:"autoscale,omitempty"`
	Live           []BaseExecution `json:"live,omitempty"` // in the order of their deadlines
	Queue          []ID            `json:"queue,omitempty"`
	Late           []ID            `json:"late,omitempty"` // queued, and passed over
}

// BaseExecution is an execution that has not ended, or whose attempt still runs.
// Times are those of the clock, in ns.
type BaseExecution struct {
	ID       ID       `json:"id"`
	Status   Status   `json:"status"`
	Attempt  int32    `json:"attempt"`
	Created  Instant  `json:"created"`
	Started  Instant  `json:"started"`
	Queued   int64    `json:"queued"`
	Finished int64    `json:"finished,omitempty"`
	QueueEnd int64    `json:"queueEnd,omitempty"` // of its first wait, elapsed
	LookAt   int64    `json:"lookAt"`
	Deadline int64    `json:"deadline,omitempty"`
	Timeout  int64    `json:"timeout"`
	Sizes    [3]int64 `json:"sizes"`  // input, metadata, ids and keys
	Result   [2]int64 `json:"result"` // output, error
	Init     int32    `json:"init"`   // ms; -1 = not reported
	Joins    uint32   `json:"joins,omitempty"`
	Waiters  string   `json:"waiters,omitempty"` // a letter each, its own caller's first
	RetryAt  Instant  `json:"retryAt"`
	Moved    int64    `json:"moved,omitempty"`
	Failed   [][2]int `json:"failed,omitempty"` // code and message of each failed attempt
	LSNs     []LSN    `json:"lsns,omitempty"`
	Until    int64    `json:"until,omitempty"`

	Sync, Slot, Answered, Cold, Cleaned, Key, Held, Awaited, Echo bool
}
