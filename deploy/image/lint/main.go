// Command lint checks a Dockerfile against BuildKit's own parser and rules.
//
//	go run . FILE
//
// It pulls no image. It exits with 1 if there is a finding.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: lint FILE")
		os.Exit(64)
	}
	findings, err := lint(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	for _, f := range findings {
		fmt.Printf("%s:%s\n", os.Args[1], f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
}

func lint(ctx context.Context, file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	source := llb.NewSourceMap(nil, file, "Dockerfile", text)
	source.Definition = &llb.Definition{}
	found, err := dockerfile2llb.DockerfileLint(ctx, text, dockerfile2llb.ConvertOpt{
		MetaResolver: bases{},
		SourceMap:    source,
	})
	if err != nil {
		return nil, err
	}
	var findings []string
	add := func(at *pb.Location, what string) {
		var line int32
		if ranges := at.GetRanges(); len(ranges) > 0 {
			line = ranges[0].GetStart().GetLine()
		}
		findings = append(findings, fmt.Sprintf("%d: %s", line, what))
	}
	for _, w := range found.Warnings {
		add(w.Location, w.RuleName+": "+w.Detail)
	}
	if e := found.Error; e != nil {
		add(&e.Location, e.Message)
	}
	return findings, nil
}

// bases replaces base images, which are not pulled, with empty ones.
type bases struct{}

func (bases) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(ocispecs.Image{Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"}})
	return ref, digest.FromBytes(config), config, err
}
