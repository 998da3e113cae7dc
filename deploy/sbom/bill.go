package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A bill is what something is made of.
type bill struct {
	subject    component
	components []component
}

// component is one of CycloneDX.
type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Licenses   []licence  `json:"licenses,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type (
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		Expression string `json:"expression"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp,omitempty"`
		Component component `json:"component"`
	}
	document struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Serial       string       `json:"serialNumber,omitempty"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
)

// licences returns the field for licences that all apply.
func licences(names ...string) []licence {
	if len(names) == 0 {
		return nil
	}
	return []licence{{Expression: strings.Join(names, " AND ")}}
}

// escape returns a part of a package URL.
func escape(s string) string { return strings.ReplaceAll(url.PathEscape(s), "+", "%2B") }

// marshal returns the bill in JSON. The epoch is the time in seconds, or empty.
func (b bill) marshal(epoch string) ([]byte, error) {
	if len(b.components) == 0 {
		return nil, errors.New("there is nothing to list: name -binary, -runtime, -root or -wheels")
	}
	components := slices.Clone(b.components)
	slices.SortFunc(components, func(a, b component) int { return strings.Compare(a.Ref, b.Ref) })
	components = slices.CompactFunc(components, func(a, b component) bool { return a.Ref == b.Ref })
	d := document{
		Format: "CycloneDX", Spec: "1.5", Version: 1, Metadata: metadata{Component: b.subject},
		Components: components, Dependencies: []dependency{{Ref: b.subject.Ref}},
	}
	for _, c := range components {
		d.Dependencies[0].On = append(d.Dependencies[0].On, c.Ref)
	}
	if epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("SOURCE_DATE_EPOCH=%s is not a number of seconds", epoch)
		}
		d.Metadata.Timestamp = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
	}
	body, err := encode(d)
	if err != nil {
		return nil, err
	}
	// Different bills have different numbers, and the same one always has the same.
	sum := sha256.Sum256(body)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	d.Serial = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	return encode(d)
}

func encode(d document) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}
