package deploy

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Secret says where a value comes from; exactly one field is set. The value
// itself is never in job.yaml.
type Secret struct {
	// Env is a variable in the environment of 'batchscore launch'.
	Env string `yaml:"env,omitempty" json:"env,omitempty"`
	// File is a file whose content is the value, without one line end at its
	// end; read by 'batchscore launch', or by the ranks on Slurm.
	File string `yaml:"file,omitempty" json:"file,omitempty"`
	// KeyVault is the URL of a secret in Azure Key Vault.
	KeyVault string `yaml:"keyVault,omitempty" json:"keyVault,omitempty"`
	// Kubernetes is NAME/KEY of a Secret in the job's namespace.
	Kubernetes string `yaml:"kubernetes,omitempty" json:"kubernetes,omitempty"`
}

// SecretSpelling is what a secret looks like on the command line.
const SecretSpelling = "NAME=env:VARIABLE, file:PATH, keyvault:URL or kubernetes:NAME/KEY" //nolint:gosec // G101: not a secret

// source is a field of a Secret, by its name in job.yaml. On the command line
// the names are in lower case.
type source struct {
	name      string
	reference *string
}

func (s *Secret) sources() []source {
	return []source{{"env", &s.Env}, {"file", &s.File}, {"keyVault", &s.KeyVault}, {"kubernetes", &s.Kubernetes}}
}

// ParseSecret reads KIND:REFERENCE, such as env:STORAGE_KEY. It reports whether
// the text is one.
func ParseSecret(text string) (Secret, bool) {
	kind, reference, _ := strings.Cut(text, ":")
	var secret Secret
	for _, source := range secret.sources() {
		if kind == strings.ToLower(source.name) && reference != "" {
			*source.reference = reference
			return secret, true
		}
	}
	return Secret{}, false
}

// Kind returns the name of the field that is set, as in job.yaml, and its value.
// Both are empty if none is.
func (s Secret) Kind() (kind, reference string) {
	for _, source := range s.sources() {
		if *source.reference != "" {
			return source.name, *source.reference
		}
	}
	return "", ""
}

// String returns the reference, for documents that a person reads.
func (s Secret) String() string {
	kind, reference := s.Kind()
	return "<secret from " + kind + " " + reference + ">"
}

// check returns an error if the secret cannot become the variable of that name.
func (s Secret) check(name string) error {
	if !variableName.MatchString(name) {
		return fmt.Errorf("secrets: %s is not a valid name of a variable", Shown(name))
	}
	var names, given []string
	for _, source := range s.sources() {
		names = append(names, source.name)
		if *source.reference != "" {
			given = append(given, source.name)
		}
	}
	if last := len(names) - 1; len(given) != 1 {
		return fmt.Errorf("secrets: %s: want exactly one source: %s or %s", name, strings.Join(names[:last], ", "), names[last])
	}
	if s.KeyVault == "" {
		return nil
	}
	if u, err := url.Parse(s.KeyVault); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("secrets: %s: keyVault: want the URL of a secret, such as https://VAULT.vault.azure.net/secrets/NAME", name)
	}
	return nil
}

// Resolve returns the values of the secrets that come from the environment and
// from files of this machine, by name. Others are left to the engine.
func (j Job) Resolve() (map[string]string, error) {
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(j.Secrets)) {
		switch s := j.Secrets[name]; {
		case s.Env != "":
			v, ok := os.LookupEnv(s.Env)
			if !ok {
				return nil, fmt.Errorf("secrets: %s: the variable %s is not set here", name, s.Env)
			}
			if v == "" {
				return nil, fmt.Errorf("secrets: %s: the variable %s is empty here", name, s.Env)
			}
			values[name] = v
		case s.File != "":
			body, err := ReadNamed(s.File)
			if err != nil {
				return nil, fmt.Errorf("secrets: %s: %w", name, err)
			}
			values[name] = strings.TrimSuffix(strings.TrimSuffix(string(body), "\n"), "\r")
			if values[name] == "" {
				return nil, fmt.Errorf("secrets: %s: the file %s is empty", name, s.File)
			}
		}
	}
	return values, nil
}
