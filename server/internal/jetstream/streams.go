package jetstream

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

const (
	// dedupWindow is how long servers remember the ids of writes.
	dedupWindow = 5 * time.Minute
	// markerTTL is how long the note that a member's record has expired stays.
	markerTTL = time.Minute
	// nodesMaxBytes bounds records of members and announcements.
	nodesMaxBytes = 64 << 20
)

// frameStream is the stream of frames and ownership.
func (o Options) frameStream() js.StreamConfig {
	return js.StreamConfig{
		Name:               o.Name,
		Description:        "simplane: what was decided, and who owns each partition",
		Subjects:           []string{o.Name + ".f.*", o.Name + ".own.*"},
		Retention:          js.LimitsPolicy,
		MaxConsumers:       -1,
		MaxMsgs:            -1,
		MaxBytes:           o.MaxBytes,
		Discard:            js.DiscardNew,
		MaxMsgsPerSubject:  -1,
		MaxMsgSize:         -1,
		Storage:            js.FileStorage,
		Replicas:           o.Replicas,
		Duplicates:         dedupWindow,
		AllowRollup:        true,
		AllowAtomicPublish: true,
	}
}

// nodeStream is the stream of members and announcements.
func (o Options) nodeStream() js.StreamConfig {
	return js.StreamConfig{
		Name:                   o.Name + "-nodes",
		Description:            "simplane: live control planes, and what they announce",
		Subjects:               []string{o.Name + ".node.*", o.Name + ".set.*"},
		Retention:              js.LimitsPolicy,
		MaxConsumers:           -1,
		MaxMsgs:                -1,
		MaxBytes:               nodesMaxBytes,
		Discard:                js.DiscardNew,
		MaxMsgsPerSubject:      1,
		MaxMsgSize:             -1,
		Storage:                js.FileStorage,
		Replicas:               o.Replicas,
		Duplicates:             dedupWindow,
		AllowRollup:            true,
		AllowMsgTTL:            true,
		SubjectDeleteMarkerTTL: markerTTL,
	}
}

// openStream opens a stream, and creates it if there is none. It changes nothing of
// one that is there: if its settings are others, the error names them.
func openStream(ctx context.Context, j js.JetStream, want js.StreamConfig) (js.Stream, error) {
	s, err := j.Stream(ctx, want.Name)
	if errors.Is(err, js.ErrStreamNotFound) {
		s, err = j.CreateStream(ctx, want)
		if errors.Is(err, js.ErrStreamNameAlreadyInUse) {
			s, err = j.Stream(ctx, want.Name)
		}
	}
	if err != nil && strings.Contains(err.Error(), "insufficient storage") {
		return nil, fmt.Errorf("cluster: stream %s: %w: it is to keep up to %d bytes on each of %d servers. Set journalMaxBytes to half of what they have, "+
			"or raise what they may store (max_file_store)", want.Name, err, want.MaxBytes, want.Replicas)
	}
	if err != nil {
		return nil, fmt.Errorf("cluster: stream %s: %w", want.Name, err)
	}
	if differ := differences(s.CachedInfo().Config, want); differ != nil {
		return nil, fmt.Errorf("cluster: stream %s is there with other settings: %s. Nothing was changed. "+
			"Give the options it was made with, or change it with the nats command line tool", want.Name, strings.Join(differ, "; "))
	}
	return s, nil
}

// differences names the settings in which a stream is not as wanted. What says
// nothing about how messages are kept may differ, and so may the bound.
func differences(is, want js.StreamConfig) (differ []string) {
	for _, c := range []*js.StreamConfig{&is, &want} {
		c.Description, c.Metadata, c.Placement, c.Compression, c.ConsumerLimits, c.MaxBytes = "", nil, nil, 0, js.StreamConsumerLimits{}, 0
	}
	a, b := reflect.ValueOf(is), reflect.ValueOf(want)
	for i := range a.NumField() {
		x, y := a.Field(i), b.Field(i)
		if x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0 || reflect.DeepEqual(x.Interface(), y.Interface()) {
			continue
		}
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
		differ = append(differ, fmt.Sprintf("%s is %v, not %v", name, x.Interface(), y.Interface()))
	}
	return differ
}
