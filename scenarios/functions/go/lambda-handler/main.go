// Command lambda-handler is a handler for AWS Lambda as its runtime client makes
// one. It knows nothing of simplane: lambda-bridge runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Name string `json:"name"`
	Do   string `json:"do"`
	Data string `json:"data"`
}

type greeting struct {
	Greeting  string `json:"greeting"`
	RequestID string `json:"requestId"`
	Left      bool   `json:"timeLeft"`
	Function  string `json:"function"`
	Process   int    `json:"process"`
	Bytes     int    `json:"bytes"`
}

func handle(ctx context.Context, e event) (greeting, error) {
	switch e.Do {
	case "fail":
		return greeting{}, errors.New("there is no " + e.Name)
	case "panic":
		panic("it went wrong")
	case "exit":
		os.Exit(3)
	case "wait":
		time.Sleep(300 * time.Millisecond)
	}
	fmt.Println("greets", e.Name) // is log
	at, _ := ctx.Deadline()
	lc, _ := lambdacontext.FromContext(ctx)
	return greeting{"Hello, " + e.Name, lc.AwsRequestID, time.Until(at) > 0, lambdacontext.FunctionName, os.Getpid(), len(e.Data)}, nil
}

func main() { lambda.Start(handle) }
