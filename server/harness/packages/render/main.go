// Command render RELEASE NAMESPACE VALUES prints the chart as a JSON list of objects;
// the values are YAML. It has to be run in the directory above.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"simplane/server/harness/packages"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: render RELEASE NAMESPACE VALUES")
		os.Exit(2)
	}
	objects, err := packages.Chart(os.Args[1], os.Args[2], os.Args[3])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(objects)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
