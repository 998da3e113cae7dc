// Package golist reads what go list says of packages.
package golist

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// List returns what "go list ARGS", which include -json, says of each package, with further
// variables in its environment. A P has those fields of go list that the caller wants.
func List[P any](ctx context.Context, vars []string, args ...string) ([]P, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	cmd.Env = append(os.Environ(), vars...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.Bytes())
	}
	var all []P
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p P
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, p)
	}
}
