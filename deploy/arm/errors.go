package arm

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/batchscore/batchscore/deploy"
)

// Error is a request that failed. It wraps deploy.ErrService if the service refuses
// the credentials or a part of service.yaml, and deploy.ErrUnreachable if trying
// later may help.
type Error struct {
	// Request is the method and the path, without what every path begins with.
	Request string
	// Status is the HTTP status, 0 if there was no answer.
	Status int
	// Code, Message, Target and Details are the service's own words.
	Code, Message, Target string
	Details               []Detail
	// RequestID identifies the request for the service's support.
	RequestID string
	kind      error
}

// Detail is one of the reasons that the service gives.
type Detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Request)
	if e.kind != nil {
		fmt.Fprintf(&b, ": %v", e.kind)
	}
	if hint := e.hint(); hint != "" {
		fmt.Fprintf(&b, ": %s", hint)
	}
	if e.Status >= 300 { // a long operation can fail within an answer of 200
		fmt.Fprintf(&b, ": HTTP %d", e.Status)
	}
	for i, d := range append([]Detail{{e.Code, e.Message, e.Target}}, e.Details...) {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		for _, part := range []string{d.Code, d.Target, d.Message} {
			if part != "" {
				b.WriteString(sep + part)
				sep = ": "
			}
		}
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request id %s)", e.RequestID)
	}
	return b.String()
}

// hint returns what to do about the error, or nothing.
func (e *Error) hint() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "the credential is not accepted: sign in again (az login), or correct the service principal or " + TokenVariable
	case http.StatusForbidden:
		return "the credential lacks the right: ask for the role Contributor on the resource group"
	case http.StatusConflict:
		return "it conflicts with the present state"
	}
	if e.Status >= 300 && e.Status < 400 {
		return "the service redirects to another place, where no token is sent: correct the endpoint"
	}
	return ""
}

// Unwrap returns deploy.ErrService, deploy.ErrUnreachable or nil.
func (e *Error) Unwrap() error { return e.kind }

// fail returns the error of a request. It keeps only those parts of err that are
// safe to show.
func (c *Client) fail(ctx context.Context, method, path string, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	e := &Error{Request: method + " " + brief(path)}
	var (
		answer *azcore.ResponseError
		token  *noToken
		away   *foreign
		cert   *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &answer):
		e.read(answer)
	case errors.As(err, &token):
		e.kind, e.Message = deploy.ErrService, "no token could be obtained: "+token.Error()
	case errors.As(err, &away):
		e.kind, e.Message = deploy.ErrService, away.Error()
	case errors.As(err, &cert):
		e.kind, e.Message = deploy.ErrService, "the endpoint's certificate is not valid: "+withoutURL(err)
	default:
		e.kind, e.Message = deploy.ErrUnreachable, withoutURL(err)
	}
	e.Message = c.Redact(e.Message)
	e.Target = c.Redact(e.Target)
	for i := range e.Details {
		e.Details[i].Message = c.Redact(e.Details[i].Message)
		e.Details[i].Target = c.Redact(e.Details[i].Target)
	}
	return e
}

// read fills in what an answer says.
func (e *Error) read(answer *azcore.ResponseError) {
	e.Status, e.Code = answer.StatusCode, answer.ErrorCode
	if answer.RawResponse != nil {
		e.RequestID = answer.RawResponse.Header.Get("x-ms-request-id")
		if text, err := runtime.Payload(answer.RawResponse); err == nil {
			var body struct {
				Error struct {
					Detail
					Details []Detail `json:"details"`
				} `json:"error"`
			}
			if json.Unmarshal(text, &body) == nil && body.Error.Code != "" {
				e.Code, e.Message, e.Target, e.Details = body.Error.Code, body.Error.Message, body.Error.Target, body.Error.Details
			}
		}
	}
	switch status := e.Status; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status >= 300 && status < 400:
		e.kind = deploy.ErrService
	case temporary(status):
		e.kind = deploy.ErrUnreachable
	}
}

// withoutURL returns the innermost error's text: the outer ones may contain a URL
// with a signature.
func withoutURL(err error) string {
	var (
		outer *url.Error
		dns   *net.DNSError
	)
	if errors.As(err, &dns) {
		return "the host " + dns.Name + " cannot be found"
	}
	for errors.As(err, &outer) {
		err = outer.Err
	}
	return err.Error()
}
