package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"simplane/server/client"
	"simplane/server/funcspec"
)

// recentErrors is how many failed executions `fn describe` shows.
const recentErrors = 5

// shownInstances is how many instances it shows.
const shownInstances = 10

// described is what `fn describe` knows of a function. What the server did not
// tell, for want of a token as a rule, is in Missing.
type described struct {
	Spec      json.RawMessage    `json:"spec"`
	Stats     json.RawMessage    `json:"stats,omitempty"`
	LatencyMs *client.Latency    `json:"latencyMs,omitempty"`
	Revisions []client.Revision  `json:"revisions,omitempty"`
	Errors    []client.Execution `json:"recentErrors,omitempty"`
	Instances json.RawMessage    `json:"instances,omitempty"`
	Missing   []string           `json:"missing,omitempty"`
	spec      funcspec.Spec
	stats     *client.FunctionStats
	instances *client.Instances
}

func fnDescribeCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Show a function on one screen: spec, figures, rollout, recent errors", Args: exactArgs("NAME"),
		Long: "Show a function on one screen: what its spec says, what it does now, its latency\n" +
			"and counters since it was registered, how its last change goes, its revisions,\n" +
			"and the last executions that failed. `fn get` shows the spec alone.",
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			d, err := describe(ctx, c, args[0])
			if err != nil {
				return err
			}
			if done, err := o.structuredValue(cmd.OutOrStdout(), d); done {
				return err
			}
			return d.print(cmd.OutOrStdout(), o)
		}),
	}
}

// describe asks for the parts. Only the spec has to be there: the others may need
// a token that the caller has not, or have gone.
func describe(ctx context.Context, c *client.Client, name string) (*described, error) {
	spec, err := c.Function(ctx, name)
	if err != nil {
		return nil, err
	}
	d := &described{Spec: spec.Raw, spec: spec.Value}
	missing := func(what string, err error) bool {
		if err != nil {
			d.Missing = append(d.Missing, what+": "+err.Error())
		}
		return err != nil
	}
	if stats, err := c.FunctionStats(ctx, name); !missing("figures", err) {
		d.Stats, d.stats = stats.Raw, &stats.Value
	}
	if h, err := c.Histograms(ctx); !missing("latency", err) {
		d.LatencyMs = h.Between(client.Histograms{}, name)
	}
	if revisions, err := c.Revisions(ctx, name); !missing("revisions", err) {
		d.Revisions = revisions.Value
	}
	if spec.Value.ExecutionMode == funcspec.ModeDeployment && spec.Value.EndpointURL == "" {
		if instances, err := c.Instances(ctx, name); !missing("instances", err) {
			d.Instances, d.instances = instances.Raw, &instances.Value
		}
	}
	if failed, err := c.Executions(ctx, client.Search{Function: name, Status: "error,timeout", Limit: recentErrors}); !missing("recent errors", err) {
		d.Errors = failed.Value.Executions
	}
	return d, ctx.Err()
}

func (d *described) print(w io.Writer, o *clientOptions) error {
	s := d.spec
	t := newTable("Name:", s.Name)
	row := func(name, format string, args ...any) { t.row(name, fmt.Sprintf(format, args...)) }
	row("Runs:", "%s", whatRuns(s))
	since := ""
	if len(d.Revisions) > 0 {
		r := d.Revisions[0]
		since = fmt.Sprintf(", since %s (%s), by %s", clockTime(r.At.UnixMilli()), age(r.At.UnixMilli()), r.Who)
	}
	row("Generation:", "%d%s", s.Generation, since)
	row("Admits:", "%d at once, %d queued, %s", s.Concurrency, s.QueueSize, rateText(s.RateMaxPerSecond))
	row("Attempts:", "%d, each up to %s", s.MaxRetries+1, functionTimeout(s))
	if s.ScalingConfig != nil {
		raw, err := json.Marshal(s.ScalingConfig)
		if err != nil {
			return err
		}
		row("Scaling:", "%s", raw)
	}
	if s.Rollout != nil {
		row("Rollout:", "%s", rolloutText(s.Rollout))
	}
	if s.Trouble != "" {
		row("Trouble:", "%s", s.Trouble)
	}
	if f := d.stats; f != nil {
		row("Now:", "%d of %d in flight, %d of %d queued, %d between two attempts, %d dead letters", f.InFlight, f.EffectiveConcurrency, f.QueueDepth, f.QueueSize, f.Pausing, f.DeadLetters)
		row("So far:", "%d accepted, %d ok, %d errors, %d timeouts, %d retries, %d refused, %d cold starts", f.Enqueued, f.Success, f.Error, f.Timeout, f.Retries, f.Rejected, f.ColdStarts)
		for _, trouble := range []string{f.MetricsError, f.LimitsError} {
			if trouble != "" {
				row("Trouble:", "%s", trouble)
			}
		}
	}
	if i := d.instances; i != nil && i.Provider != "" {
		row("Instances:", "%d of %d ready, %d starting, %d replaced so far, by the provider %s", i.Ready, i.Desired, i.Starting, i.Restarts, i.Provider)
	}
	if l := d.LatencyMs; l != nil {
		row("Latency:", "p50 %s ms, p90 %s ms, p99 %s ms", latency(l.P50), latency(l.P90), latency(l.P99))
	}
	if len(s.Env) > 0 {
		row("Environment:", "%d variables (fn get shows them)", len(s.Env))
	}
	if err := t.print(w); err != nil {
		return err
	}
	if i := d.instances; i != nil && len(i.Instances) > 0 {
		fmt.Fprintf(w, "\nInstances:\n")
		t := newTable("  ID", "ADDRESS", "IN FLIGHT", "STATE").cut("  ID")
		for _, one := range i.Instances[:min(len(i.Instances), shownInstances)] {
			state := "ready"
			if one.Ejected {
				state = "left out after failures"
			}
			t.row("  "+one.ID, orDash(one.Address), strconv.Itoa(one.InFlight), state)
		}
		if err := t.print(w); err != nil {
			return err
		}
		if more := len(i.Instances) - shownInstances; more > 0 {
			fmt.Fprintf(w, "  and %d more\n", more)
		}
	}
	if len(d.Revisions) > 1 {
		fmt.Fprintf(w, "\nRevisions:\n")
		t := newTable("  GENERATION", "AGE", "WHO", "CHANGES").cut("CHANGES", "WHO")
		for i, r := range d.Revisions[:min(len(d.Revisions), recentErrors)] {
			what := "-"
			if i+1 < len(d.Revisions) {
				what = firstOf(strings.Join(differences(d.Revisions[i+1], r), ", "), "none")
			}
			t.row("  "+strconv.FormatUint(r.Generation, 10), age(r.At.UnixMilli()), r.Who, clipText(what, 100))
		}
		if err := t.print(w); err != nil {
			return err
		}
	}
	if len(d.Errors) > 0 {
		fmt.Fprintf(w, "\nRecent errors:\n")
		if err := executionTable(o, d.Errors).print(w); err != nil {
			return err
		}
	}
	for _, m := range d.Missing {
		if _, err := fmt.Fprintf(w, "(not shown: %s)\n", oneLine(m)); err != nil {
			return err
		}
	}
	return nil
}

// whatRuns says in a line where and how a function runs.
func whatRuns(s funcspec.Spec) string {
	how := s.ExecutionMode + ", " + s.RuntimeMode
	switch {
	case s.EndpointURL != "":
		return how + " at " + s.EndpointURL
	case len(s.Commands) > 0:
		return how + ": " + strings.Join(s.Commands, " ")
	case s.RuntimeCommand != "":
		return how + ": " + s.RuntimeCommand
	case s.Image != "" && s.ExecutionMode == funcspec.ModeDeployment:
		return how + " from " + s.Image
	}
	return how
}

func rateText(perSecond int64) string {
	if perSecond == 0 {
		return "no rate limit of its own"
	}
	return fmt.Sprintf("%d a second", perSecond)
}
