package loadgen

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"simplane/bench/weighted"
)

// Placeholder in a URL or a function's name stands for the numbers from 0 on.
const Placeholder = "{n}"

// MaxPaths bounds the URLs of one target.
const MaxPaths = 100_000

// Spreads lists how requests can be spread over numbered URLs.
func Spreads() []string { return []string{"uniform", "zipf"} }

// Paths are the URLs of a target that asks for many, such as many functions.
// All are of one scheme and host. A request takes one of them at random, in
// proportion to their weights; the target's results count them together.
//
// With Requests, each by the index of its URL, method, headers and body are
// theirs, and hosts may differ.
type Paths struct {
	URLs     []string
	Requests []Request
	choice   *weighted.Choice
}

// newPaths checks URLs and weights, which belong together by index.
func newPaths(urls []string, weights []float64) (*Paths, error) {
	if len(urls) < 1 || len(urls) > MaxPaths {
		return nil, fmt.Errorf("%d paths: want 1 to %d", len(urls), MaxPaths)
	}
	host := ""
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("path %q does not make an http or https URL", text)
		}
		if at := u.Scheme + "://" + u.Host; host == "" {
			host = at
		} else if at != host {
			return nil, fmt.Errorf("path %q is not of %s as those before it", text, host)
		}
	}
	choice, err := weighted.New(weights)
	if err != nil {
		return nil, err
	}
	return &Paths{URLs: urls, choice: choice}, nil
}

// Spread gives the target n URLs: the placeholder in its URL becomes 0 to n-1.
// With the spread uniform, which "" means, each is as likely as any other; with
// zipf the k-th is asked for 1/k times as often as the first.
func (t Target) Spread(n int, spread string) (Target, error) {
	// The name of a function has been escaped.
	template := strings.ReplaceAll(t.URL, url.PathEscape(Placeholder), Placeholder)
	if !strings.Contains(template, Placeholder) {
		return t, fmt.Errorf("%q has no %s: it stands for the number of the function", t.Name, Placeholder)
	}
	if n < 1 || n > MaxPaths {
		return t, fmt.Errorf("functions %d is out of range: want 1 to %d", n, MaxPaths)
	}
	var weights []float64
	switch spread {
	case "", "uniform":
		weights = slices.Repeat([]float64{1}, n)
	case "zipf":
		weights = weighted.Zipf(n, 1)
	default:
		return t, fmt.Errorf("spread %q is unknown: want %s", spread, strings.Join(Spreads(), " or "))
	}
	urls := make([]string, n)
	for i := range urls {
		urls[i] = strings.ReplaceAll(template, Placeholder, strconv.Itoa(i))
	}
	var err error
	t.URL = urls[0]
	t.Paths, err = newPaths(urls, weights)
	return t, err
}

// At is the same target at another server: its URLs begin with from, such as
// http://127.0.0.1:8080, and those of the result with to.
func (t Target) At(from, to string) (Target, error) {
	if !strings.HasPrefix(t.URL, from) {
		return t, fmt.Errorf("url %q is not at %s", t.URL, from)
	}
	t.URL = to + strings.TrimPrefix(t.URL, from)
	if t.Paths == nil {
		return t, nil
	}
	if t.Paths.Requests != nil {
		return t, errors.New("a list of requests names its own servers")
	}
	moved := Paths{choice: t.Paths.choice}
	for _, u := range t.Paths.URLs {
		moved.URLs = append(moved.URLs, to+strings.TrimPrefix(u, from))
	}
	t.Paths = &moved
	return t, nil
}

// ListTarget aims at URLs of one host, each as likely as any other, with GET or,
// if d has one, another method.
func ListTarget(d Defaults, name string, urls []string) (Target, error) {
	paths, err := newPaths(urls, slices.Repeat([]float64{1}, len(urls)))
	if err != nil {
		return Target{}, err
	}
	t := URLTarget(d, urls[0])
	t.Name, t.Paths = name, paths
	return t, nil
}

// PathsTarget aims at the paths that a file lists, one a line: a path of
// d.Server or a whole URL, then, if it is not 1, a space and its weight (a
// positive number). Empty lines and those that begin with # are passed over.
func PathsTarget(d Defaults, file string) (Target, error) {
	f, err := os.Open(file) // #nosec G304 -- the user named the file
	if err != nil {
		return Target{}, fmt.Errorf("paths file: %w", err)
	}
	defer f.Close()
	urls, weights, err := readPaths(f, strings.TrimRight(d.Server, "/"))
	if err != nil {
		return Target{}, fmt.Errorf("paths file %s: %w", file, err)
	}
	paths, err := newPaths(urls, weights)
	if err != nil {
		return Target{}, fmt.Errorf("paths file %s: %w", file, err)
	}
	t := URLTarget(d, urls[0])
	t.Name, t.Paths = file, paths
	return t, nil
}

func readPaths(r io.Reader, server string) (urls []string, weights []float64, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		weight := 1.0
		if len(fields) == 2 {
			weight, err = strconv.ParseFloat(fields[1], 64)
		}
		if err != nil || len(fields) > 2 || !(weight > 0) {
			return nil, nil, fmt.Errorf("line %d: %q is not a path and, if it is not 1, a weight above 0", n, lines.Text())
		}
		if fields[0][0] == '/' {
			fields[0] = server + fields[0]
		}
		if len(urls) == MaxPaths {
			return nil, nil, fmt.Errorf("line %d: want at most %d paths", n, MaxPaths)
		}
		urls, weights = append(urls, fields[0]), append(weights, weight)
	}
	if err := lines.Err(); err != nil {
		return nil, nil, err
	}
	if len(urls) == 0 {
		return nil, nil, errors.New("it lists no path")
	}
	return urls, weights, nil
}
