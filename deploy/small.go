package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// smallMost is the most bytes of job.yaml, of service.yaml, of a record and of the small
// files of a job, and of a YAML file's text once its aliases are replaced.
const smallMost = 1 << 20

// errLarge is the error of a file of more bytes.
var errLarge = fmt.Errorf("it has more than %d bytes", smallMost)

// ReadSmall returns the whole content of a file. One of more than 1 MiB is an error, and so is
// what is not a regular file.
func ReadSmall(path string) ([]byte, error) { return readFile(path, atomicfile.OpenRegular) }

// ReadNamed is ReadSmall for a path that the user gave, which may be that of a pipe.
func ReadNamed(path string) ([]byte, error) { return readFile(path, os.Open) }

func readFile(path string, open func(string) (*os.File, error)) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := readSmall(f)
	if errors.Is(err, errLarge) {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return body, err
}

func readSmall(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, smallMost+1))
	if err == nil && len(body) > smallMost {
		err = errLarge
	}
	return body, err
}

// CheckYAML returns an error for a document whose aliases would make it much larger than
// it is: a few kB can stand for terabytes. It leaves syntax errors to whoever loads the
// document.
func CheckYAML(body []byte) error {
	for d := yaml.NewDecoder(bytes.NewReader(body)); ; {
		var n yaml.Node
		if d.Decode(&n) != nil {
			return nil
		}
		if expanded(&n, map[*yaml.Node]int{}) > smallMost {
			return fmt.Errorf("with its aliases replaced it has more than %d bytes of text: write out what is used once, and leave out the rest", smallMost)
		}
	}
}

// expanded returns how much text a node has with its aliases replaced, and more than
// smallMost if that is more. known are the nodes that were counted already.
func expanded(n *yaml.Node, known map[*yaml.Node]int) int {
	if size, ok := known[n]; ok {
		return size
	}
	known[n] = smallMost + 1 // while it is counted: it must not contain itself
	size := 1 + len(n.Value)
	if n.Alias != nil {
		size = 1 + expanded(n.Alias, known)
	}
	for _, c := range n.Content {
		if size = min(size+expanded(c, known), smallMost+1); size > smallMost {
			break
		}
	}
	known[n] = size
	return size
}
