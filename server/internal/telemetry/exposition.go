package telemetry

import (
	"bytes"
	"fmt"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// The forms of the exposition. Only protobuf has native histograms.
const (
	formText = iota
	formProtobuf
	forms
)

var formats = [forms]expfmt.Format{formText: expfmt.FmtText, formProtobuf: expfmt.FmtProtoDelim}

// encode writes all metrics. What it has in memory is a part of one family as
// text, or one family as protobuf, which cannot be divided.
func (m *Metrics) encode(w io.Writer, form int) error {
	encoder := expfmt.NewEncoder(w, formats[form])
	others, err := m.Registry.Gather()
	if err != nil {
		return err
	}
	for _, f := range others {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	functions := m.functions()
	room := map[dto.MetricType]*[]*dto.Metric{}
	for _, f := range families {
		if form == formProtobuf {
			if room[f.kind] == nil {
				room[f.kind] = new([]*dto.Metric)
			}
			err = f.encode(encoder, functions, room[f.kind])
		} else {
			err = f.writeText(w, functions)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// encode writes the family as one message, in the memory that an earlier family
// of the same type has left.
func (f *family) encode(encoder expfmt.Encoder, functions []counted, room *[]*dto.Metric) (err error) {
	used := 0
	f.each(functions, func(s series) {
		if used == len(*room) {
			*room = append(*room, new(dto.Metric))
		}
		s.native = true
		if failed := s.Write((*room)[used]); failed != nil {
			err = failed
		}
		used++
	})
	if err != nil || used == 0 {
		return err
	}
	return encoder.Encode(&dto.MetricFamily{Name: &f.name, Help: &f.help, Type: &f.kind, Metric: (*room)[:used]})
}

// textPart is how many series are made into text at once.
const textPart = 64

// writeText writes the family in parts of a few series, which use the same
// memory one after the other. Its head is there without any series too, and so
// tells which metrics there are.
func (f *family) writeText(w io.Writer, functions []counted) error {
	if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, textTypes[f.kind]); err != nil {
		return err
	}
	var text bytes.Buffer
	part := &dto.MetricFamily{Name: &f.name, Type: &f.kind}
	var firstErr error
	flush := func() {
		if len(part.Metric) > 0 && firstErr == nil {
			text.Reset()
			_, firstErr = expfmt.MetricFamilyToText(&text, part)
		}
		if len(part.Metric) > 0 && firstErr == nil {
			_, samples, _ := bytes.Cut(text.Bytes(), []byte("\n")) // each part has its TYPE
			_, firstErr = w.Write(samples)
		}
		part.Metric = part.Metric[:0]
	}
	room := make([]dto.Metric, textPart)
	f.each(functions, func(s series) {
		m := &room[len(part.Metric)]
		if err := s.Write(m); err != nil && firstErr == nil {
			firstErr = err
		}
		part.Metric = append(part.Metric, m)
		if len(part.Metric) == textPart {
			flush()
		}
	})
	flush()
	return firstErr
}

var textTypes = map[dto.MetricType]string{dto.MetricType_COUNTER: "counter", dto.MetricType_GAUGE: "gauge", dto.MetricType_HISTOGRAM: "histogram"}
