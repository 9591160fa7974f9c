package pebblelog

import (
	"fmt"
	"log/slog"
)

// logger passes what Pebble says on.
type logger struct {
	log   *slog.Logger
	fatal func(error)
}

func (l logger) Infof(format string, args ...any) {
	l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf does not return: Pebble cannot go on.
func (l logger) Fatalf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok { // with its causes, which a text would lose
			l.fatal(explained(err))
		}
	}
	l.fatal(fmt.Errorf(format, args...))
}
