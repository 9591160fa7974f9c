package kubernetes

import (
	"bufio"
	"context"
	"io"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"simplane/server/provider"
)

const (
	defaultTail = 1000      // lines in all, when none are named
	maxLogBytes = 512 << 10 // from one pod
	maxLogPods  = 16
)

// Logs implements provider.Provider. It asks the cluster, for at most 16 pods
// and 512 KiB from each, within Options.CallTimeout.
func (p *Provider) Logs(name string, tail int) ([]provider.LogLine, error) {
	f := p.function(name)
	if f == nil {
		return nil, provider.ErrNotFound
	}
	if tail <= 0 || tail > defaultTail {
		tail = defaultTail
	}
	ctx, cancel := p.bound(context.Background())
	defer cancel()
	pods, err := p.watch.pods.Pods(p.opt.Namespace).List(labels.SelectorFromSet(f.selector()))
	if err != nil {
		return nil, err
	}
	var lines []provider.LogLine
	var lastErr error
	read := 0
	for _, pod := range pods[:min(len(pods), maxLogPods)] {
		got, err := p.podLogs(ctx, pod.Name, int64(tail))
		if err != nil {
			lastErr = err // a pod that is starting has none yet
			continue
		}
		read++
		lines = append(lines, got...)
	}
	if read == 0 && lastErr != nil {
		return nil, lastErr
	}
	sort.SliceStable(lines, func(i, j int) bool { return lines[i].Time.Before(lines[j].Time) })
	return lines[max(0, len(lines)-tail):], nil
}

func (p *Provider) podLogs(ctx context.Context, pod string, tail int64) ([]provider.LogLine, error) {
	limit := int64(maxLogBytes)
	stream, err := p.client.CoreV1().Pods(p.opt.Namespace).GetLogs(pod, &corev1.PodLogOptions{
		TailLines: &tail, LimitBytes: &limit, Timestamps: true,
	}).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var lines []provider.LogLine
	s := bufio.NewScanner(io.LimitReader(stream, maxLogBytes))
	s.Buffer(nil, maxLogBytes+1)
	for s.Scan() {
		// The cluster does not tell the two streams apart.
		line := provider.LogLine{Instance: pod, Stream: provider.Stdout, Text: s.Text()}
		if stamp, text, ok := strings.Cut(line.Text, " "); ok {
			if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
				line.Time, line.Text = at, text
			}
		}
		lines = append(lines, line)
	}
	return lines, s.Err()
}
