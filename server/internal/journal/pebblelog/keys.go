package pebblelog

import (
	"encoding/binary"
	"fmt"

	"simplane/server/internal/journal"
)

// A frame's key is its partition and its position, so that frames are read in
// the order in which they are to be folded:
//
//	'f' partition(1) LSN(8, big-endian)
//
// Everything about the log itself has keys that begin with 'm'.
const frameKeyLen = 10

var keyNext = []byte("mnext") // the lowest position never given, 8 bytes big-endian

func appendFrameKey(b []byte, p journal.Place) []byte {
	return binary.BigEndian.AppendUint64(append(b, 'f', p.Partition), p.LSN)
}

func parseFrameKey(key []byte) (journal.Place, error) {
	if len(key) != frameKeyLen || key[0] != 'f' {
		return journal.Place{}, fmt.Errorf("a key of unknown form, %q", key)
	}
	return journal.Place{Partition: key[1], LSN: binary.BigEndian.Uint64(key[2:])}, nil
}

// partitionBounds are the keys of one partition: from, included, to end.
func partitionBounds(p int) (from, end []byte) {
	if p == 255 {
		return []byte{'f', 255}, []byte{'g'}
	}
	return []byte{'f', byte(p)}, []byte{'f', byte(p + 1)}
}
