package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Replay takes every decision again that nodes of this binary, which have ended,
// have recorded in dir (--record), and removes the recordings. It returns how many
// came out as they were recorded; the error says which did not.
func Replay(ctx context.Context, binary, dir string) (identical int64, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.rec"))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		out, failed := exec.CommandContext(ctx, binary, "sim", "replay", "--json", file).Output()
		var result struct {
			Records   int64 `json:"records"`
			Functions []struct {
				Identical int64 `json:"identical"`
			} `json:"functions"`
		}
		if err := json.Unmarshal(out, &result); failed == nil && err != nil {
			failed = err
		} else if err == nil && result.Records == 0 {
			failed = nil // killed before its first second was over: nothing had been written
		}
		if failed != nil {
			text, _ := exec.CommandContext(ctx, binary, "sim", "replay", file).CombinedOutput()
			return identical, fmt.Errorf("replay of %s: %w\n%s", filepath.Base(file), failed, text)
		}
		for _, fn := range result.Functions {
			identical += fn.Identical
		}
		if err := os.Remove(file); err != nil {
			return identical, err
		}
	}
	return identical, nil
}
