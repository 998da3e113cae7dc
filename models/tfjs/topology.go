package tfjs

import (
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
	switch m.Class {
	case "Model", "Functional":
		return parseFunctional(m.Config)
	case "Sequential":
		return parseSequential(m.Config)
	}
	return nil, bad("topology: a model of class %q cannot be imported; Model, Functional and Sequential can", m.Class)
}

func parseFunctional(config []byte) (*network, error) {
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
	for i, k := range c.Layers {
		l := newLayer(i, len(c.Layers), k)
		var err error
		if l.inputs, err = inboundLayers(k.Inbound); err != nil {
			return nil, l.errorf("%w", err)
		}
		net.layers = append(net.layers, l)
	}
	var err error
	if net.output, err = tensorLayer(c.Outputs[0]); err != nil {
		return nil, bad("topology: output: %w", err)
	}
	return net, nil
}

func parseSequential(config []byte) (*network, error) {
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
	if layers[0].Class != "InputLayer" {
		// Without an input layer, the first layer declares the input's shape.
		const input = "input"
		net.layers = append(net.layers, layer{place: "layer 0", name: input, class: "InputLayer", config: layers[0].Config})
		net.output = input
	}
	for i, k := range layers {
		l := newLayer(i, len(layers), k)
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
