package client

import "context"

// Cluster is what one node knows of its cluster.
type Cluster struct {
	Node       string             `json:"node"`
	Serving    bool               `json:"serving"`
	Reason     string             `json:"reason"` // why it does not serve
	Members    []ClusterMember    `json:"members"`
	Owned      int                `json:"partitionsOwned"`
	Total      int                `json:"partitionsTotal"`
	LagFacts   int64              `json:"lagFacts"`
	Partitions []ClusterPartition `json:"partitions"`
}

// ClusterMember is a node.
type ClusterMember struct {
	Name       string `json:"name"`
	Peer       string `json:"peer"`
	API        string `json:"api"`
	Version    string `json:"version"`
	Leaving    bool   `json:"leaving"`
	Alive      bool   `json:"alive"`
	AgeMillis  int64  `json:"lastSeenMillis"`
	Partitions int    `json:"partitions"`
}

// ClusterPartition is a partition, and what the node that answers does with it.
type ClusterPartition struct {
	Partition int    `json:"partition"`
	State     string `json:"state"`
	Owner     string `json:"owner"`
	Epoch     uint64 `json:"epoch"`
	LagFacts  int64  `json:"lagFacts"`
	Error     string `json:"error"` // why that node keeps it closed; empty if it does not
}

// Cluster gets what the node that is asked knows of its cluster.
func (c *Client) Cluster(ctx context.Context) (Answer[Cluster], error) {
	return call[Cluster](ctx, c, request{method: "GET", path: "/v1/admin/cluster"})
}
