package azblob

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/batchscore/batchscore/scorer/store"
)

// operation names a call of the service, for errors.
type operation string

const (
	opList    operation = "list"
	opOpen    operation = "open"
	opRead    operation = "read"
	opCreate  operation = "create"
	opReplace operation = "replace"
	opDelete  operation = "delete"
	opMake    operation = "make"
)

// fail returns the error of an operation on an object or, for a listing, on a
// prefix. It keeps only what is safe to show of err.
func (s *Store) fail(ctx context.Context, op operation, name string, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	what := fmt.Sprintf("%s %q in %s", op, name, s)
	switch op {
	case opList:
		what = fmt.Sprintf("list %s%s", s, name)
	case opMake:
		what = fmt.Sprintf("make the container %s in the account %s", s.place.Container, s.place.Account)
	}
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return s.judge(op, what, answer)
	}
	return s.unanswered(what, err)
}

// misplaced is a store.ErrDenied, or another error of package store, that has
// nothing to do with permissions: the place is not there.
type misplaced struct {
	text string
	is   error
}

func (m misplaced) Error() string { return m.text }

// Is makes it the error that it stands for.
func (m misplaced) Is(target error) bool { return target == m.is }

// wrong returns a store.ErrDenied that says something else.
func wrong(text string) misplaced { return misplaced{text, store.ErrDenied} }

// judge returns the error of an answer that is not a success.
func (s *Store) judge(op operation, what string, e *azcore.ResponseError) error {
	header := http.Header{}
	if e.RawResponse != nil {
		header = e.RawResponse.Header
	}
	said := "HTTP " + strconv.Itoa(e.StatusCode)
	if e.ErrorCode != "" {
		said += " " + e.ErrorCode
	}
	if id := header.Get("x-ms-request-id"); id != "" {
		said += ", request id " + id
	}
	failed := func(kind error, text string) error {
		return fmt.Errorf("%s: %w: %s", what, kind, s.signer.redact(text+" ("+said+")"))
	}
	code := bloberror.Code(e.ErrorCode)
	switch status := e.StatusCode; {
	case op == opCreate && isThere(status, code):
		return failed(store.ErrExist, "there is a blob of that name")
	case (op == opReplace || op == opDelete) && status == http.StatusPreconditionFailed:
		return failed(store.ErrChanged, "the blob carries another ETag now")
	case (op == opOpen || op == opReplace || op == opDelete) && code == bloberror.BlobNotFound:
		return failed(store.ErrNotExist, "there is no blob of that name")
	case op == opOpen && (status == http.StatusPreconditionFailed || status == http.StatusRequestedRangeNotSatisfiable):
		return failed(store.ErrChanged, "the blob carries another ETag now")
	case op == opOpen && unreadable(status, code) != "":
		why := unreadable(status, code)
		return &store.Unreadable{Why: why, Err: failed(store.ErrUnreadable, why)}
	case status == http.StatusNotFound:
		if e.ErrorCode == "" && header.Get("x-ms-request-id") == "" {
			return failed(wrong("not blob storage"), fmt.Sprintf("something else answers at %s: correct the address, %s", s.address, s.source))
		}
		kind := wrong("no such container")
		if op == opList {
			kind.is = store.ErrNotExist
		}
		return failed(kind, fmt.Sprintf("the account %s has no container %s: correct the place, or let a command that writes make it with --create-container",
			s.place.Account, s.place.Container))
	case op == opMake && code == bloberror.ContainerBeingDeleted:
		return &store.Transient{Answered: true, Err: fmt.Errorf("%s: the container of that name is still being deleted (%s)", what, said)}
	case status == http.StatusUnauthorized, status == http.StatusForbidden,
		code == bloberror.InvalidAuthenticationInfo, code == "PublicAccessNotPermitted":
		return failed(store.ErrDenied, s.denied(op, code))
	case status >= 300 && status < 400:
		return failed(wrong("wrong endpoint"), fmt.Sprintf("%s redirects to %s, where no credentials are sent: correct the account or the address, %s",
			s.address.Host, target(header), s.source))
	case isTransient(status):
		return &store.Transient{
			After:     retryAfter(header),
			Throttled: status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable,
			// A proxy has the same statuses for a host that it cannot reach.
			Answered: e.ErrorCode != "" || header.Get("x-ms-request-id") != "" || status == http.StatusTooManyRequests,
			Err:      fmt.Errorf("%s: %s", what, s.signer.redact("the service cannot answer now ("+said+")")),
		}
	}
	return fmt.Errorf("%s: %s", what, s.signer.redact("the service refuses this request ("+said+")"))
}

// unreadable returns why one blob cannot be read although others can; empty if the
// answer means something else.
func unreadable(status int, code bloberror.Code) string {
	switch {
	case code == bloberror.BlobArchived || code == bloberror.BlobBeingRehydrated:
		return "the blob lies in the archive tier"
	case code == bloberror.BlobUsesCustomerSpecifiedEncryption:
		return "the blob is encrypted with a key of its own"
	case status == http.StatusConflict && strings.HasPrefix(string(code), "Blob"):
		return "the service refuses it: " + string(code)
	}
	return ""
}

// isThere reports whether a create was refused because a blob of that name exists.
func isThere(status int, code bloberror.Code) bool {
	switch code {
	case bloberror.BlobAlreadyExists, bloberror.UnauthorizedBlobOverwrite, bloberror.BlobImmutableDueToPolicy,
		bloberror.BlobArchived, bloberror.BlobBeingRehydrated, bloberror.InvalidBlobType:
		return true
	}
	return status == http.StatusPreconditionFailed // the only condition is that there is none
}

// isTransient reports whether a status may change without the request changing.
func isTransient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// denied returns a text that says what was refused and what to check.
func (s *Store) denied(op operation, code bloberror.Code) string {
	text := fmt.Sprintf("the account %s refuses access to the container %s to %s", s.place.Account, s.place.Container, s.signer.how)
	if op == opMake {
		text = fmt.Sprintf("the account %s refuses to make the container %s for %s", s.place.Account, s.place.Container, s.signer.how)
	}
	if end, err := time.Parse(time.RFC3339, s.signer.sas.Get("se")); err == nil && time.Now().After(end) {
		return text + ": the token expired at " + end.UTC().Format(time.RFC3339) + "; set a new one and run again"
	}
	switch code {
	case bloberror.AuthorizationPermissionMismatch, "InsufficientAccountPermissions":
		return text + ": it lacks permissions; reading takes read and list (Storage Blob Data Reader), " +
			"writing takes create and write as well, repair delete too (Storage Blob Data Contributor)"
	case "KeyBasedAuthenticationNotPermitted":
		return text + ": the account accepts no keys; sign in with an identity, such as 'az login', and leave the key out"
	case bloberror.AccountIsDisabled:
		return text + ": the account is disabled"
	case bloberror.AuthorizationFailure, "AuthorizationSourceIPMismatch":
		text += ": check the account's firewall and network rules"
		switch s.signer.kind {
		case accountKey:
			text += ", and that the key is one of this account's two"
		case sasToken:
			text += ", and the permissions and the addresses that the token is for"
		case identity:
			text += ", and the roles of the identity"
		}
		return text
	}
	switch s.signer.kind {
	case accountKey:
		return text + ": check that the key is one of this account's two and has not been replaced, and that this machine's clock is right"
	case identity:
		return text + ": check that the identity belongs to the account's tenant and has a role on it, such as Storage Blob Data Reader"
	}
	return text + ": check that the token belongs to this account and is neither expired nor revoked, and that this machine's clock is right"
}

// target returns the host that a redirect leads to, without path and query.
func target(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" {
		return "another place"
	}
	return u.Scheme + "://" + u.Host
}

// retryAfter returns how long the service asks to wait.
func retryAfter(h http.Header) time.Duration {
	for _, name := range []string{"x-ms-retry-after-ms", "retry-after-ms"} {
		if ms, err := strconv.ParseInt(h.Get(name), 10, 32); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	after := h.Get("Retry-After")
	if n, err := strconv.ParseInt(after, 10, 32); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	// A date is compared with the service's own clock, not with this machine's.
	until, err := http.ParseTime(after)
	now, err2 := http.ParseTime(h.Get("Date"))
	if errors.Join(err, err2) != nil {
		return 0
	}
	return max(0, until.Sub(now))
}

// unanswered returns the error of a request that got no answer, or half of one.
func (s *Store) unanswered(what string, err error) error {
	var (
		token *noToken
		cert  *tls.CertificateVerificationError
		dns   *net.DNSError
	)
	// The client library's error may contain the URL; the innermost error does not.
	text := s.signer.redact(withoutURL(err).Error())
	switch first := !s.answered.Load(); {
	case errors.As(err, &token) && first:
		return fmt.Errorf("%s: %w: %w for the account %s: tried %s: %s", what, store.ErrDenied, ErrCredentials,
			s.place.Account, s.signer.how, s.signer.redact(token.Error()))
	case errors.As(err, &cert):
		return fmt.Errorf("%s: %w: the certificate of %s is not valid: %s", what, wrong("wrong endpoint"), s.address.Host, text)
	case errors.As(err, &dns) && dns.IsNotFound && first && s.proxy() != nil: // which resolves all other names
		variable := strings.ToUpper(s.address.Scheme) + "_PROXY"
		return fmt.Errorf("%s: %w: %q is the proxy that %s names: correct the variable, or add %s to NO_PROXY", what, wrong("no such host"),
			s.proxy().Host, variable, s.address.Hostname())
	case errors.As(err, &dns) && dns.IsNotFound && first:
		return fmt.Errorf("%s: %w: %s: %s", what, wrong("no such host"), cmp.Or(dns.Name, s.address.Hostname()), s.otherHost())
	case errors.As(err, new(nonRetriable)):
		return fmt.Errorf("%s: %s", what, text)
	}
	return &store.Transient{Err: fmt.Errorf("%s: %s", what, text)}
}

// otherHost returns what to do about a host that does not exist.
func (s *Store) otherHost() string {
	if s.place.Account == emulatorAccount {
		return "that account is the emulator's: start Azurite and set " + ConnectionString + "=UseDevelopmentStorage=true"
	}
	return "correct the account or the address, " + s.source + "; --endpoint and " + Endpoint + " name another"
}

// nonRetriable is how the client library marks errors that another try cannot fix.
type nonRetriable interface {
	error
	NonRetriable()
}
