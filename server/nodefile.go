package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// nodeFile is in the data directory of a node with an embedded server, and says whose that
// is: a server that came up with what another one has stored, or one of another cluster,
// would have the others take that for its own.
const nodeFile = "cluster-node.json"

type nodeIdentity struct {
	Name  string   `json:"name"`
	Peers []string `json:"peers"` // of the cluster, as it was started with last
}

// claimDataDir refuses a data directory of another node, and notes that it is this one's.
// The caller has locked it.
func (c *Config) claimDataDir() error {
	file := filepath.Join(c.DataDir, nodeFile)
	own := nodeIdentity{c.ClusterName, listOf(c.ClusterPeers)}
	raw, err := os.ReadFile(file)
	var had nodeIdentity
	switch {
	case errors.Is(err, fs.ErrNotExist): // new, or of a version that did not write this
	case err != nil:
		return fmt.Errorf("dataDir: %w", err)
	default:
		if err := json.Unmarshal(raw, &had); err != nil || had.Name == "" {
			return fmt.Errorf("dataDir: %s cannot be read, and so it is not known whose directory this is: %v; remove the file if it is that of node %q", file, err, own.Name)
		}
		if had.Name != own.Name {
			return fmt.Errorf("dataDir: %s belongs to node %q, and this is %q: give each node a directory of its own, or this one its --cluster-name; nothing was changed", c.DataDir, had.Name, own.Name)
		}
		if !slices.ContainsFunc(had.Peers, func(at string) bool { return slices.Contains(own.Peers, at) }) {
			return fmt.Errorf("dataDir: %s belongs to node %q of a cluster at %s, and --cluster-peers is %s, which has none of those: use another directory; or, if all nodes of that cluster have new addresses, remove %s; nothing was changed",
				c.DataDir, had.Name, strings.Join(had.Peers, ","), strings.Join(own.Peers, ","), file)
		}
		if slices.Equal(had.Peers, own.Peers) {
			return nil
		}
	}
	raw, _ = json.Marshal(own) // of texts
	if err := writePrivate(file, append(raw, '\n')); err != nil {
		return fmt.Errorf("dataDir: %w", err)
	}
	return nil
}
