package export

import (
	"fmt"
	"net/url"
	"strings"
)

// The forms of addresses that tools load images from.
const (
	AzureBlobURL  = "azure-blob"  // azure-blob://CONTAINER/NAME, which Label Studio signs itself
	HTTPSURL      = "https"       // of the blob, without a signature
	LocalFilesURL = "local-files" // /data/local-files/?d=NAME, which Label Studio serves
	AddressURL    = "address"     // as 'show --columns address' has it
)

// URLForms are the forms of addresses.
var URLForms = []string{AzureBlobURL, HTTPSURL, LocalFilesURL, AddressURL}

// urls makes addresses of the images of a collection.
type urls struct {
	form   string
	c      *Collection
	prefix string // what all addresses begin with
}

// newURLs returns what makes the addresses that the options ask for.
func newURLs(c *Collection) (urls, error) {
	place := strings.TrimSuffix(c.Job.ImagesPlace(), "/") + "/"
	local := strings.HasPrefix(place, "/")
	u := urls{form: c.Options.URLs, c: c}
	if u.form == "" {
		if u.form = AzureBlobURL; local {
			u.form = LocalFilesURL
		}
	}
	account, path, cloud := "", "", false
	if rest, ok := strings.CutPrefix(place, "az://"); ok {
		account, path, _ = strings.Cut(rest, "/")
		cloud = true
	} else if strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://") {
		_, rest, _ := strings.Cut(place, "://")
		_, path, _ = strings.Cut(rest, "/")
	}
	switch u.form {
	case LocalFilesURL:
		if !local {
			return u, fmt.Errorf("the images are in %s: Label Studio serves files of its own machine only; choose another form of addresses", place)
		}
		served := strings.TrimSuffix(c.Options.Served, "/") + "/"
		rest, ok := strings.CutPrefix(place, served)
		if !ok {
			return u, fmt.Errorf("the images are in %s, which is not in the folder %s that Label Studio serves", place, served)
		}
		u.prefix = rest
	case AzureBlobURL:
		if local {
			return u, fmt.Errorf("the images are in the folder %s, not in object storage; choose another form of addresses", place)
		}
		u.prefix = "azure-blob://" + path
	case HTTPSURL:
		switch {
		case local:
			return u, fmt.Errorf("the images are in the folder %s, not in object storage; choose another form of addresses", place)
		case cloud:
			u.prefix = "https://" + account + ".blob.core.windows.net/" + escapePath(path)
		default:
			u.prefix = place
		}
	}
	return u, nil
}

// of returns the address of an image.
func (u *urls) of(it *Item) string {
	switch u.form {
	case LocalFilesURL:
		return "/data/local-files/?d=" + strings.ReplaceAll(url.QueryEscape(u.prefix+it.Entry.Path), "%2F", "/")
	case AzureBlobURL:
		return u.prefix + it.Entry.Path
	case HTTPSURL:
		return u.prefix + escapePath(it.Entry.Path)
	}
	return u.c.Address(it)
}

// escapePath returns a path as a URL has it.
func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
