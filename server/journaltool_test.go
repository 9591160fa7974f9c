package server

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A directory is checked and exported without payloads, keys and specs unless
// they are asked for, and what cannot be read is named.
func TestJournalCheckAndExport(t *testing.T) {
	dir := t.TempDir()
	f := start(t, in(dir), func(c *Config) { c.Core.SchedulerOff, c.ShutdownGrace = true, 0 })
	f.register("fn", "LOCAL", `"env":{"TOKEN":"hidden-env"}`)
	id := f.do("POST", "/v1/functions/fn:enqueue", `{"input":"hidden-input"}`, "Idempotency-Key", "hidden-key").expect(202).str("executionId")
	if _, err := CheckJournal(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "has it open") {
		t.Errorf("beside a server: %v", err)
	}
	copied := f.abandon(dir)
	before := listing(t, copied)
	report, err := CheckJournal(t.Context(), copied)
	if err != nil || len(report.Problems) > 0 || report.ByKind["accepted"] != 1 || report.ByKind["function_set"] != 1 || report.Newest == "" {
		t.Errorf("%+v, %v", report, err)
	}
	for _, payloads := range []bool{false, true} {
		var out bytes.Buffer
		if _, err := ExportJournal(t.Context(), copied, &out, payloads); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), id) {
			t.Errorf("the execution is not there: %s", &out)
		}
		for _, hidden := range []string{"hidden-env", "hidden-input", "hidden-key"} {
			if strings.Contains(out.String(), hidden) != payloads {
				t.Errorf("payloads %v: %s in %s", payloads, hidden, &out)
			}
		}
	}
	if after := listing(t, copied); after != before {
		t.Errorf("the directory was changed:\n%s\nto\n%s", before, after)
	}
	if _, err := CheckJournal(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no journal") {
		t.Errorf("an empty directory: %v", err)
	}
}

// Of a log of writes that is damaged, what comes before that is read.
func TestJournalCheckOfADamagedLog(t *testing.T) {
	dir := t.TempDir()
	f := start(t, in(dir), func(c *Config) { c.Core.SchedulerOff, c.ShutdownGrace = true, 0 })
	f.register("fn", "LOCAL", `"queueSize":100`)
	for range 60 {
		f.post("/v1/functions/fn:enqueue", `{"input":"`+strings.Repeat("x", 2000)+`"}`).expect(202)
	}
	copied := f.abandon(dir)
	logs, err := filepath.Glob(copied + "/journal/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatalf("%q, %v", logs, err)
	}
	newest := slices.Max(logs)
	raw, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	copy(raw[50_000:], "damage")
	if err := os.WriteFile(newest, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := CheckJournal(t.Context(), copied)
	if err != nil || len(report.Problems) != 1 || !strings.HasPrefix(report.Problems[0], newest+": damaged") || report.ByKind["function_set"] != 1 ||
		report.ByKind["accepted"] < 10 || report.ByKind["accepted"] > 30 {
		t.Errorf("%+v, %v", report, err)
	}
	var out bytes.Buffer
	if exported, err := ExportJournal(t.Context(), copied, &out, true); err != nil || len(exported.Problems) != 1 || strings.Count(out.String(), "\n") != int(report.Facts) {
		t.Errorf("exported %d lines, %+v, %v", strings.Count(out.String(), "\n"), exported, err)
	}
}

// listing is the names and contents' lengths of all files below dir.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && info.Name() != "LOCK" {
			b.WriteString(strings.TrimPrefix(path, dir) + " " + info.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
