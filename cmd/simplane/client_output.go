package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/util/jsonpath"

	"simplane/server/client/specfile"
)

// outputOptions say how a command prints what it has.
type outputOptions struct {
	output string

	template *jsonpath.JSONPath // of jsonpath=
}

const (
	formatTable = "table"
	formatWide  = "wide"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatName  = "name"
	formatPath  = "jsonpath"
)

// Annotations of commands whose output has a form more, or only some.
var (
	namesToo = map[string]string{"names": "yes"} // it can be the names alone
	jsonOnly = map[string]string{"only": "json"} // it comes in pieces: JSON lines
)

func (o *outputOptions) bindOutput(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&o.output, "output", "o", formatTable, "`format`: table, wide, json, yaml, name, or jsonpath=TEMPLATE")
	_ = cmd.RegisterFlagCompletionFunc("output", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return outputFormats(cmd), cobra.ShellCompDirectiveNoFileComp
	})
}

func outputFormats(cmd *cobra.Command) []string {
	if cmd.Annotations["only"] != "" {
		return []string{formatTable, formatJSON}
	}
	formats := []string{formatTable, formatWide, formatJSON, formatYAML}
	if cmd.Annotations["names"] != "" {
		formats = append(formats, formatName)
	}
	return append(formats, formatPath+"=")
}

func (o *outputOptions) checkOutput(cmd *cobra.Command) error {
	formats := outputFormats(cmd)
	kind, template, templated := strings.Cut(o.output, "=")
	if templated {
		kind += "="
	}
	switch {
	case o.output == formatPath && slices.Contains(formats, formatPath+"="):
		return usageErrorf("--output: jsonpath needs its template, such as jsonpath='{.name}'")
	case !slices.Contains(formats, kind):
		formats[len(formats)-1] = strings.Replace(formats[len(formats)-1], "=", "=TEMPLATE", 1)
		return usageErrorf("--output: must be %s, not %q", strings.Join(formats, " or "), o.output)
	case !templated:
		return nil
	}
	if !strings.Contains(template, "{") { // .name and name are {.name}
		template = "{." + strings.TrimPrefix(template, ".") + "}"
	}
	o.template = jsonpath.New("output")
	if err := o.template.Parse(template); err != nil {
		return usageErrorf("--output: %w", err)
	}
	return nil
}

func (o *outputOptions) json() bool { return o.output == formatJSON }
func (o *outputOptions) wide() bool { return o.output == formatWide }

// structured prints raw, which is JSON, when --output asks for a form of it, or
// names when it asks for those; done is false for a table.
func (o *outputOptions) structured(w io.Writer, raw []byte, names ...string) (done bool, err error) {
	switch {
	case o.json():
		return true, printJSON(w, raw)
	case o.output == formatYAML:
		return true, specfile.WriteYAML(w, raw)
	case o.output == formatName:
		for _, name := range names {
			if _, err := fmt.Fprintln(w, name); err != nil {
				return true, err
			}
		}
		return true, nil
	case o.template != nil:
		return true, o.printPath(w, raw)
	}
	return false, nil
}

// structuredValue is structured for a value of ours.
func (o *outputOptions) structuredValue(w io.Writer, v any, names ...string) (bool, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return true, err
	}
	return o.structured(w, raw, names...)
}

func (o *outputOptions) printPath(w io.Writer, raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := o.template.Execute(&b, plainNumbers(v)); err != nil {
		return usageErrorf("--output: %w", err)
	}
	if n := b.Len(); n > 0 && b.Bytes()[n-1] != '\n' {
		b.WriteByte('\n')
	}
	_, err := b.WriteTo(w)
	return err
}

// plainNumbers has whole numbers as such: a float would print a time in
// milliseconds as 1.7e+12, and a filter compares no json.Number.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}

// printJSON writes JSON as it came, indented.
func printJSON(w io.Writer, raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := b.WriteTo(w)
	return err
}

// printValue writes v as JSON.
func printValue(w io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return printJSON(w, raw)
}

func clipText(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// clockTime shows a server's time stamp with its zone; "-" when there is none.
func clockTime(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return time.UnixMilli(ms).Format("2006-01-02 15:04:05.000Z07:00")
}

// age is how long ago a server's time stamp was by this machine's clock, in at
// most two units: 90s, 5m30s, 3h, 4d.
func age(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return duration.HumanDuration(max(time.Since(time.UnixMilli(ms)), 0))
}

// when is an age, or with -o wide the time itself.
func (o *outputOptions) when(ms int64) string {
	if o.wide() {
		return clockTime(ms)
	}
	return age(ms)
}

// span is the time between two stamps; "-" when one is missing.
func span(from, to int64) string {
	if from == 0 || to == 0 {
		return "-"
	}
	return shortDuration(time.Duration(max(to-from, 0)) * time.Millisecond)
}

// shortDuration keeps three significant digits or so.
func shortDuration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
