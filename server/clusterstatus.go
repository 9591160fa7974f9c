package server

import (
	"simplane/core/cluster"
	"simplane/server/internal/replica"
)

// clusterStatus is the answer of GET /v1/admin/cluster: what this node knows.
type clusterStatus struct {
	Node    string              `json:"node"`
	Serving bool                `json:"serving"`
	Reason  string              `json:"reason,omitempty"` // why it does not serve
	Members []memberStatus      `json:"members"`
	Owned   int                 `json:"partitionsOwned"` // by members that are alive
	Total   int                 `json:"partitionsTotal"`
	Lag     int64               `json:"lagFacts"` // of this node: facts that are not durable
	Detail  []replica.Partition `json:"partitions"`
}

type memberStatus struct {
	cluster.Member
	Alive      bool  `json:"alive"`
	AgeMillis  int64 `json:"lastSeenMillis"` // since its last sign of life
	Partitions int   `json:"partitions"`
}

// status is what this node knows of the cluster.
func (c *membership) status() any {
	st := clusterStatus{Node: c.self.Name, Total: cluster.Partitions, Reason: c.unready(), Members: []memberStatus{}, Detail: []replica.Partition{}, Lag: c.lag()}
	st.Serving = st.Reason == ""
	node := c.node.Load()
	if node == nil {
		return st
	}
	members, parts := node.Status()
	owned := map[string]int{}
	for _, p := range parts {
		if p.Owner != "" {
			owned[p.Owner]++
			st.Owned++
		}
	}
	for _, m := range members {
		st.Members = append(st.Members, memberStatus{m.Member, m.Alive, m.Age.Milliseconds(), owned[m.Name]})
	}
	st.Detail = append(st.Detail, parts...)
	return st
}
