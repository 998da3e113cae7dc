package tfjs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
)

// network is a Keras topology. Its layers are in an order in which each comes after the
// layers from which it takes its input.
type network struct {
	layers []layer
	output string // the layer whose result is the output
}

type layer struct {
	place  string // for errors: which layer of how many
	name   string
	class  string
	config json.RawMessage
	inputs []string
}

func (l layer) errorf(format string, args ...any) error {
	return bad("%s %q (%s): %w", l.place, l.name, l.class, fmt.Errorf(format, args...))
}

type kerasModel struct {
	Class  string          `json:"class_name"`
	Config json.RawMessage `json:"config"`
}

type kerasLayer struct {
	Name    string          `json:"name"`
	Class   string          `json:"class_name"`
	Config  json.RawMessage `json:"config"`
	Inbound json.RawMessage `json:"inbound_nodes"`
}

// parseTopology reads a Keras model, functional or sequential.
func parseTopology(text []byte) (*network, error) {
	var outer struct {
		Model *kerasModel `json:"model_config"`
		kerasModel
	}
	if err := json.Unmarshal(text, &outer); err != nil {
		return nil, bad("topology: %w", err)
	}
	m := outer.kerasModel
	if outer.Model != nil {
		m = *outer.Model
	}
	return parseModel(m, 0)
}

// maxNested is how deep models may be layers of models. A model that was fine-tuned in a browser
// has a depth of 2.
const maxNested = 8

func parseModel(m kerasModel, depth int) (*network, error) {
	switch {
	case depth > maxNested:
		return nil, bad("topology: models are layers of models, more than %d deep", maxNested)
	case m.Class == "Sequential":
		return parseSequential(m.Config, depth)
	case isModel(m.Class):
		return parseFunctional(m.Config, depth)
	}
	return nil, bad("topology: a model of class %q cannot be imported; Model, Functional and Sequential can", m.Class)
}

// isModel reports whether a layer of that class is a model with layers of its own.
func isModel(class string) bool {
	return class == "Model" || class == "Functional" || class == "Sequential"
}

// nest adds the layers of a model that is layer l, whose input is the result of the layer
// called input, or its own if that is empty.
func (net *network) nest(l layer, input string, depth int) (output string, err error) {
	inner, err := parseModel(kerasModel{l.class, l.config}, depth+1)
	if err != nil {
		return "", l.errorf("%w", err)
	}
	own := ""
	for _, k := range inner.layers {
		if k.class == "InputLayer" && input != "" {
			if own != "" {
				return "", l.errorf("has more than one input")
			}
			own = k.name
			continue
		}
		for i, name := range k.inputs {
			if own != "" && name == own {
				k.inputs[i] = input
			}
		}
		net.layers = append(net.layers, k)
	}
	if inner.output == own {
		return input, nil
	}
	return inner.output, nil
}

func parseFunctional(config []byte, depth int) (*network, error) {
	var c struct {
		Layers  []kerasLayer      `json:"layers"`
		Inputs  []json.RawMessage `json:"input_layers"`
		Outputs []json.RawMessage `json:"output_layers"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, bad("topology: %w", err)
	}
	if len(c.Inputs) != 1 || len(c.Outputs) != 1 {
		return nil, bad("topology: %d inputs and %d outputs; an image classifier has one of each", len(c.Inputs), len(c.Outputs))
	}
	net := &network{}
	results := map[string]string{} // of layers that are models: the inner layer with their result
	for i, k := range c.Layers {
		l := newLayer(i, len(c.Layers), k)
		var err error
		if l.inputs, err = inboundLayers(k.Inbound); err != nil {
			return nil, l.errorf("%w", err)
		}
		for j, name := range l.inputs {
			l.inputs[j] = cmp.Or(results[name], name)
		}
		if !isModel(l.class) {
			net.layers = append(net.layers, l)
			continue
		}
		if len(l.inputs) != 1 {
			return nil, l.errorf("has %d inputs, wants 1", len(l.inputs))
		}
		if results[l.name], err = net.nest(l, l.inputs[0], depth); err != nil {
			return nil, err
		}
	}
	output, err := tensorLayer(c.Outputs[0])
	if err != nil {
		return nil, bad("topology: output: %w", err)
	}
	net.output = cmp.Or(results[output], output)
	return net, nil
}

func parseSequential(config []byte, depth int) (*network, error) {
	var layers []kerasLayer
	if err := json.Unmarshal(config, &layers); err != nil {
		var c struct {
			Layers []kerasLayer `json:"layers"`
		}
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, bad("topology: %w", err)
		}
		layers = c.Layers
	}
	if len(layers) == 0 {
		return nil, bad("topology: there are no layers")
	}
	net := &network{}
	if layers[0].Class != "InputLayer" && !isModel(layers[0].Class) {
		// Without an input layer, the first layer declares the input's shape.
		const input = "input"
		net.layers = append(net.layers, layer{place: "layer 0", name: input, class: "InputLayer", config: layers[0].Config})
		net.output = input
	}
	for i, k := range layers {
		l := newLayer(i, len(layers), k)
		if isModel(l.class) {
			var err error
			if net.output, err = net.nest(l, net.output, depth); err != nil {
				return nil, err
			}
			continue
		}
		if net.output != "" {
			l.inputs = []string{net.output}
		}
		net.output = l.name
		net.layers = append(net.layers, l)
	}
	return net, nil
}

func newLayer(i, of int, k kerasLayer) layer {
	l := layer{place: fmt.Sprintf("layer %d of %d,", i+1, of), name: k.Name, class: k.Class, config: k.Config}
	if l.name == "" { // the name of a sequential layer is in its configuration
		var c struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(k.Config, &c) == nil {
			l.name = c.Name
		}
	}
	return l
}

// inboundLayers parses [[["conv2d_1",0,0,{}],...]]: one call of the layer with outputs of
// other layers as its arguments.
func inboundLayers(text []byte) ([]string, error) {
	var calls [][]json.RawMessage
	if len(text) > 0 {
		if err := json.Unmarshal(text, &calls); err != nil {
			return nil, fmt.Errorf("inbound_nodes: %w", err)
		}
	}
	if len(calls) > 1 {
		return nil, fmt.Errorf("the layer is used %d times; shared layers cannot be imported", len(calls))
	}
	var names []string
	for _, call := range calls {
		for _, t := range call {
			name, err := tensorLayer(t)
			if err != nil {
				return nil, fmt.Errorf("inbound_nodes: %w", err)
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// tensorLayer parses ["conv2d_1", node, tensor, ...]. node and tensor must be 0: the first
// result of the first call.
func tensorLayer(text []byte) (string, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return "", err
	}
	var name string
	var node, index int
	if len(parts) < 3 {
		return "", errors.New("expected [layer, node, tensor]")
	}
	for i, into := range []any{&name, &node, &index} {
		if err := json.Unmarshal(parts[i], into); err != nil {
			return "", err
		}
	}
	if node != 0 || index != 0 {
		return "", fmt.Errorf("node %d, tensor %d of layer %q; only the first can be imported", node, index, name)
	}
	return name, nil
}
