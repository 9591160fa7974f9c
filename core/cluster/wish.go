package cluster

import "simplane/core"

// Wished is the member that should own the partition, of these: the one with the
// highest weight for it (rendezvous hashing, Thaler and Ravishankar 1998). All who
// know the same members agree, and a member that comes or goes moves no partition
// between others. -1 without members.
func Wished(p core.Partition, members []Member) int {
	best, most := -1, uint64(0)
	for i := range members {
		if w := weight(p, members[i].Name); best < 0 || w > most || w == most && members[i].Name < members[best].Name {
			best, most = i, w
		}
	}
	return best
}

// weight hashes a name and a partition: FNV-1a, and the finalizer of MurmurHash3 to
// spread names that differ in one letter.
func weight(p core.Partition, name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	h = (h ^ uint64(p)) * 1099511628211
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
