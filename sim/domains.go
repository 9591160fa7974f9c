package sim

// domainSet has the numbers of functions' records. It is asked at each step, where a
// map of many functions would cost more than all that follows.
type domainSet []bool

func (d *domainSet) set(domain uint32, in bool) {
	if more := int(domain) + 1 - len(*d); more > 0 {
		*d = append(*d, make([]bool, more)...)
	}
	(*d)[domain] = in
}

func (d domainSet) has(domain uint32) bool { return domain < uint32(len(d)) && d[domain] }
