package auth

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"zego-mcp/tools"
)

// MetadataPath is the path of the protected-resource metadata. It is also served with the path of
// an endpoint behind it, such as /mcp.
//
// Specification: https://www.rfc-editor.org/rfc/rfc9728
const MetadataPath = "/.well-known/oauth-protected-resource"

// metadata is the document at MetadataPath.
type metadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	ResourceName         string   `json:"resource_name"`
}

// Metadata answers the requests below MetadataPath: it tells clients which identity provider to
// ask for a token. Anyone may read it, pages of every origin too. It is nil without Options.OIDC.
//
// Caches may keep the document if Options.OIDC names this server's URL. Otherwise it repeats the
// Host of the request, and must not be given to those who have asked for another one.
func (g *Gate) Metadata() http.Handler {
	if g.opts.OIDC == nil {
		return nil
	}
	cache := "no-store"
	if g.audienceIsURL() {
		cache = "public, max-age=600"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		path := strings.TrimPrefix(r.URL.Path, MetadataPath)
		switch {
		case !g.hasMetadata(r, path):
			http.NotFound(w, r)
		case r.Method == http.MethodOptions:
			w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
			w.Header().Set("Access-Control-Allow-Headers", "Mcp-Protocol-Version")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Cache-Control", cache)
			g.writeMetadata(w, r, path)
		}
	})
}

// hasMetadata reports whether there is a document at MetadataPath with this path behind it: the
// path of an endpoint, as this server has it or as the audience says that clients see it.
func (g *Gate) hasMetadata(r *http.Request, path string) bool {
	return path == "" || path == endpoint || path == sseEndpoint || path == strings.TrimSuffix(g.resource(r).Path, "/")
}

// writeMetadata writes the document for the endpoint at path.
func (g *Gate) writeMetadata(w http.ResponseWriter, r *http.Request, path string) {
	resource := g.resource(r)
	if path != "" && !g.audienceIsURL() {
		resource.Path = path
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(metadata{
		Resource:             resource.String(),
		AuthorizationServers: []string{g.opts.OIDC.opts.Issuer},
		ScopesSupported:      strings.Fields(g.scopes()),
		BearerMethods:        []string{"header"},
		ResourceName:         "ZEGOCLOUD Digital Human (zego-mcp)",
	})
}

const (
	endpoint    = "/mcp" // The path that clients use, unless they are old.
	sseEndpoint = "/sse" // The path at which old clients begin.
)

// audienceIsURL reports whether the audience names this server's own URL.
func (g *Gate) audienceIsURL() bool {
	return strings.HasPrefix(g.opts.OIDC.opts.Audience, "https://") || strings.HasPrefix(g.opts.OIDC.opts.Audience, "http://")
}

// resource returns the URL of this server: the audience, if that is a URL, and otherwise what the
// client has asked for.
func (g *Gate) resource(r *http.Request) *url.URL {
	if g.audienceIsURL() {
		if u, err := url.Parse(g.opts.OIDC.opts.Audience); err == nil {
			return u
		}
	}
	asked := &url.URL{Scheme: cmp.Or(r.URL.Scheme, "http"), Host: r.Host, Path: endpoint}
	if r.URL.Path == sseEndpoint || r.URL.Path == "/message" {
		asked.Path = sseEndpoint
	}
	return asked
}

// metadataURL returns the URL of the metadata of the resource that a client has asked for.
func (g *Gate) metadataURL(r *http.Request) string {
	resource := g.resource(r)
	at := url.URL{Scheme: resource.Scheme, Host: resource.Host, Path: MetadataPath + strings.TrimSuffix(resource.Path, "/")}
	return at.String()
}

// scopes returns the scopes of what the server offers, with spaces between them.
func (g *Gate) scopes() string {
	var scopes []string
	for _, set := range tools.Toolsets {
		for _, offered := range g.opts.Toolsets {
			if offered == set.Name {
				scopes = append(scopes, Scope(set.Name))
			}
		}
	}
	return strings.Join(scopes, " ")
}
