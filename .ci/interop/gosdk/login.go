package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// redirectURL is where the provider sends the browser. Nothing listens there: authorize looks at
// the address and goes no further.
const redirectURL = "http://127.0.0.1/callback"

// newLogin returns the SDK's handler that gets tokens by authorization codes.
func newLogin(clientID string) (*auth.AuthorizationCodeHandler, error) {
	config := &auth.AuthorizationCodeHandlerConfig{RedirectURL: redirectURL, AuthorizationCodeFetcher: authorize}
	if clientID == "register" {
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			RedirectURIs: []string{redirectURL}, ClientName: "interop", TokenEndpointAuthMethod: "none",
		}}
	} else {
		config.PreregisteredClient = &oauthex.ClientCredentials{ClientID: clientID}
	}
	return auth.NewAuthorizationCodeHandler(config)
}

// authorize does what a browser and its user do.
func authorize(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	var result *auth.AuthorizationResult
	browser := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		query := r.URL.Query()
		r.URL.RawQuery = ""
		if r.URL.String() != redirectURL {
			r.URL.RawQuery = query.Encode()
			return nil
		}
		result = &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}
		return http.ErrUseLastResponse
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if result == nil || result.Code == "" {
		return nil, errors.New("the provider gives no code: " + resp.Status)
	}
	return result, nil
}

// bearer is an http.RoundTripper that sends a token.
type bearer string

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}
