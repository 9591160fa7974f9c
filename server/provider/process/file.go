package process

import (
	"errors"
	"fmt"
	"io/fs"

	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// fileTransfer is that of a FILE function: files, whose names are in variables.
type fileTransfer struct {
	*exchange
	limit int // of the output, in bytes
}

func throughFiles(in *instance, id string, inv provider.Invocation) (transfer, error) {
	x, err := in.f.p.exchanges.open(id, map[string][]byte{
		inputFile: inv.Input, metadataFile: orEmpty(inv.Metadata),
	})
	if err != nil {
		return nil, err
	}
	return fileTransfer{x, in.f.p.opt.MaxOutputBytes}, nil
}

func (x fileTransfer) vars() map[string]string {
	return map[string]string{"INPUT_FILE": x.name(inputFile), "OUTPUT_FILE": x.name(outputFile), "METADATA_FILE": x.name(metadataFile)}
}

func (x fileTransfer) pipes() bool { return false }

func (x fileTransfer) begin(*child) <-chan struct{} { return nil }

func (x fileTransfer) end(*child) {}

func (x fileTransfer) result(c *child, failed *provider.Result) provider.Result {
	if failed != nil {
		return *failed
	}
	data, err := x.read(outputFile, x.limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return provider.Failure(provider.CodeBadOutput, "the function left no OUTPUT_FILE"+c.tail.suffix())
	case errors.Is(err, errTooLarge):
		return tooLarge(x.limit)
	case err != nil:
		return provider.Failure(provider.CodeBadOutput, "OUTPUT_FILE cannot be used: it "+err.Error())
	}
	answer, err := fncall.JSON(data)
	return provider.ResultOf(fncall.Answer{Output: fncall.Own(answer, data)}, err)
}

func tooLarge(limit int) provider.Result {
	return provider.Failure(provider.CodeBadOutput, fmt.Sprintf("the answer is larger than %d bytes", limit))
}
