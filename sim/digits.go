package sim

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// The log's numbers are written digit by digit into place: strconv writes them
// elsewhere first, and copying what has just been written in small pieces
// stalls the processor for longer than the conversion takes.

// eightDigits is n < 10^8 in decimal, one digit a byte, the first digit lowest.
// It splits n into halves of four, two and one digits, all halves at a time; the
// multiplications are divisions by 100 and by 10, exact for such numbers.
func eightDigits(n uint32) uint64 {
	x := uint64(n/10000) | uint64(n%10000)<<32
	hundreds := x * 10486 >> 20 & 0x7f_0000007f
	x = hundreds | (x-100*hundreds)<<16
	tens := x * 103 >> 10 & 0xf_000f_000f_000f
	return tens | (x-10*tens)<<8
}

const asciiZeros = 0x3030303030303030

// appendNumber writes n in decimal.
func appendNumber(b []byte, n int64) []byte {
	at := len(b)
	if uint64(n) >= 1e8 || cap(b)-at < 8 {
		return strconv.AppendInt(b, n, 10)
	}
	digits := eightDigits(uint32(n))
	leading := min(bits.TrailingZeros64(digits)/8, 7) // zeros; of 0 the last stays
	binary.LittleEndian.PutUint64(b[at:at+8], (digits|asciiZeros)>>(8*leading))
	return b[:at+8-leading]
}

// timeStamp is a virtual time as a log line begins with: seconds with nine
// decimals, and a blank.
type timeStamp struct {
	at      int64  // virtual ns; -1 = none yet
	seconds []byte // with the point, of second
	second  int64
	digits  uint64 // the first eight decimals
	last    byte   // the ninth
}

func (s *timeStamp) set(now int64) {
	s.at = now
	if second := now / 1e9; second != s.second || s.seconds == nil {
		s.second = second
		s.seconds = append(strconv.AppendInt(s.seconds[:0], second, 10), '.')
	}
	ns := uint32(now - s.second*1e9)
	s.digits = eightDigits(ns/10) | asciiZeros
	s.last = byte('0' + ns%10)
}

func (s *timeStamp) append(b []byte) []byte {
	b = append(b, s.seconds...)
	b = binary.LittleEndian.AppendUint64(b, s.digits)
	return append(b, s.last, ' ')
}
