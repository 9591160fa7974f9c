package server

import (
	"strings"
	"testing"
)

func TestSettingsTracesEndpoint(t *testing.T) {
	const base, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for _, tc := range []struct {
		args []string
		env  map[string]string
		file string
		want string
	}{
		{nil, nil, "", ""},
		{[]string{"--otlp-endpoint=http://h:4318"}, nil, "", "http://h:4318/v1/traces"},
		{[]string{"--otlp-endpoint=https://h/otlp/"}, nil, "", "https://h/otlp/v1/traces"},
		{[]string{"--otlp-endpoint=http://h:4318/v1/traces"}, nil, "", "http://h:4318/v1/traces"},
		{nil, map[string]string{base: "http://h:4318"}, "", "http://h:4318/v1/traces"},
		{nil, map[string]string{base: "http://h:4318", traces: "http://t/custom"}, "", "http://t/custom"},
		{nil, map[string]string{base: "http://h:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "", "http://h:4318/v1/traces"},
		// Ours win.
		{nil, map[string]string{base: "http://h:4318"}, "otlpEndpoint: http://file", "http://file/v1/traces"},
		{nil, map[string]string{base: "http://h:4318", traces: "http://t", "SIMPLANE_OTLP_ENDPOINT": "http://env"}, "", "http://env/v1/traces"},
		{[]string{"--otlp-endpoint="}, map[string]string{base: "http://h:4318"}, "", ""},
		{[]string{"--otlp-endpoint=http://h"}, map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "http://h/v1/traces"},
		// Switched off.
		{nil, map[string]string{base: "http://h:4318", "OTEL_TRACES_EXPORTER": "none"}, "", ""},
		{[]string{"--otlp-endpoint=http://h"}, map[string]string{"OTEL_SDK_DISABLED": "true"}, "", ""},
	} {
		s, _, err := load(t, tc.args, tc.env, tc.file)
		if got := s.Config.tracesURL(); err != nil || got != tc.want {
			t.Errorf("%v %v %q: %q %v, want %q", tc.args, tc.env, tc.file, got, err, tc.want)
		}
	}
}

func TestSettingsTracesErrors(t *testing.T) {
	for _, tc := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{[]string{"--otlp-endpoint=collector:4318"}, nil, "--otlp-endpoint: otlpEndpoint: must be a URL such as"},
		{[]string{"--otlp-endpoint=http://"}, nil, "must be a URL such as"},
		{[]string{"--otlp-endpoint=http://u:p@h"}, nil, "must not hold a password; put it into OTEL_EXPORTER_OTLP_HEADERS"},
		{nil, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "h:4318"}, "environment variable OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint: must be a URL"},
		{nil, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h/?key=1"}, "environment variable OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlpEndpoint: must not have a query"},
		{nil, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "simplane exports over http/protobuf only"},
		{[]string{"--trace-sample-ratio=1.5"}, nil, "--trace-sample-ratio: traceSampleRatio: must be between 0 and 1, not 1.5"},
		{[]string{"--trace-sample-ratio=NaN"}, nil, "must be between 0 and 1"},
	} {
		_, _, err := load(t, tc.args, tc.env, "")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v %v:\ngot  %v\nwant %s", tc.args, tc.env, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}
