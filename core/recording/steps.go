package recording

import (
	"encoding/binary"
	"errors"

	"simplane/core"
)

// Steps are stored by column, each as its difference from what is likely there:
// times from those of the step before, the sequence number from the next one of
// the domain, operands from those of the last step of the kind. What an execution's
// steps have in common is stored once.

// appendSteps appends the columns of at most BlockSteps steps.
func appendSteps(b []byte, steps []core.Step) []byte {
	e := encoder{b: b}
	for i := range steps {
		s := &steps[i]
		e.b = append(e.b, byte(s.Kind))
	}
	for i := range steps {
		e.b = append(e.b, steps[i].More)
	}
	for i := range steps {
		e.b = append(e.b, byte(steps[i].Flags))
	}
	for i := range steps {
		e.b = append(e.b, byte(steps[i].Flags>>8))
	}
	domains := e.domains(steps)
	var last [256]core.Step
	for i := range steps {
		s := &steps[i]
		e.signed(int64(int32(s.A - last[s.Kind].A)))
		last[s.Kind].A = s.A
	}
	e.times(steps)
	e.ids(steps)
	for i := range steps {
		s := &steps[i]
		e.signed(int64(s.Extra - last[s.Kind].Extra))
		last[s.Kind].Extra = s.Extra
	}
	e.sizes(steps, domains)
	for i := range steps {
		e.b = binary.LittleEndian.AppendUint32(e.b, steps[i].Check)
	}
	return e.b
}

type encoder struct{ b []byte }

func (e *encoder) unsigned(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) signed(n int64)    { e.b = binary.AppendVarint(e.b, n) }

// domains writes each step's domain, as a number by first appearance, and its
// place in the domain. It returns those numbers.
func (e *encoder) domains(steps []core.Step) []int {
	numbers := make([]int, len(steps))
	known := map[uint32]int{}
	var list []uint32
	for i := range steps {
		n, ok := known[steps[i].Domain]
		if !ok {
			n = len(list)
			known[steps[i].Domain], list = n, append(list, steps[i].Domain)
		}
		numbers[i] = n
	}
	e.unsigned(uint64(len(list)))
	for _, d := range list {
		e.unsigned(uint64(d))
	}
	for _, n := range numbers {
		e.unsigned(uint64(n))
	}
	seqs := make([]uint32, len(list))
	for i := range steps {
		seq := &seqs[numbers[i]]
		e.signed(int64(int32(steps[i].Seq - *seq - 1)))
		*seq = steps[i].Seq
	}
	return numbers
}

// timeClasses of steps have times that have nothing to do with each other: those of
// steps, of further records, and of each kind of decision about a key.
const timeClasses = 10

func timeClass(s *core.Step) int {
	switch s.Kind {
	case core.StepMore:
		return 1
	case core.StepKey:
		return 2 + int(s.A%8)
	}
	return 0
}

// times writes both times as differences from those of the last step of the class.
// For steps, elapsed time is stored as the change of its distance to the wall
// time: none.
func (e *encoder) times(steps []core.Step) {
	var last [timeClasses]core.Step
	for i := range steps {
		of := &last[timeClass(&steps[i])]
		e.signed(steps[i].Wall - of.Wall)
		of.Wall = steps[i].Wall
	}
	for i := range steps {
		class, v := timeClass(&steps[i]), steps[i].Mono
		if class == 0 {
			v = steps[i].Wall - v
		}
		e.signed(v - last[class].Mono)
		last[class].Mono = v
	}
}

// ids writes for each step 0 without an id, 1 for one that is new in the block,
// and otherwise 2 and by how many new ones it lies back; then the new ones.
func (e *encoder) ids(steps []core.Step) {
	known := make(map[core.ID]int, len(steps)/2)
	var list []core.ID
	for i := range steps {
		id := steps[i].ID
		n, ok := known[id]
		switch {
		case id == core.ID{}:
			e.unsigned(0)
		case ok:
			e.unsigned(uint64(2 + len(list) - 1 - n))
		default:
			known[id], list = len(list), append(list, id)
			e.unsigned(1)
		}
	}
	for _, id := range list {
		e.b = append(e.b, id[:]...)
	}
}

// sizes writes by how much queue depth and slots in use differ from those after
// the domain's last step.
func (e *encoder) sizes(steps []core.Step, domains []int) {
	last := make([]uint32, len(steps))
	for i := range steps {
		e.signed(int64(steps[i].B>>16) - int64(last[domains[i]]))
		last[domains[i]] = steps[i].B >> 16
	}
	clear(last)
	for i := range steps {
		e.signed(int64(steps[i].B&0xffff) - int64(last[domains[i]]))
		last[domains[i]] = steps[i].B & 0xffff
	}
}

// At is the wall time of a step; 0 of a record that has none, or another one.
func At(s *core.Step) int64 {
	if s.Kind == core.StepMore {
		return 0
	}
	return s.Wall
}

var errSteps = errors.New("a block of steps does not have the form that it should")

// decodeSteps reads n steps, all that raw has.
func decodeSteps(raw []byte, n int) ([]core.Step, error) {
	d := decoder{b: raw}
	steps := make([]core.Step, n)
	for _, set := range []func(s *core.Step, v byte){
		func(s *core.Step, v byte) { s.Kind = core.StepKind(v) },
		func(s *core.Step, v byte) { s.More = v },
		func(s *core.Step, v byte) { s.Flags = core.StepFlags(v) },
		func(s *core.Step, v byte) { s.Flags |= core.StepFlags(v) << 8 },
	} {
		for i, v := range d.bytes(n) {
			set(&steps[i], v)
		}
	}
	domains := d.domains(steps)
	var last [256]core.Step
	for i := range steps {
		s := &steps[i]
		s.A = last[s.Kind].A + uint32(d.signed())
		last[s.Kind].A = s.A
	}
	d.times(steps)
	d.ids(steps)
	for i := range steps {
		s := &steps[i]
		s.Extra = last[s.Kind].Extra + uint64(d.signed())
		last[s.Kind].Extra = s.Extra
	}
	d.sizes(steps, domains)
	for i, sums := 0, d.bytes(4*n); i < len(sums); i += 4 {
		steps[i/4].Check = binary.LittleEndian.Uint32(sums[i:])
	}
	if d.failed || len(d.b) > 0 {
		return nil, errSteps
	}
	return steps, nil
}

// decoder reads what an encoder has written. After the first fault it reads
// zeros.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) fail() {
	d.b, d.failed = nil, true
}

func (d *decoder) unsigned() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes is the next n bytes; none after a fault.
func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.fail()
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

// below reads a number that must be less than n.
func (d *decoder) below(n int) int {
	v := d.unsigned()
	if v >= uint64(n) {
		d.fail()
		return 0
	}
	return int(v)
}

func (d *decoder) domains(steps []core.Step) []int {
	numbers := make([]int, len(steps))
	list := make([]uint32, d.below(len(steps)+1))
	for i := range list {
		list[i] = uint32(d.unsigned())
	}
	for i := range steps {
		if numbers[i] = d.below(len(list)); d.failed {
			return numbers
		}
		steps[i].Domain = list[numbers[i]]
	}
	seqs := make([]uint32, len(list))
	for i := range steps {
		seq := &seqs[numbers[i]]
		*seq += 1 + uint32(d.signed())
		steps[i].Seq = *seq
	}
	return numbers
}

func (d *decoder) times(steps []core.Step) {
	var last [timeClasses]core.Step
	for i := range steps {
		of := &last[timeClass(&steps[i])]
		of.Wall += d.signed()
		steps[i].Wall = of.Wall
	}
	for i := range steps {
		class := timeClass(&steps[i])
		last[class].Mono += d.signed()
		if steps[i].Mono = last[class].Mono; class == 0 {
			steps[i].Mono = steps[i].Wall - last[class].Mono
		}
	}
}

func (d *decoder) ids(steps []core.Step) {
	const none, fresh = -1, -2
	places := make([]int, len(steps)) // in the list
	known := 0
	for i := range steps {
		switch v := d.unsigned(); {
		case v == 0:
			places[i] = none
		case v == 1:
			places[i] = known
			known++
		case v-2 < uint64(known):
			places[i] = known - 1 - int(v-2)
		default:
			d.fail()
		}
	}
	list := d.bytes(16 * known)
	if d.failed {
		return
	}
	for i, place := range places {
		if place != none {
			copy(steps[i].ID[:], list[16*place:])
		}
	}
}

func (d *decoder) sizes(steps []core.Step, domains []int) {
	last := make([]uint32, len(steps)+1)
	for i := range steps {
		last[domains[i]] += uint32(d.signed())
		steps[i].B = last[domains[i]] << 16
	}
	clear(last)
	for i := range steps {
		last[domains[i]] += uint32(d.signed())
		steps[i].B |= last[domains[i]] & 0xffff
	}
}
