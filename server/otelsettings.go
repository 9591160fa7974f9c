package server

import (
	"fmt"
	"net/url"
	"strings"
)

const tracesPath = "/v1/traces"

// tracesURL is the endpoint for spans; empty for none.
func (c *Config) tracesURL() string {
	switch {
	case c.OTLPTracesEndpoint != "":
		return c.OTLPTracesEndpoint
	case c.OTLPEndpoint == "":
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(c.OTLPEndpoint, "/"), tracesPath) + tracesPath
}

// loadOTEL takes the exporter's endpoint from OpenTelemetry's own variables,
// when none of simplane's settings does. The others of the family (headers,
// timeout, certificates, resource) are read by its SDK.
func (s *Settings) loadOTEL(getenv func(string) (string, bool)) []error {
	get := func(name string) string { v, _ := getenv(name); return v }
	c := &s.Config
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		c.OTLPEndpoint = ""
		return nil
	}
	if _, given := s.origin[otlpEndpointFlag]; given || get("OTEL_TRACES_EXPORTER") == "none" {
		return nil
	}
	var protocol string
	for _, v := range []struct {
		prefix   string
		endpoint *string
	}{{"OTEL_EXPORTER_OTLP_", &c.OTLPEndpoint}, {"OTEL_EXPORTER_OTLP_TRACES_", &c.OTLPTracesEndpoint}} {
		if value := get(v.prefix + "ENDPOINT"); value != "" {
			*v.endpoint = value
			s.origin[otlpEndpointFlag] = "environment variable " + v.prefix + "ENDPOINT"
		}
		if value := get(v.prefix + "PROTOCOL"); value != "" {
			protocol = value
		}
	}
	if c.tracesURL() != "" && protocol == "grpc" {
		return []error{fmt.Errorf("environment variable OTEL_EXPORTER_OTLP_PROTOCOL: simplane exports over http/protobuf only, not grpc; set it, and an endpoint for it (port 4318 as a rule), or OTEL_TRACES_EXPORTER=none")}
	}
	return nil
}

const otlpEndpointFlag = "otlp-endpoint"

// tracingProblems are what is wrong with the configuration of traces.
func (c *Config) tracingProblems() (found []string) {
	for _, endpoint := range []string{c.OTLPEndpoint, c.OTLPTracesEndpoint} {
		if endpoint == "" {
			continue
		}
		u, err := url.Parse(endpoint)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			found = append(found, "otlpEndpoint: must be a URL such as http://localhost:4318")
		case u.User != nil:
			found = append(found, "otlpEndpoint: must not hold a password; put it into OTEL_EXPORTER_OTLP_HEADERS")
		case u.RawQuery != "" || u.Fragment != "":
			found = append(found, "otlpEndpoint: must not have a query or a fragment")
		}
	}
	return found
}
