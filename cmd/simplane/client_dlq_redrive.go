package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

// maxRedriveRate is the highest --rate: above it a request for each letter no
// longer keeps up, and pacing means nothing.
const maxRedriveRate = 1000

func dlqRedriveCommand(o *clientOptions) *cobra.Command {
	var all bool
	var rate float64
	var patience time.Duration
	cmd := &cobra.Command{
		Use: "redrive NAME (ID... | --all)", Short: "Submit dead letters again, as new executions",
		Long: "Submit dead letters again, as new executions. One that is not accepted, such as\n" +
			"when the queue is full, stays a dead letter and is named.\n\n" +
			"With --rate they are submitted one after the other, so many a second, and one\n" +
			"that meets a full queue or a rate limit is tried again, until none has been\n" +
			"accepted for as long as --patience says.",
		ValidArgsFunction: completeDeadLetters(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			paced := cmd.Flags().Changed("rate")
			switch {
			case paced && (math.IsNaN(rate) || rate <= 0 || rate > maxRedriveRate):
				return usageErrorf("--rate: must be more than 0 and at most %d, not %v", maxRedriveRate, rate)
			case cmd.Flags().Changed("patience") && (!paced || patience <= 0):
				return usageErrorf("--patience: must be more than 0, and --rate be given")
			case !paced:
				a, err := c.Redrive(ctx, args[0], args[1:])
				if err != nil {
					return err
				}
				return reportRedriven(cmd, o, a.Value)
			}
			ids := args[1:]
			if all {
				var err error
				if ids, err = oldestFirst(ctx, c, args[0]); err != nil {
					return err
				}
			}
			p := pacer{pause: time.Duration(float64(time.Second) / rate), patience: patience}
			r, err := p.redrive(ctx, c, args[0], ids)
			if reporting := reportRedriven(cmd, o, r); err == nil {
				err = reporting
			}
			return err
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&all, "all", false, "all of them")
	f.Float64Var(&rate, "rate", 0, "at most so many a `second`, one after the other (default: all in one request)")
	f.DurationVar(&patience, "patience", 30*time.Second, "with --rate: how long to try again when none is accepted")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case all && len(args) > 1:
			return usageErrorf("give ids or --all, not both")
		case all:
			return exactArgs("NAME")(cmd, args)
		}
		return atLeastArgs("NAME", "ID (or --all)")(cmd, args)
	}
	return cmd
}

// oldestFirst are the ids of a function's dead letters, in the order that they
// failed in.
func oldestFirst(ctx context.Context, c *client.Client, name string) ([]string, error) {
	a, err := c.DeadLetters(ctx, name, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(a.Value.DeadLetters))
	for i, l := range a.Value.DeadLetters {
		ids[len(ids)-1-i] = l.ExecutionID
	}
	return ids, nil
}

// pacer submits dead letters one by one.
type pacer struct {
	pause    time.Duration // between two of them
	patience time.Duration // how long to go on when none is accepted
}

// redrive submits the dead letters ids again, in their order. One that meets a
// full queue is tried again before the next ones are. What has become of those
// done so far is returned with an error too.
func (p pacer) redrive(ctx context.Context, c *client.Client, name string, ids []string) (client.Redriven, error) {
	out := client.Redriven{Redriven: []client.RedrivenLetter{}, Failed: []client.RefusedLetter{}}
	next := time.NewTicker(p.pause)
	defer next.Stop()
	giveUp := time.Now().Add(p.patience)
	for left := ids; len(left) > 0; {
		a, err := c.Redrive(ctx, name, left[:1])
		if err != nil {
			return out, fmt.Errorf("%s: %w; %d after it were not tried", left[0], err, len(left)-1)
		}
		failed := a.Value.Failed
		switch {
		case len(failed) == 0:
			out.Redriven = append(out.Redriven, a.Value.Redriven...)
			giveUp = time.Now().Add(p.patience)
			left = left[1:]
		case !failed[0].Full():
			out.Failed = append(out.Failed, failed...)
			left = left[1:]
		case time.Now().After(giveUp):
			out.Failed = append(out.Failed, failed...)
			for _, id := range left[1:] {
				out.Failed = append(out.Failed, client.RefusedLetter{ID: id, Code: failed[0].Code, Message: "not tried, since the one before it was refused for so long"})
			}
			return out, nil
		}
		if len(left) == 0 {
			break
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
	return out, nil
}

func reportRedriven(cmd *cobra.Command, o *clientOptions, r client.Redriven) error {
	if done, err := o.structuredValue(cmd.OutOrStdout(), r); err != nil {
		return err
	} else if !done {
		t := newTable("DEAD LETTER", "RESULT")
		for _, l := range r.Redriven {
			t.row(l.ID, "execution "+l.ExecutionID)
		}
		for _, f := range r.Failed {
			t.row(f.ID, "not accepted: "+f.Message+" ("+f.Code+")")
		}
		if err := t.print(cmd.OutOrStdout()); err != nil {
			return err
		}
	}
	failed := len(r.Failed)
	if failed == 0 {
		return nil
	}
	var names []string
	for _, f := range r.Failed[:min(failed, 3)] {
		names = append(names, f.ID)
	}
	if failed > len(names) {
		names = append(names, "…")
	}
	return fmt.Errorf("%d of %d dead letters were not accepted; they are still there: %s", failed, failed+len(r.Redriven), strings.Join(names, ", "))
}
