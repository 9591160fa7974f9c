package server

import (
	"fmt"
	"strconv"
)

// MissingUnit says what a duration without a unit lacks, such as 300; "" when
// text is no bare number.
func MissingUnit(text string) string {
	if n, err := strconv.ParseFloat(text, 64); err != nil || n == 0 {
		return ""
	}
	return fmt.Sprintf("%s has no unit: write %ss, %sms or the like", text, text, text)
}
