package main

import (
	"github.com/spf13/pflag"

	"simplane/server"
)

// missingUnit says what a duration without a unit lacks; "" for other mistakes.
func missingUnit(flag *pflag.Flag, text string) string {
	if flag.Value.Type() != "duration" {
		return ""
	}
	return server.MissingUnit(text)
}
