package node

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Gauge reads a function's gauge off a metrics page, or the server's own when
// function is empty; -1 when it is absent.
func Gauge(page []byte, metric, function string) (int, error) {
	prefix := metric + " "
	if function != "" {
		prefix = fmt.Sprintf("%s{function=%q} ", metric, function)
	}
	for line := range strings.Lines(string(page)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			n, err := strconv.Atoi(strings.TrimSpace(rest))
			if err != nil {
				return 0, fmt.Errorf("%s: %w", line, err)
			}
			return n, nil
		}
	}
	return -1, nil
}

// OpenFiles is how many files the node has open, by its own metrics: as it is not
// dumpable, only root can count them from outside.
func (n *Node) OpenFiles() (int, error) {
	page, err := Call(http.DefaultClient, "GET", n.Mgmt+"/actuator/prometheus", nil)
	if err != nil {
		return 0, err
	}
	files, err := Gauge(page.Body, "process_open_fds", "")
	if err == nil && files < 0 {
		err = fmt.Errorf("no process_open_fds among the metrics: %d %.300s", page.Status, page.Body)
	}
	return files, err
}
