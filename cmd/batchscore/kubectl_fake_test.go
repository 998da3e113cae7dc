package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// fakeKubectlVar is the environment variable with the folder in which the test binary,
// run as kubectl, keeps the objects of its cluster.
const fakeKubectlVar = "BATCHSCORE_TEST_KUBECTL"

func init() {
	if folder := os.Getenv(fakeKubectlVar); folder != "" && filepath.Base(os.Args[0]) == "kubectl" {
		if err := fakeKubectl(folder, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

type kubeObject struct {
	Kind     string         `json:"kind"`
	Metadata map[string]any `json:"metadata"`
	Spec     any            `json:"spec,omitempty"`
	Status   map[string]any `json:"status,omitempty"`
}

// fakeKubectl keeps what is applied and lists it, with a running pod for each Job.
// Package kubernetes tests how kubectl is called and what a cluster may answer.
func fakeKubectl(folder string, args []string) error {
	var words []string
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			words = append(words, a)
		}
	}
	log, err := os.OpenFile(filepath.Join(folder, "calls.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, strings.Join(args, " "))
	switch words[0] {
	case "apply":
		var o kubeObject
		body, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		if err := yaml.Unmarshal(body, &o); err != nil {
			return err
		}
		name := fmt.Sprint(o.Metadata["name"])
		o.Metadata["uid"] = "uid-of-" + name
		if body, err = json.Marshal(o); err != nil {
			return err
		}
		fmt.Printf("%s\n", body)
		return os.WriteFile(filepath.Join(folder, o.Kind+"."+name+".json"), body, 0o644)
	case "get":
		return listObjects(folder)
	case "logs":
		_, err := fmt.Println("[pod/rank] Worker 0 needs to process 24 images")
		return err
	case "patch", "delete":
		return nil
	}
	return fmt.Errorf("fake kubectl: %q", args)
}

func listObjects(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	items := []kubeObject{}
	for _, file := range files {
		var o kubeObject
		body, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(body, &o)
		}
		if err != nil {
			return err
		}
		o.Status = map[string]any{"active": 1}
		pod := kubeObject{Kind: "Pod", Metadata: map[string]any{"name": o.Metadata["name"].(string) + "-0", "labels": o.Metadata["labels"]},
			Status: map[string]any{"phase": "Running"}}
		items = append(items, o, pod)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"kind": "List", "items": items})
}
