package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"zego-mcp/internal/httpserver"
	"zego-mcp/internal/projects"
	"zego-mcp/internal/reload"
	"zego-mcp/tools"
)

// edgeFlags are the flags of serve that say how clients reach the server.
type edgeFlags struct {
	TLSCert      string   `name:"tls-cert" variable:"ZEGO_TLS_CERT" placeholder:"FILE" help:"Serve https with this certificate and its chain, in PEM. It is read again when it changes."`
	TLSKey       string   `name:"tls-key" variable:"ZEGO_TLS_KEY" placeholder:"FILE" help:"The key of the certificate, in PEM."`
	AllowOrigin  []string `variable:"ZEGO_ALLOW_ORIGIN" placeholder:"ORIGIN" help:"Web pages that may call the server from a browser, such as https://app.example.com."`
	TrustedProxy []string `variable:"ZEGO_TRUSTED_PROXY" placeholder:"CIDR" help:"Addresses of the proxies whose X-Forwarded-Host, -Proto and -For say what clients have asked for, such as 10.0.0.0/8."`
}

// validate refuses values with which serve cannot work.
func (f *edgeFlags) validate() error {
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key need each other")
	}
	for _, origin := range f.AllowOrigin {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != strings.ToLower(origin) {
			return fmt.Errorf("--allow-origin must be like https://app.example.com, in lower case and with nothing behind, got %q", origin)
		}
	}
	_, err := f.proxies()
	return err
}

// proxies returns the addresses of the trusted proxies.
func (f *edgeFlags) proxies() ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range f.TrustedProxy {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy must be like 10.0.0.0/8, got %q", text)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// secure makes the server as the flags want it: who may call, from where, and over TLS. It sets in
// opts and cfg what that takes; set is nil if there is one project alone. It returns the listener to use, and a function that reads again
// what was read from files.
func (c *serveCommand) secure(listener net.Listener, opts *httpserver.Options, cfg *tools.Config, set *projects.Set, log *slog.Logger) (_ net.Listener, reread func(), err error) {
	opts.AllowedOrigins = c.AllowOrigin
	opts.TrustedProxies, _ = c.proxies() // Validate has checked them.
	rereadTokens, err := c.guard(opts, cfg, set, log)
	if err != nil {
		return nil, nil, err
	}
	if c.TLSCert == "" {
		if c.authenticates() && !isLoopbackListener(listener) && len(c.TrustedProxy) == 0 {
			log.Warn("tokens come over plain http, where others can read them on their way: set --tls-cert and --tls-key, or put a proxy with TLS in front")
		}
		return listener, rereadTokens, nil
	}
	config, rereadCertificate, err := c.tlsConfig(log)
	if err != nil {
		return nil, nil, err
	}
	return tls.NewListener(listener, config), func() {
		rereadTokens()
		rereadCertificate()
	}, nil
}

// tlsConfig returns the configuration of a server with the certificate of the flags, and a function
// that reads the certificate again. It takes HTTP/1.1 alone, for which the limits of package
// httpserver are made.
func (f *edgeFlags) tlsConfig(log *slog.Logger) (config *tls.Config, reread func(), err error) {
	read := func(*tls.Certificate) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(f.TLSCert, f.TLSKey)
		return &pair, err
	}
	files, err := reload.Open([]string{f.TLSCert, f.TLSKey}, read, log)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("--tls-cert and --tls-key: %w", err)}
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.Get(), nil },
	}, files.Reread, nil
}
