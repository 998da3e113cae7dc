package azblob

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/batchscore/batchscore/scorer/store"
)

var (
	_ store.Maker   = (*Store)(nil)
	_ store.Reached = (*Store)(nil)
)

// Make implements store.Maker: it makes the container. It first looks whether there
// is one, since many credentials may write to a container and not make one.
func (s *Store) Make(ctx context.Context) (bool, error) {
	one := int32(1)
	_, err := s.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: &one}).NextPage(ctx)
	switch {
	case err == nil:
		return false, nil
	case !bloberror.HasCode(err, bloberror.ContainerNotFound):
		return false, s.fail(ctx, opList, "", err)
	}
	_, err = s.client.Create(ctx, nil)
	switch {
	case err == nil:
		return true, nil
	case bloberror.HasCode(err, bloberror.ContainerAlreadyExists): // another rank was faster
		return false, nil
	}
	return false, s.fail(ctx, opMake, "", err)
}

// HowReached implements store.Reached.
func (s *Store) HowReached(ctx context.Context) string {
	text := fmt.Sprintf("%s (%s)", s.address, s.source)
	proxy := s.proxy()
	if proxy != nil {
		text += ", through the proxy " + proxy.Scheme + "://" + proxy.Host
	} else {
		text += s.resolved(ctx) + ", without a proxy"
	}
	return s.signer.redact(text + ", with " + s.signer.how)
}

// proxy returns the proxy that requests go through, or nil.
func (s *Store) proxy() *url.URL {
	if s.via == nil {
		return nil
	}
	proxy, err := s.via(&http.Request{URL: s.address})
	if err != nil {
		return nil // requests report it
	}
	return proxy
}

// resolved returns what the name of the host resolves to, as the continuation of a
// sentence.
func (s *Store) resolved(ctx context.Context) string {
	host := s.address.Hostname()
	if net.ParseIP(host) != nil {
		return ""
	}
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	var dns *net.DNSError
	switch {
	case err == nil:
		return ", which is " + strings.Join(found, " and ")
	case errors.As(err, &dns) && dns.IsNotFound:
		return ", a host that does not exist"
	}
	return ", whose name cannot be resolved"
}
