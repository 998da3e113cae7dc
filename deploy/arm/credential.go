package arm

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/batchscore/batchscore/deploy"
)

// TokenVariable may hold a bearer token, such as az account get-access-token
// prints. It is used instead of Azure's default chain.
const TokenVariable = "BATCHSCORE_ARM_TOKEN" //nolint:gosec // G101: the variable's name

// login are the options of credentials. Requests for tokens hold secrets, and the default
// transport would follow a redirect with them.
func login() policy.ClientOptions { return policy.ClientOptions{Transport: direct{transport()}} }

// Credential returns the token in TokenVariable or, without one, Azure's default
// chain: environment, workload identity, managed identity, command-line tools.
func Credential() (azcore.TokenCredential, error) {
	if token := os.Getenv(TokenVariable); token != "" {
		return Token(token), nil
	}
	chain, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: login()})
	if err != nil {
		return nil, fmt.Errorf("%w: no credential for Azure: %w", deploy.ErrService, err)
	}
	return chain, nil
}

// ClientSecret returns the credential of a service principal.
func ClientSecret(tenant, client, secret string) (azcore.TokenCredential, error) {
	chain, err := azidentity.NewClientSecretCredential(tenant, client, secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: login()})
	if err != nil {
		return nil, fmt.Errorf("%w: the service principal cannot sign in: %w", deploy.ErrService, err)
	}
	return chain, nil
}

// Token is a bearer token that somebody has obtained already. No verb of package
// fmt shows it.
type Token string

func (Token) String() string { return "<bearer token>" }

// Format writes String for every verb.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// GetToken implements azcore.TokenCredential. Only the service knows how long the
// token is valid.
func (t Token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// tokens marks the errors of a credential.
type tokens struct{ from azcore.TokenCredential }

// noToken is the error for a token that could not be obtained. Trying again would
// not help.
type noToken struct{ err error }

func (e *noToken) Error() string { return e.err.Error() }
func (*noToken) NonRetriable()   {}

// GetToken implements azcore.TokenCredential.
func (t *tokens) GetToken(ctx context.Context, opt policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := t.from.GetToken(ctx, opt)
	if err != nil && ctx.Err() == nil {
		return token, &noToken{err}
	}
	return token, err
}
