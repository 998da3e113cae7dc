package azblob

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/batchscore/batchscore/scorer/store/place"
)

// The variables that carry credentials, in the environment or in a file.
const (
	ConnectionString = "AZURE_STORAGE_CONNECTION_STRING"
	Account          = "AZURE_STORAGE_ACCOUNT" // the one that Key or SASToken is for; by default the place's
	Key              = "AZURE_STORAGE_KEY"
	SASToken         = "AZURE_STORAGE_SAS_TOKEN" //nolint:gosec // G101: the variable's name
	// Endpoint is the address of the blob service, as for Azure's command line tool.
	Endpoint = "AZURE_STORAGE_SERVICE_ENDPOINT"
)

// ErrCredentials means that there are no credentials for a place, or that they
// cannot be read.
var ErrCredentials = errors.New("no usable credentials")

// Credentials are what may be used to sign in. Their zero value is empty; then
// Azure's default chain is used: environment, workload identity, managed identity,
// command line tools.
type Credentials struct {
	from   string // for messages
	values map[string]string
	file   bool
}

// FromEnvironment reads the variables with lookup, such as os.LookupEnv.
func FromEnvironment(lookup func(string) (string, bool)) Credentials {
	c := Credentials{from: "the environment", values: map[string]string{}}
	for _, name := range []string{ConnectionString, Account, Key, SASToken, Endpoint} {
		if v, ok := lookup(name); ok && v != "" {
			c.values[name] = v
		}
	}
	return c
}

// FromFile reads the variables from a file of lines NAME=VALUE. A value may be in
// quotes, and a line may begin with "export ". Lines that begin with # and other
// variables are ignored.
func FromFile(path string) (Credentials, error) {
	f, err := os.Open(path)
	if err != nil {
		return Credentials{}, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	defer f.Close()
	values := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok {
			// The line is not shown: it may be a key.
			return Credentials{}, fmt.Errorf("%w: %s, line %d is not NAME=VALUE", ErrCredentials, path, n)
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if q := len(value) - 1; q > 0 && value[0] == value[q] && (value[0] == '"' || value[0] == '\'') {
			value = value[1:q]
		}
		values[name] = value
	}
	if err := lines.Err(); err != nil {
		return Credentials{}, fmt.Errorf("%w: read %s: %w", ErrCredentials, path, err)
	}
	c := FromEnvironment(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	if c.values[ConnectionString] == "" && c.values[Key] == "" && c.values[SASToken] == "" {
		return Credentials{}, fmt.Errorf("%w: %s sets none of %s, %s and %s", ErrCredentials, path, ConnectionString, Key, SASToken)
	}
	c.from, c.file = path, true
	return c, nil
}

// String returns where the credentials come from, and no credential.
func (c Credentials) String() string { return "credentials from " + c.from }

// GoString is String, so that no verb of package fmt shows more.
func (c Credentials) GoString() string { return c.String() }

// Format is String, whatever the verb.
func (c Credentials) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// kind is a kind of credentials, as messages call it.
type kind string

const (
	accountKey kind = "key"
	sasToken   kind = "SAS token"
	identity   kind = "identity"
)

// signer signs in to one account.
type signer struct {
	how      string // for messages: "the key in AZURE_STORAGE_KEY of the environment"
	kind     kind
	endpoint string // where a connection string says the account is, or empty
	key      string
	sas      url.Values
	secrets  []string // removed from every text
}

// signer chooses the credentials for an account. It passes over those that are for
// another account. An empty how means the default chain.
func (c Credentials) signer(account string) (signer, error) {
	var passed []string
	other := func(name, whose string) {
		passed = append(passed, fmt.Sprintf("%s is for the account %s", name, whose))
	}
	if text := c.values[ConnectionString]; text != "" {
		s, whose, err := parseConnectionString(text)
		s.how = "the connection string in " + ConnectionString + " of " + c.from
		switch {
		case err != nil:
			return signer{}, fmt.Errorf("%w: %s of %s: %w", ErrCredentials, ConnectionString, c.from, err)
		case whose == account, whose == "":
			return s, nil
		}
		other(ConnectionString, whose)
	}
	for _, name := range []string{Key, SASToken} {
		text := c.values[name]
		if text == "" {
			continue
		}
		if whose := c.values[Account]; whose != "" && whose != account {
			other(name, whose)
			continue
		}
		s := signer{how: name + " of " + c.from}
		if name == Key {
			s.how, s.kind, s.key, s.secrets = "the key in "+s.how, accountKey, text, []string{text}
			return s, nil
		}
		s.how = "the SAS token in " + s.how
		if err := s.take(text); err != nil {
			return signer{}, fmt.Errorf("%w: %s of %s: %w", ErrCredentials, name, c.from, err)
		}
		return s, nil
	}
	if c.file {
		return signer{}, fmt.Errorf("%w for the account %s in %s: %s", ErrCredentials, account, c.from, strings.Join(passed, ", "))
	}
	return signer{}, nil
}

// Names reports whether the credentials of those options are for the account of the place by
// name, so that the user has said that requests with them may go to it. A key, a token or an
// identity alone says of no account that it may.
func (p Place) Names(o place.Options) bool {
	credentials, err := credentialsOf(o)
	if err != nil {
		return false
	}
	if text := credentials.values[ConnectionString]; text != "" {
		if _, account, err := parseConnectionString(text); err == nil && account == p.Account {
			return true
		}
	}
	return credentials.values[Account] == p.Account
}

// take reads a SAS token.
func (s *signer) take(text string) error {
	text = strings.TrimPrefix(strings.TrimSpace(text), "?")
	values, err := url.ParseQuery(text)
	if err != nil || values.Get("sig") == "" {
		return errors.New("this is not a SAS token: it has no sv=, sp= and sig=")
	}
	s.kind, s.sas = sasToken, values
	sig := values.Get("sig")
	s.secrets = append(s.secrets, text, values.Encode(), sig, url.QueryEscape(sig), url.PathEscape(sig))
	return nil
}

// The emulator's account and key, which are public.
const (
	emulatorAccount = "devstoreaccount1"
	emulatorKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==" //nolint:gosec // G101: public
	emulatorURL     = "http://127.0.0.1:10000/" + emulatorAccount
)

// parseConnectionString returns what is in a connection string and the account
// that it is for, empty if it does not say.
func parseConnectionString(text string) (s signer, account string, err error) {
	values := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if name, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			values[strings.ToLower(name)] = value
		}
	}
	s.secrets = []string{text}
	if strings.EqualFold(values["usedevelopmentstorage"], "true") {
		s.kind, s.key, s.endpoint = accountKey, emulatorKey, emulatorURL
		return s, emulatorAccount, nil
	}
	account = values["accountname"]
	s.endpoint = strings.TrimRight(values["blobendpoint"], "/")
	if suffix := values["endpointsuffix"]; s.endpoint == "" && suffix != "" {
		s.endpoint = "https://" + account + ".blob." + suffix
	}
	if s.endpoint != "" && account == "" {
		if u, err := url.Parse(s.endpoint); err == nil && !pathStyle(u) {
			account, _, _ = strings.Cut(u.Hostname(), ".")
		}
	}
	if hasSignature(s.endpoint) {
		return s, "", errors.New("its BlobEndpoint holds a SAS token: put that into SharedAccessSignature")
	}
	switch key, token := values["accountkey"], values["sharedaccesssignature"]; {
	case key != "":
		s.kind, s.key = accountKey, key
		s.secrets = append(s.secrets, key)
		return s, account, nil
	case token != "":
		return s, account, s.take(token)
	}
	return s, "", errors.New("it holds neither AccountKey nor SharedAccessSignature")
}

// client returns a client of the container that signs in this way. If it needs tokens, it
// gets them through login.
func (s *signer) client(account string, u *url.URL, login policy.Transporter, opt *container.ClientOptions) (*container.Client, error) {
	switch {
	case s.key != "":
		key, err := container.NewSharedKeyCredential(account, s.key)
		if err != nil {
			return nil, fmt.Errorf("%w: %s is not a storage account's key, which is base64", ErrCredentials, s.how)
		}
		return container.NewClientWithSharedKeyCredential(u.String(), key, opt)
	case s.sas != nil:
		signed := *u
		signed.RawQuery = s.sas.Encode()
		return container.NewClientWithNoCredential(signed.String(), opt)
	}
	s.kind = identity
	s.how = "Azure's default credential chain (neither " + ConnectionString + " nor " + Key + " nor " + SASToken + " is set for this account)"
	if u.Scheme != "https" {
		return nil, fmt.Errorf("%w for the account %s: tried %s, whose tokens go over https only", ErrCredentials, account, s.how)
	}
	chain, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		// The default one would follow a redirect with the secret in the body.
		ClientOptions: policy.ClientOptions{Transport: login},
	})
	if err != nil {
		return nil, fmt.Errorf("%w for the account %s: tried %s: %w", ErrCredentials, account, s.how, err)
	}
	return container.NewClient(u.String(), &tokens{from: chain}, opt)
}

// redact removes every secret from a text.
func (s *signer) redact(text string) string {
	// The longest first: one secret may hold another.
	secrets := slices.Clone(s.secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "REDACTED")
		}
	}
	return text
}
