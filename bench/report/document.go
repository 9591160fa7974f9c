// Package report writes results as JSON, as a self-contained HTML page and as
// .hgrm files.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"simplane/bench/compare"
	"simplane/bench/corebench"
	"simplane/bench/growth"
	"simplane/bench/loadgen"
	"simplane/bench/machine"
)

// Schema names the JSON layout; it changes when a field's meaning does.
const Schema = "simplane-bench/1"

// Document is one report. Exactly one of HTTP, Search, Compare, Core and Growth
// is set.
type Document struct {
	Schema   string            `json:"schema"`
	Kind     string            `json:"kind"` // "http", "search", "compare", "core" or "growth"
	Command  string            `json:"command"`
	Started  time.Time         `json:"started"`
	Version  string            `json:"version"`
	Commit   string            `json:"commit"`
	Machine  machine.Info      `json:"machine"`
	Settings map[string]string `json:"settings"` // every flag with its value

	Passed bool     `json:"passed"`
	Misses []string `json:"misses,omitempty"` // broken limits and assertions

	HTTP    *loadgen.Result       `json:"http,omitempty"`
	Search  *loadgen.SearchResult `json:"search,omitempty"`
	Compare *compare.Result       `json:"compare,omitempty"`
	Core    *corebench.Result     `json:"core,omitempty"`
	Growth  *growth.Result        `json:"growth,omitempty"`
}

// Write puts result.json, report.html and, when h is not empty, latency.hgrm
// and service.hgrm into dir, which it creates.
func Write(dir string, d *Document, h loadgen.Histograms) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec G301 -- reports are meant to be shared
		return err
	}
	body, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	files := map[string]func(*os.File) error{
		"result.json": func(f *os.File) error { _, err := f.Write(append(body, '\n')); return err },
		"report.html": func(f *os.File) error { return d.HTML(f) },
	}
	if h.Latency != nil {
		files["latency.hgrm"] = func(f *os.File) error { return h.Latency.WriteHgrm(f) }
		files["service.hgrm"] = func(f *os.File) error { return h.Service.WriteHgrm(f) }
	}
	for name, write := range files {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(*os.File) error) error {
	f, err := os.Create(path) // #nosec G304 -- the user named the directory
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Close()
}

// Load reads a result.json.
func Load(path string) (*Document, error) {
	b, err := os.ReadFile(path) // #nosec G304 -- the user named the file
	if err != nil {
		return nil, err
	}
	var d Document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if d.Schema != Schema {
		return nil, fmt.Errorf("%s: schema %q, want %q", path, d.Schema, Schema)
	}
	return &d, nil
}

// Command joins a command line for the report and hides the values of
// headers, which may hold credentials.
func Command(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		switch {
		case i > 0 && (args[i-1] == "--header" || args[i-1] == "-H"):
			a = hideHeader(a)
		case strings.HasPrefix(a, "--header="):
			a = "--header=" + hideHeader(strings.TrimPrefix(a, "--header="))
		}
		if strings.ContainsAny(a, " \t\"'$&|;<>(){}*?") || a == "" {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out[i] = a
	}
	return strings.Join(out, " ")
}

// SettingText shows a flag's values in the settings table, headers without
// their values and long bodies shortened.
func SettingText(flag string, values []string) string {
	shown := make([]string, len(values))
	for i, v := range values {
		if flag == "header" {
			v = hideHeader(v)
		}
		if len(v) > 200 {
			v = fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(v[:200], ""), len(v))
		}
		shown[i] = v
	}
	return strings.Join(shown, "; ")
}

func hideHeader(text string) string {
	name, _, _ := strings.Cut(text, ":")
	return name + ": ..."
}
