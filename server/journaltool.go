package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"simplane/core"
	"simplane/server/internal/journal"
	"simplane/server/internal/journal/pebblelog"
)

// JournalReport is what CheckJournal found.
type JournalReport struct {
	Facts    int64            `json:"facts"`
	Bytes    int64            `json:"bytes"`
	ByKind   map[string]int64 `json:"byKind"`
	Newest   string           `json:"newest,omitempty"` // RFC 3339; when the newest fact was decided
	Problems []string         `json:"problems"`         // what cannot be read; the rest can
}

// CheckJournal reads all of a data directory's journal and changes nothing. The
// error says that it could not be opened, as when a server uses it.
func CheckJournal(ctx context.Context, dir string) (*JournalReport, error) {
	r := &JournalReport{ByKind: map[string]int64{}, Problems: []string{}}
	newest := int64(0)
	err := readJournal(ctx, dir, r, func(_ journal.Place, f *core.Fact, size int) error {
		r.Facts, r.Bytes = r.Facts+1, r.Bytes+int64(size)
		r.ByKind[f.Kind.String()]++
		newest = max(newest, f.Wall)
		return nil
	})
	if newest > 0 {
		r.Newest = time.Unix(0, newest).UTC().Format(time.RFC3339Nano)
	}
	return r, err
}

// readJournal gives each every fact that is readable, and adds to the report
// what is not.
func readJournal(ctx context.Context, dir string, r *JournalReport, each func(journal.Place, *core.Fact, int) error) error {
	log, err := pebblelog.Open(pebblelog.Options{Dir: dir, ReadOnly: true, Log: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
	if err != nil {
		return err
	}
	r.Problems = append(r.Problems, log.Damage()...)
	var stopped error
	for p := range 256 {
		err := log.ReadPartition(ctx, p, func(f journal.Frame) error {
			fact, err := core.DecodeFact(f.Value)
			if err != nil {
				r.Problems = append(r.Problems, fmt.Sprintf("fact %d of partition %d: %v", f.LSN, f.Partition, err))
				return nil
			}
			stopped = each(f.Place, &fact, len(f.Value))
			return stopped
		})
		if stopped != nil || ctx.Err() != nil {
			return errors.Join(err, log.Close())
		}
		if err != nil {
			r.Problems = append(r.Problems, fmt.Sprintf("partition %d: %v", p, err))
		}
	}
	return log.Close()
}

// exportedFact is the JSON form of a fact. What callers and functions wrote is
// there on request only.
type exportedFact struct {
	Partition    uint8     `json:"partition"`
	LSN          uint64    `json:"lsn"`
	Kind         string    `json:"kind"`
	At           string    `json:"at,omitempty"` // RFC 3339
	Function     string    `json:"function,omitempty"`
	Registration uint64    `json:"registration,omitempty"`
	Generation   uint64    `json:"generation,omitempty"`
	ID           string    `json:"id,omitempty"`
	Letter       string    `json:"letter,omitempty"` // the dead letter it comes from
	Attempt      int32     `json:"attempt,omitempty"`
	TimeoutMs    int64     `json:"timeoutMs,omitempty"`
	RetryAt      string    `json:"retryAt,omitempty"`
	Status       string    `json:"status,omitempty"`
	Code         string    `json:"code,omitempty"`
	Bytes        int       `json:"bytes"` // of the stored form
	Payload      *exported `json:"payload,omitempty"`
}

// exported is what is left out unless it is asked for.
type exported struct {
	Data     json.RawMessage `json:"data,omitempty"` // the spec, or the configuration
	Key      string          `json:"idempotencyKey,omitempty"`
	TraceID  string          `json:"traceId,omitempty"`
	Input    json.RawMessage `json:"input,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Output   json.RawMessage `json:"output,omitempty"`
	Message  string          `json:"message,omitempty"`
}

// ExportJournal writes every fact of a data directory that is readable to w,
// one JSON object a line. Specs, keys, inputs, outputs and error texts are left
// out unless payloads asks for them. The report has no figures, only problems.
func ExportJournal(ctx context.Context, dir string, w io.Writer, payloads bool) (*JournalReport, error) {
	r := &JournalReport{Problems: []string{}}
	lines := json.NewEncoder(w)
	return r, readJournal(ctx, dir, r, func(p journal.Place, f *core.Fact, size int) error {
		return lines.Encode(exportFact(p, f, size, payloads))
	})
}

func exportFact(p journal.Place, f *core.Fact, size int, payloads bool) exportedFact {
	e := exportedFact{
		Partition: p.Partition, LSN: p.LSN, Kind: f.Kind.String(), At: stamp(f.Wall), Function: f.Function,
		Registration: f.Registration, Generation: f.Generation, Attempt: f.Attempt,
		TimeoutMs: f.Timeout / int64(time.Millisecond), RetryAt: stamp(f.RetryAt), Code: f.Code, Bytes: size,
	}
	if f.ID != (core.ID{}) {
		e.ID = f.ID.String()
	}
	if f.Letter != (core.ID{}) {
		e.Letter = f.Letter.String()
	}
	if f.Kind == core.FactEnded {
		e.Status = f.Status.String()
	}
	if payloads {
		e.Payload = &exported{
			Data: rawJSON(f.Data), Key: f.Key, TraceID: f.TraceID, Input: rawJSON(f.Input),
			Metadata: rawJSON(f.Metadata), Output: rawJSON(f.Output), Message: strings.ToValidUTF8(f.Message, "�"),
		}
	}
	return e
}

// rawJSON is b if it is JSON, else b as a JSON string.
func rawJSON(b []byte) json.RawMessage {
	if len(b) == 0 || json.Valid(b) {
		return b
	}
	text, _ := json.Marshal(string(b))
	return text
}

func stamp(wall int64) string {
	if wall == 0 {
		return ""
	}
	return time.Unix(0, wall).UTC().Format(time.RFC3339Nano)
}
