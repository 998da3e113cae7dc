package truth

import (
	"net/url"
	"strings"
)

// placesOf returns what addresses of images in a place begin with, all with a slash at the
// end: the place itself, and other spellings of it.
func placesOf(images string) []string {
	if images == "" {
		return nil
	}
	place := strings.TrimSuffix(images, "/") + "/"
	all := []string{place}
	if rest, ok := strings.CutPrefix(place, "az://"); ok {
		account, path, _ := strings.Cut(rest, "/")
		// Sovereign clouds have other domains; the address of a service is not in the place.
		for _, domain := range []string{".blob.core.windows.net/", ".blob.core.chinacloudapi.cn/", ".blob.core.usgovcloudapi.net/"} {
			all = append(all, "https://"+account+domain+path)
		}
		all = append(all, "azure-blob://"+path, "az://"+path, "abfs://"+path, "wasbs://"+path)
	}
	if strings.HasPrefix(place, "/") {
		all = append(all, "file://"+place)
	}
	return all
}

// key returns the name of an image below the place of the collection. address reports
// whether name was its address: one with a scheme, or the path of a file that annotation
// tools serve themselves.
func (s *Set) key(name string) (key string, address bool) {
	if !encoded(name) {
		if rest, ok := s.below(name); ok {
			return rest, true
		}
	}
	if !strings.Contains(name, "://") && !strings.HasPrefix(name, "/") {
		return strings.TrimPrefix(name, "./"), false
	}
	plain, query, _ := strings.Cut(name, "?")
	if strings.HasSuffix(strings.TrimSuffix(plain, "/"), "/data/local-files") {
		values, err := url.ParseQuery(query)
		if file := values.Get("d"); err == nil && file != "" {
			return s.served(file), true
		}
	}
	if u, err := url.PathUnescape(plain); err == nil {
		plain = u
	}
	if rest, ok := s.below(plain); ok {
		return rest, true
	}
	if _, rest, ok := strings.Cut(plain, "://"); ok { // of another place: its tail may be known
		_, path, _ := strings.Cut(rest, "/")
		return path, false
	}
	return strings.TrimPrefix(plain, "/"), false
}

// encoded reports whether an address is a URL, in which some characters are written as %
// and two digits, and not the place of an image as it is spelled.
func encoded(name string) bool {
	for _, scheme := range []string{"https://", "http://", "file://"} {
		if strings.HasPrefix(name, scheme) {
			return true
		}
	}
	return false
}

// below returns what follows the place of the collection in an address.
func (s *Set) below(address string) (rest string, ok bool) {
	for _, place := range s.places {
		if rest, ok := strings.CutPrefix(address, place); ok && rest != "" {
			return rest, true
		}
	}
	return "", false
}

// served returns the name of an image that a tool serves below a folder of its own, which
// is a folder above the collection, or that itself.
func (s *Set) served(file string) string {
	if rest, ok := s.below("/" + strings.TrimPrefix(file, "/")); ok {
		return rest
	}
	if len(s.places) == 0 || !strings.HasPrefix(s.places[0], "/") {
		return file
	}
	for tail := range tailsOf(s.places[0]) {
		if rest, ok := strings.CutPrefix(file, tail); ok && rest != "" && strings.HasSuffix(tail, "/") {
			return rest
		}
	}
	return file
}
