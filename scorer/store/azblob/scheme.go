package azblob

import (
	"os"
	"regexp"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// Scheme describes places in Azure Blob Storage. Those that begin with http are
// in an emulator on this machine.
var Scheme = place.Scheme{
	Names: []string{"az", "https", "http"},
	Forms: []string{azForm, httpsForm},
	Help: "To sign in to Azure Blob Storage, set " + ConnectionString + ", " + Key + " or " + SASToken +
		" in the environment or in the file that --credentials names; " + Account +
		" says which account a key or token belongs to, and " + Endpoint + " where the service is, as --endpoint does. Without them, Azure's default chain is used:" +
		" workload identity, managed identity, command line tools.",
	Secrets: []string{
		ConnectionString, Key, SASToken,
		// Of Azure's default chain.
		"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_PASSWORD",
	},
	// The signature of a SAS token, the key in a connection string, or a key alone: 64
	// bytes in base64. In JSON and in a URL, the characters before a signature may be
	// escaped.
	SecretText: regexp.MustCompile(`(?i)((?:^|[?&;\s"'=(,]|\\u0026|%3F|%26)sig(?:=|%3D))[^&\s"'\\]{8,}` +
		`|((?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[^;\s"'\\]+` +
		`|(^|[\s"'=])[a-z0-9+/]{86}==`),
	Parse: func(spec string) (place.Place, error) {
		p, err := ParsePlace(spec)
		if err != nil {
			return nil, err
		}
		return p, nil
	},
}

// Open implements place.Place.
func (p Place) Open(o place.Options) (store.Store, error) {
	credentials, err := credentialsOf(o)
	if err != nil {
		return nil, err
	}
	s, err := New(Options{Place: p, Credentials: credentials, Endpoint: o.Endpoint, Transport: o.Transport})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// credentialsOf returns the credentials of a file, or else of the environment.
func credentialsOf(o place.Options) (Credentials, error) {
	if o.Credentials != "" {
		return FromFile(o.Credentials)
	}
	return FromEnvironment(os.LookupEnv), nil
}
