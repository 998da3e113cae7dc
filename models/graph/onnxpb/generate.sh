#!/bin/sh
# Writes onnx.pb.go from onnx.proto. Needs protoc (Debian: protobuf-compiler,
# 3.21.12) and Go. The output is the same for any recent protoc: the line that
# names its version is dropped, so a check can compare the file byte for byte.
set -eu
cd "$(dirname "$0")"
plugins=$(mktemp -d)
trap 'rm -rf "$plugins"' EXIT
GOBIN=$plugins go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PATH=$plugins:$PATH protoc --go_out=. --go_opt=paths=source_relative \
	--go_opt=Monnx.proto=github.com/batchscore/batchscore/models/graph/onnxpb onnx.proto
sed -i.orig '/^\/\/ [[:space:]]*protoc  *v/d' onnx.pb.go
rm onnx.pb.go.orig
gofmt -w onnx.pb.go
