// Package place reads which kind of storage the spelling of a place means. It
// opens nothing: a program maps each scheme to the package that does.
package place

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Schemes of places.
const (
	// Local is that of a path on this machine, which is spelled without one.
	Local = ""
	// AZ and HTTPS are Azure Blob Storage, HTTP an emulator of it on this machine.
	AZ    = "az"
	HTTPS = "https"
	HTTP  = "http"
)

// ErrScheme means that a place is spelled with a scheme that does not exist.
var ErrScheme = errors.New("unknown kind of place")

// Forms lists how places are spelled, for messages.
const Forms = "a place is a local path, az://ACCOUNT/CONTAINER/PREFIX or https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX"

// asLocal says how a local path is spelled that looks like a place elsewhere.
const asLocal = "a local path that begins so is written with ./ in front"

// schemes are those that exist.
var schemes = []string{AZ, HTTPS, HTTP}

// foreign are schemes that people bring along from elsewhere. Spelled without
// one of the slashes, they are no local paths either.
var foreign = []string{"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "adl", "azure", "hdfs", "dbfs", "file", "ftp", "sftp", "smb", "nfs"}

// Scheme returns the scheme of a place: one of those above. A spelling that
// begins like x:// is never a local path: with another scheme it is an error,
// which wraps ErrScheme. A local folder of such a name is spelled ./x://.
func Scheme(spec string) (string, error) {
	head, rest, found := strings.Cut(spec, ":")
	if !found || strings.Contains(head, "/") {
		return Local, nil
	}
	scheme := strings.ToLower(strings.TrimSpace(head))
	known, slashes := slices.Contains(schemes, scheme), strings.HasPrefix(rest, "//")
	switch {
	case known && slashes && scheme == strings.ToLower(head):
		return scheme, nil
	case known:
		return "", fmt.Errorf("%w: it begins with %q, which is written %s://; %s; %s",
			ErrScheme, head+":", scheme, Forms, asLocal)
	case scheme == "file" && strings.HasPrefix(rest, "/"):
		return "", fmt.Errorf("%w %s://: write a local path as it is, such as /data/photos; %s", ErrScheme, scheme, Forms)
	case slashes, slices.Contains(foreign, scheme):
		return "", fmt.Errorf("%w %s://: %s; %s", ErrScheme, scheme, Forms, asLocal)
	}
	return Local, nil
}

// IsLocal reports whether a place is a path on this machine.
func IsLocal(spec string) bool {
	scheme, err := Scheme(spec)
	return err == nil && scheme == Local
}
