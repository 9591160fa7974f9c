package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// samples are the values of one scrape, by name and label part as written.
type samples map[string]float64

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^}]*\})?) (\S+)$`)

// parseSamples reads the Prometheus text format, comments left out.
func parseSamples(text string) samples {
	s := samples{}
	for line := range strings.Lines(text) {
		m := sampleLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		if v, err := strconv.ParseFloat(m[2], 64); err == nil {
			s[m[1]] = v
		}
	}
	return s
}

func (c *client) scrape() (samples, error) {
	r, err := c.do(context.Background(), "GET", c.mgmt+"/actuator/prometheus", nil)
	if err != nil {
		return nil, err
	}
	if r.status != http.StatusOK {
		return nil, fmt.Errorf("scrape: status %d", r.status)
	}
	return parseSamples(string(r.body)), nil
}

// of reads a counter or gauge of one function.
func (s samples) of(name, function string) float64 {
	return s[fmt.Sprintf("%s{function=%q}", name, function)]
}

// sum adds a counter or gauge up over all functions.
func (s samples) sum(name string) (total float64) {
	for key, v := range s {
		if strings.HasPrefix(key, name+"{") {
			total += v
		}
	}
	return total
}
