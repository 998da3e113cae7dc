package batchai

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/batchscore/batchscore/deploy"
)

// secret is a secret of the service: a reference, or a value of configuration.json.
// No verb of package fmt shows the value.
type secret struct {
	deploy.Secret
	value string
	from  string // where the value comes from
}

func (s secret) given() bool {
	kind, _ := s.Kind()
	return kind != "" || s.value != ""
}

func (s secret) String() string {
	if s.from != "" {
		return "<secret from " + s.from + ">"
	}
	return s.Secret.String()
}

// Format writes String for every verb.
func (s secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// resolve returns the secret with its value, if that can be read here.
func (s secret) resolve() (secret, error) {
	if s.value != "" || s.Env == "" && s.File == "" {
		return s, nil
	}
	const name = "value"
	values, err := deploy.Job{Secrets: map[string]deploy.Secret{name: s.Secret}}.Resolve()
	if err != nil {
		return s, err
	}
	s.value = values[name]
	return s, nil
}

// servicePrincipal is the credential of a program.
type servicePrincipal struct {
	tenant, client string
	secret         secret
}

// configuration is the recipes' configuration.json.
type configuration struct {
	Subscription  string `json:"subscription_id"`
	Client        string `json:"aad_client_id"`
	ClientSecret  string `json:"aad_secret"` //nolint:gosec // G117: it is read, never written
	Tenant        string `json:"aad_tenant"`
	Location      string `json:"location"`
	BaseURL       string `json:"base_url"`
	ResourceGroup string `json:"resource_group"`
	Workspace     string `json:"workspace"`
	Storage       struct {
		Name string `json:"name"`
		Key  string `json:"key"`
	} `json:"storage_account"`
	Admin struct {
		Name      string `json:"name"`
		Password  string `json:"password"` //nolint:gosec // G117: as above
		PublicKey string `json:"ssh_public_key"`
	} `json:"admin_user"`
	KeyVault string `json:"keyvault_id"`
	Registry struct {
		User      string `json:"user"`
		Password  string `json:"password"` //nolint:gosec // G117: as above
		SecretURL string `json:"secret_url"`
	} `json:"container_registry"`
}

func (e *Engine) readConfiguration(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w: %w", deploy.ErrService, err)
	}
	var c configuration
	if err := json.Unmarshal(text, &c); err != nil {
		// The text is not shown: it holds keys.
		return fmt.Errorf("configuration %s: %w: it does not have the form of the recipes' configuration.json", path, deploy.ErrService)
	}
	for _, field := range []struct {
		to   *string
		from string
	}{
		{&e.o.Subscription, c.Subscription}, {&e.o.ResourceGroup, c.ResourceGroup}, {&e.o.Workspace, c.Workspace},
		{&e.o.Location, c.Location}, {&e.o.Endpoint, c.BaseURL}, {&e.o.KeyVault, c.KeyVault},
		{&e.o.AdminUser, c.Admin.Name}, {&e.o.AdminPublicKey, c.Admin.PublicKey}, {&e.o.RegistryUser, c.Registry.User},
	} {
		if *field.to == "" {
			*field.to = field.from
		}
	}
	if e.o.Logs == "" && c.Storage.Name != "" {
		e.o.Logs = "azurefile://" + c.Storage.Name + "/logs"
	}
	if c.Registry.SecretURL != "" && !e.registryPassword.given() {
		e.registryPassword.KeyVault = c.Registry.SecretURL
	}
	for _, s := range []struct {
		to    *secret
		value string
		name  string
	}{
		{&e.accountKey, c.Storage.Key, "storage_account.key"},
		{&e.adminPassword, c.Admin.Password, "admin_user.password"},
		{&e.registryPassword, c.Registry.Password, "container_registry.password"},
		{&e.credential.secret, c.ClientSecret, "aad_secret"},
	} {
		if !s.to.given() && s.value != "" {
			*s.to = secret{value: s.value, from: path + " " + s.name}
		}
	}
	e.credential.tenant, e.credential.client = c.Tenant, c.Client
	return nil
}
