package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"zego-mcp/internal/auth"
	"zego-mcp/internal/httpserver"
	"zego-mcp/internal/projects"
	"zego-mcp/tools"
)

// accessFlags are the flags of serve that say who may call over HTTP.
type accessFlags struct {
	AuthTokens     string `name:"auth-tokens" variable:"ZEGO_MCP_AUTH_TOKENS_FILE" placeholder:"FILE" help:"Clients of http and sse need a bearer token of this file, which the command token writes."`
	OIDCIssuer     string `name:"oidc-issuer" variable:"ZEGO_OIDC_ISSUER" placeholder:"URL" help:"Clients of http and sse need an access token (a JWT) of this OpenID Connect provider, with the scopes zego:assets or zego:streaming."`
	OIDCAudience   string `name:"oidc-audience" variable:"ZEGO_OIDC_AUDIENCE" placeholder:"URI" help:"The audience of these tokens, usually the public URL of /mcp."`
	InsecureNoAuth bool   `name:"insecure-no-auth" help:"Serve other machines without asking who calls, for example behind a proxy that asks."`
	Projects       string `variable:"ZEGO_PROJECTS_FILE" placeholder:"FILE" help:"Serve the ZEGO projects of this file, in TOML or JSON, each to the callers that the file names, in place of the one of --app-id."`
	CallsPerMinute int    `variable:"ZEGO_CALLS_PER_MINUTE" default:"600" help:"POST requests that each caller with a token may send in a minute, unless its token says otherwise; 0 for no limit. Default: 600."`
}

// validate refuses values with which serve cannot work.
func (f *accessFlags) validate() error {
	if f.CallsPerMinute < 0 {
		return fmt.Errorf("--calls-per-minute must be 0 or more, got %d", f.CallsPerMinute)
	}
	switch {
	case f.Projects != "" && !f.authenticates():
		return errors.New("--projects needs --auth-tokens or --oidc-issuer, so that callers say who they are")
	case f.OIDCIssuer == "" && f.OIDCAudience != "":
		return errors.New("--oidc-audience needs --oidc-issuer")
	case f.OIDCIssuer != "":
		_, err := auth.NewOIDC(auth.OIDCOptions{Issuer: f.OIDCIssuer, Audience: f.OIDCAudience})
		return err
	}
	return nil
}

// authenticates reports whether callers must say who they are.
func (f *accessFlags) authenticates() bool { return f.AuthTokens != "" || f.OIDCIssuer != "" }

// checkExposed returns an error if other machines reach listener and nobody would have to say
// who they are.
func (f *accessFlags) checkExposed(listener net.Listener) error {
	if f.authenticates() || f.InsecureNoAuth || isLoopbackListener(listener) {
		return nil
	}
	return usageError{fmt.Errorf("other machines reach %s, and whoever calls spends your ZEGO account's money. Choose one:\n"+
		"  --auth-tokens FILE    clients need a bearer token; to make one: zego-mcp token new NAME --file FILE\n"+
		"  --oidc-issuer URL     clients need an access token of your identity provider; --oidc-audience says for whom\n"+
		"  --listen %s    only this machine reaches the server\n"+
		"  --insecure-no-auth    whoever reaches the server may call; for a proxy in front that asks who it is", listener.Addr(), defaultListen)}
}

// guard makes callers say who they are, if the flags demand it. It sets in opts and cfg what
// that takes, and returns a function that reads the tokens again. With a set, each caller gets the
// project of that.
func (f *accessFlags) guard(opts *httpserver.Options, cfg *tools.Config, set *projects.Set, log *slog.Logger) (reread func(), err error) {
	if !f.authenticates() {
		return func() {}, nil
	}
	options := auth.Options{CallsPerMinute: cmp.Or(f.CallsPerMinute, -1), Toolsets: cfg.Project(context.Background()).Toolsets, Logger: log}
	reread = func() {}
	if f.AuthTokens != "" {
		tokens, err := auth.OpenTokens(f.AuthTokens, log)
		if err != nil {
			return nil, usageError{fmt.Errorf("--auth-tokens: %w", err)}
		}
		if tokens.Len() == 0 {
			log.Warn("the token file has no tokens; to make one: zego-mcp token new NAME --file FILE")
		}
		options.Tokens, reread = tokens, tokens.Reread
	}
	if f.OIDCIssuer != "" {
		if options.OIDC, err = auth.NewOIDC(auth.OIDCOptions{Issuer: f.OIDCIssuer, Audience: f.OIDCAudience, Logger: log}); err != nil {
			return nil, usageError{err}
		}
	}
	opts.Subject = auth.Subject
	if set != nil {
		options.Admit, opts.Subject = set.Admit, set.Subject
	}
	gate := auth.NewGate(options)
	opts.Middleware, opts.Metadata = gate.Middleware, gate.Metadata()
	cfg.Project = projectOfCaller(cfg.Project)
	opts.Challenge = challengeCallers(gate, *cfg)
	return reread, nil
}

// challengeCallers returns a function for httpserver.Options.Challenge: whoever has a token of the
// identity provider learns which scopes a request needs.
func challengeCallers(gate *auth.Gate, cfg tools.Config) func(*http.Request, string, json.RawMessage) (challenge, text string) {
	return func(r *http.Request, method string, params json.RawMessage) (challenge, text string) {
		if caller, _ := auth.CallerOf(r.Context()); !caller.HasScopes {
			return "", ""
		}
		lacking := tools.RefuseLacking(r.Context(), cfg, method, params)
		if lacking == nil {
			return "", ""
		}
		return gate.StepUp(r, *lacking)
	}
}

// projectOfCaller returns a function for tools.Config.Project that bounds a project to what the
// caller of a request may do.
func projectOfCaller(project func(context.Context) *tools.Project) func(context.Context) *tools.Project {
	return func(ctx context.Context) *tools.Project {
		caller, ok := auth.CallerOf(ctx)
		if !ok {
			return project(ctx)
		}
		return project(ctx).For(caller.Caller)
	}
}

// errNoTokenFile says that a command does not know its token file.
var errNoTokenFile = errors.New("--file FILE is needed (or ZEGO_MCP_AUTH_TOKENS_FILE)")
