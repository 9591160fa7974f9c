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

// spec is the spec in force, with what Spec's form as JSON leaves out.
func (b *Base) spec() *Spec {
	spec := *b.Spec
	spec.NoInstances = b.NoInstances
	return &spec
}

// BaseExecution is an execution that has not ended, or whose attempt still runs.
// Times are those of the clock, in ns.
type BaseExecution struct {
	ID      ID      `json:"id"`
	Status  Status  `json:"status"`
	Attempt int32   `json:"attempt"`
	Created Instant `json:"created"`
	Started Instant `json:"started"` // 0 and -1 = not yet
	Queued  int64   `json:"queued"`  // elapsed
	Timeout int64   `json:"timeout"`
	LookAt  int64   `json:"lookAt"`
	Init    int32   `json:"init"` // ms; -1 = not reported
	// Waiters has a letter for each, its own caller's first: l if that may leave, w
	// if not, - without one.
	Waiters string `json:"waiters"`

	Finished int64   `json:"finished,omitempty"`
	QueueEnd int64   `json:"queueEnd,omitempty"` // of its first wait, elapsed
	Deadline int64   `json:"deadline,omitempty"` // the next one, elapsed; 0 = none
	Heap     int     `json:"heap,omitempty"`     // its place in the heap of deadlines, in which a deletion looks at them; 0 for all = not known
	RetryAt  Instant `json:"retryAt,omitzero"`
	Moved    int64   `json:"moved,omitempty"`
	Until    int64   `json:"until,omitempty"`
	LSNs     []LSN   `json:"lsns,omitempty"` // of its first and its last fact
	Joins    uint32  `json:"joins,omitempty"`
	Failed   int     `json:"failed,omitempty"` // attempts remembered

	Input    int `json:"input,omitempty"` // bytes, as the next two
	Metadata int `json:"metadata,omitempty"`
	Other    int `json:"other,omitempty"` // ids, keys and trace context

	Sync     bool `json:"sync,omitempty"`
	Slot     bool `json:"slot,omitempty"`
	Answered bool `json:"answered,omitempty"`
	Pausing  bool `json:"pausing,omitempty"`
	Cold     bool `json:"cold,omitempty"`
	Cleaned  bool `json:"cleaned,omitempty"`
	Key      bool `json:"key,omitempty"`
	Held     bool `json:"held,omitempty"`    // its attempt waits for its fact
	Awaited  bool `json:"awaited,omitempty"` // somebody waits for the end of its attempt
	More     bool `json:"more,omitempty"`
}
