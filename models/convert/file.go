package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// network is a model in memory, to be edited and written.
type network struct {
	model     *onnxpb.ModelProto // its graph has no initializers
	graph     *onnxpb.GraphProto
	constants []*constant
	byName    map[string]*constant
	names     map[string]bool // all names in use
	opset     int64
	// opened is what the file declares, with its contract.
	opened *models.Model
}

// open reads a model file. Errors about its content wrap models.ErrModel.
func open(path string, o models.OpenOptions) (*network, error) {
	m, err := models.Open(path, o)
	if err != nil {
		return nil, err
	}
	switch {
	case m.Contract.OutputName != "":
		return nil, fmt.Errorf("%w: %s has several outputs; cut it down to %q first, with onnx.utils.extract_model", models.ErrModel, path, m.OutputName)
	case m.HalfInput:
		return nil, fmt.Errorf("%w: %s takes float16; convert the float32 model it was made from", models.ErrModel, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	n, err := parse(data, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", models.ErrModel, path, err)
	}
	n.opened = m
	return n, nil
}

// parse reads a model from memory. The constants continue to use that memory.
func parse(data []byte, folder string) (*network, error) {
	n := &network{byName: map[string]*constant{}, names: map[string]bool{}}
	var head, body []byte
	var messages [][]byte
	err := fields(data, func(number protowire.Number, kind protowire.Type, value, whole []byte) error {
		if number != modelGraph || kind != protowire.BytesType {
			head = append(head, whole...)
			return nil
		}
		return fields(value, func(number protowire.Number, kind protowire.Type, value, whole []byte) error {
			if number != graphInitializer || kind != protowire.BytesType {
				body = append(body, whole...)
			} else {
				messages = append(messages, value)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	n.model, n.graph = &onnxpb.ModelProto{}, &onnxpb.GraphProto{}
	if err := proto.Unmarshal(head, n.model); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(body, n.graph); err != nil {
		return nil, err
	}
	for _, message := range messages {
		c, err := readConstant(message, folder)
		if err != nil {
			return nil, err
		}
		if n.byName[c.name] != nil {
			return nil, fmt.Errorf("there are two constants %q", c.name)
		}
		n.add(c)
	}
	return n, n.normalise()
}

// fields calls visit with the value of every field of a message, and with the whole
// field including its tag. The value is empty unless it is of BytesType.
func fields(message []byte, visit func(number protowire.Number, kind protowire.Type, value, whole []byte) error) error {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return protowire.ParseError(tag)
		}
		size := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if size < 0 {
			return protowire.ParseError(size)
		}
		var value []byte
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(message[tag:])
		}
		if err := visit(number, kind, value, message[:tag+size]); err != nil {
			return err
		}
		message = message[tag+size:]
	}
	return nil
}

// normalise brings a graph into one form: constants are initializers, not nodes, and
// are not listed among the inputs.
func (n *network) normalise() error {
	for _, o := range n.model.GetOpsetImport() {
		if o.GetDomain() == "" || o.GetDomain() == "ai.onnx" {
			n.opset = o.GetVersion()
		}
	}
	n.claimAll(n.graph)
	n.graph.Input = slices.DeleteFunc(n.graph.Input, func(v *onnxpb.ValueInfoProto) bool { return n.byName[v.GetName()] != nil })
	// Since this version, initializers need not be inputs.
	n.model.IrVersion = proto.Int64(max(n.model.GetIrVersion(), 4))

	var nodes []*onnxpb.NodeProto
	for _, node := range n.graph.GetNode() {
		if len(node.GetOutput()) == 0 {
			return fmt.Errorf("node %q has no output", node.GetName())
		}
		c, err := constantOf(node)
		if err != nil {
			return err
		}
		if c == nil || n.byName[c.name] != nil {
			nodes = append(nodes, node)
		} else {
			n.add(c)
		}
	}
	n.graph.Node = nodes
	return nil
}

// constantOf reads a Constant node. It returns nil for any other node, and for a
// constant whose elements do not matter here.
func constantOf(node *onnxpb.NodeProto) (*constant, error) {
	if node.GetOpType() != "Constant" || node.GetDomain() != "" || len(node.GetOutput()) != 1 || len(node.GetAttribute()) != 1 {
		return nil, nil
	}
	name := node.GetOutput()[0]
	switch a := node.GetAttribute()[0]; a.GetName() {
	case "value":
		t := proto.Clone(a.GetT()).(*onnxpb.TensorProto)
		if t == nil || t.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
			return nil, nil
		}
		t.Name = &name
		raw := t.RawData
		t.RawData = nil
		return fromTensor(t, raw, "")
	case "value_float":
		return newBytes(name, elemFloat, nil, floatBytes([]float32{a.GetF()})), nil
	}
	return nil, nil
}

// claimAll records every name in g and in the graphs within it.
func (n *network) claimAll(g *onnxpb.GraphProto) {
	for _, vs := range [][]*onnxpb.ValueInfoProto{g.GetInput(), g.GetOutput(), g.GetValueInfo()} {
		for _, v := range vs {
			n.names[v.GetName()] = true
		}
	}
	for _, node := range g.GetNode() {
		n.names[node.GetName()] = true
		for _, name := range slices.Concat(node.GetInput(), node.GetOutput()) {
			n.names[name] = true
		}
		for _, a := range node.GetAttribute() {
			for _, inner := range append(a.GetGraphs(), a.GetG()) {
				if inner != nil {
					n.claimAll(inner)
				}
			}
		}
	}
}

// fresh returns an unused name that begins with the given one.
func (n *network) fresh(name string) string {
	free := name
	for i := 1; n.names[free]; i++ {
		free = fmt.Sprintf("%s_%d", name, i)
	}
	n.names[free] = true
	return free
}

// add adds a constant under its own name.
func (n *network) add(c *constant) {
	n.constants = append(n.constants, c)
	n.byName[c.name] = c
	n.names[c.name] = true
}

// setContract replaces the contract and removes golden images, whose scores are those
// of the model before the conversion.
func (n *network) setContract(c models.Contract) error {
	if err := c.Validate(); err != nil {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	n.model.MetadataProps = slices.DeleteFunc(n.model.GetMetadataProps(), func(e *onnxpb.StringStringEntryProto) bool {
		return e.GetKey() == models.MetadataKey || e.GetKey() == models.GoldenKey
	})
	n.model.MetadataProps = append(n.model.MetadataProps, &onnxpb.StringStringEntryProto{
		Key: proto.String(models.MetadataKey), Value: proto.String(string(text)),
	})
	return nil
}

// dropUnused removes the constants that nothing uses.
func (n *network) dropUnused() {
	used := map[string]bool{}
	var visit func(g *onnxpb.GraphProto)
	visit = func(g *onnxpb.GraphProto) {
		for _, v := range g.GetOutput() {
			used[v.GetName()] = true
		}
		for _, node := range g.GetNode() {
			for _, name := range node.GetInput() {
				used[name] = true
			}
			for _, a := range node.GetAttribute() {
				for _, inner := range append(a.GetGraphs(), a.GetG()) {
					if inner != nil {
						visit(inner)
					}
				}
			}
		}
	}
	visit(n.graph)
	n.constants = slices.DeleteFunc(n.constants, func(c *constant) bool {
		if used[c.name] {
			return false
		}
		delete(n.byName, c.name)
		return true
	})
}

// layout is a network that is ready to be written.
type layout struct {
	// head is the model without its graph, and the tag of the graph; body is the
	// graph without its constants.
	head, body []byte
	constants  []*constant
	headers    [][]byte // of the constants
	size       int64    // of everything
}

func (n *network) layout() (*layout, error) {
	o := proto.MarshalOptions{Deterministic: true}
	l := &layout{constants: n.constants}
	var err error
	if l.body, err = o.Marshal(n.graph); err != nil {
		return nil, fmt.Errorf("write graph: %w", err)
	}
	if l.head, err = o.Marshal(n.model); err != nil {
		return nil, fmt.Errorf("write model: %w", err)
	}
	size := int64(len(l.body))
	for _, c := range n.constants {
		header, err := c.header()
		if err != nil {
			return nil, err
		}
		l.headers = append(l.headers, header)
		size += int64(len(header)) + c.size
	}
	if size+int64(len(l.head)) > math.MaxInt32-16 {
		return nil, fmt.Errorf("%w: %w", models.ErrModel, graph.ErrTooLarge)
	}
	l.head = protowire.AppendTag(l.head, modelGraph, protowire.BytesType)
	l.head = protowire.AppendVarint(l.head, uint64(size))
	l.size = size + int64(len(l.head))
	return l, nil
}

// WriteTo writes the model as one file, its constants last.
func (n *network) WriteTo(w io.Writer) (int64, error) {
	l, err := n.layout()
	if err != nil {
		return 0, err
	}
	return l.WriteTo(w)
}

func (l *layout) WriteTo(w io.Writer) (int64, error) {
	var written int64
	put := func(p []byte) error {
		m, err := w.Write(p)
		written += int64(m)
		return err
	}
	if err := errors.Join(put(l.head), put(l.body)); err != nil {
		return written, err
	}
	for i, c := range l.constants {
		if err := put(l.headers[i]); err != nil {
			return written, err
		}
		if c.data == nil {
			continue
		}
		raw, err := c.data()
		if err != nil {
			return written, err
		}
		if int64(len(raw)) != c.size {
			return written, fmt.Errorf("constant %q has %d bytes, want %d", c.name, len(raw), c.size)
		}
		if err := put(raw); err != nil {
			return written, err
		}
	}
	return written, nil
}

// save writes the model to a file, which appears whole or not at all.
func (n *network) save(path string) error {
	return models.Save(path, func(w io.Writer) error {
		_, err := n.WriteTo(w)
		return err
	})
}
