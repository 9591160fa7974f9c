package provider

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseCPU reads a number of cores, such as "2", "0.5" or "500m" (thousandths).
// Empty is 0, which means no limit.
func ParseCPU(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	digits, milli := strings.CutSuffix(s, "m")
	n, err := decimal(digits)
	if err != nil || n <= 0 || n > 1e6 {
		return 0, fmt.Errorf("%q is not a number of cores, such as 500m or 1.5", s)
	}
	if milli {
		n /= 1000
	}
	return n, nil
}

// decimal reads a number of digits and a point, none of the other notations
// ParseFloat takes: Kubernetes does not take them either.
func decimal(s string) (float64, error) {
	if strings.Trim(s, "0123456789.") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(s, 64)
}

var memoryUnits = []struct {
	suffix string
	factor float64
}{
	{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40},
	{"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"", 1},
}

// ParseMemory reads a number of bytes, such as "128Mi", "1G" or "1048576".
// Empty is 0, which means no limit.
func ParseMemory(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	for _, u := range memoryUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := decimal(digits)
		n *= u.factor
		if err != nil || !(n >= 1) || n > math.MaxInt64/2 {
			break
		}
		return int64(n), nil
	}
	return 0, fmt.Errorf("%q is not a memory size, such as 128Mi or 1G", s)
}
