package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
)

// manager is the name that the cluster records as the owner of a field.
const manager = "batchscore"

// Documents implements deploy.Launcher.
func (e *Engine) Documents(job deploy.Job, id string) ([]deploy.Document, error) {
	references := map[string]string{}
	for name, s := range job.Secrets {
		if s.Env != "" || s.File != "" {
			references[name] = s.String()
		}
	}
	list, err := e.objects(job, id, references)
	if err != nil {
		return nil, err
	}
	var docs []deploy.Document
	for _, o := range list {
		body, err := encode(o)
		if err != nil {
			return nil, err
		}
		docs = append(docs, deploy.Document{Name: strings.ToLower(o.Kind) + ".yaml", Body: body})
	}
	return docs, nil
}

func encode(o object) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(o); err != nil {
		return nil, fmt.Errorf("write %s: %w", o.Kind, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write %s: %w", o.Kind, err)
	}
	return b.Bytes(), nil
}

// Submit implements deploy.Launcher. The Secret is created first, so that no pod
// waits for it. Afterwards the job becomes its owner, so that both are removed
// together.
func (e *Engine) Submit(ctx context.Context, job deploy.Job, id string) error {
	values, err := job.Resolve()
	if err != nil {
		return err
	}
	for name, v := range values {
		if !utf8.ValidString(v) {
			return fmt.Errorf("secrets: %s: its value is not text in UTF-8, as variables of pods must be", name)
		}
	}
	list, err := e.objects(job, id, values)
	if err != nil {
		return err
	}
	work := list[len(list)-1]
	if len(list) == 1 {
		_, err := e.apply(ctx, work)
		return err
	}
	if _, err := e.apply(ctx, list[0]); err != nil {
		return hide(err, values)
	}
	made, err := e.apply(ctx, work)
	if err != nil {
		if errors.Is(err, deploy.ErrService) {
			// Refused: no job needs the Secret.
			_, gone := e.call(ctx, nil, "delete", "secret", id, "--ignore-not-found")
			err = errors.Join(err, gone)
		}
		return err
	}
	owner, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": []any{map[string]any{
		"apiVersion": work.APIVersion, "kind": work.Kind, "name": id, "uid": made.Metadata.UID,
	}}}})
	if err != nil {
		return err
	}
	_, err = e.call(ctx, nil, "patch", "secret", id, "--type=merge", "--patch="+string(owner))
	return err
}

// apply sends one object. An equal object that the cluster already has stays
// unchanged. The server applies it, since kubectl itself would store a copy of the
// whole object, including secrets, in the object's annotations.
func (e *Engine) apply(ctx context.Context, o object) (item, error) {
	body, err := encode(o)
	if err != nil {
		return item{}, err
	}
	out, err := e.call(ctx, body, "apply", "--server-side", "--field-manager="+manager, "--filename=-", "--output=json")
	if err != nil {
		return item{}, err
	}
	var made item
	if err := json.Unmarshal(out, &made); err != nil {
		return item{}, fmt.Errorf("read the answer of kubectl apply: %w", err)
	}
	return made, nil
}

// hide returns an error without values of secrets in its text.
func hide(err error, values map[string]string) error {
	var pairs []string
	for _, v := range values {
		if v != "" {
			pairs = append(pairs, v, "<secret>")
		}
	}
	return hidden{err, strings.NewReplacer(pairs...).Replace(err.Error())}
}

type hidden struct {
	err  error
	text string
}

func (h hidden) Error() string { return h.text }

// Is compares the hidden error, whose text nobody gets.
func (h hidden) Is(target error) bool { return errors.Is(h.err, target) }

// Cancel implements deploy.Launcher. It does not wait for the pods, which get their
// grace period. Until they have ended, Status returns Stopping.
func (e *Engine) Cancel(ctx context.Context, id string) error {
	items, err := e.find(ctx, id)
	if err != nil {
		return err
	}
	work, _, err := split(items, id)
	if err != nil {
		return err
	}
	if s := work.status(); s.State.Ended() {
		return nil
	}
	_, err = e.call(ctx, nil, "delete", strings.ToLower(work.Kind), id, "--cascade=foreground", "--wait=false", "--ignore-not-found")
	return err
}
