package tools

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"
)

// ViewerURLTemplate makes the links that create_viewer_link answers, such as
// https://live.example.com/?room={RoomId}&stream={StreamId}&app={AppId}&user={UserId}#{Token}.
// Its zero value makes none. ParseViewerURLTemplate returns others.
type ViewerURLTemplate struct{ text string }

// templateField is a placeholder of a ViewerURLTemplate.
var templateField = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{[^{}]*\}`) })

// viewerFields are the values that a ViewerURLTemplate can have a placeholder for.
func viewerFields(link createViewerLinkOutput) map[string]string {
	return map[string]string{
		"{AppId}": strconv.FormatUint(uint64(link.AppID), 10), "{RoomId}": link.RoomID, "{StreamId}": link.StreamID,
		"{UserId}": link.UserID, "{Token}": link.Token, "{ExpiresAt}": link.ExpiresAt,
	}
}

// ParseViewerURLTemplate returns the template that is written as text, or none if text is
// empty. It must be an https URL, or http for a loopback address, with the placeholders {Token}
// and any of {AppId}, {RoomId}, {StreamId}, {UserId} and {ExpiresAt} behind the host name.
func ParseViewerURLTemplate(text string) (ViewerURLTemplate, error) {
	if text == "" {
		return ViewerURLTemplate{}, nil
	}
	known := viewerFields(createViewerLinkOutput{})
	hasToken := false
	for _, field := range templateField().FindAllString(text, -1) {
		if _, ok := known[field]; !ok {
			return ViewerURLTemplate{}, fmt.Errorf("has no placeholder %s; there are {AppId}, {RoomId}, {StreamId}, {UserId}, {Token} and {ExpiresAt}", field)
		}
		hasToken = hasToken || field == "{Token}"
	}
	if !hasToken {
		return ViewerURLTemplate{}, errors.New("needs the placeholder {Token}: without it nobody can watch")
	}
	u, err := url.Parse(templateField().ReplaceAllString(text, "x"))
	switch {
	case err != nil || u.Host == "" || strings.ContainsAny(hostPart(text), "{}"):
		return ViewerURLTemplate{}, errors.New("must be a URL like https://live.example.com/?room={RoomId}#{Token}, without a placeholder in the host name")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())):
		return ViewerURLTemplate{}, errors.New("must use https: browsers play live video on no other page but those of localhost")
	}
	return ViewerURLTemplate{text}, nil
}

// hostPart returns what stands in a URL before its path, query and fragment.
func hostPart(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return scheme + rest[:end]
}

func isLoopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// link returns the link for a viewer, or "" if there is no template. Every value is encoded, so
// that it can stand in the path, the query and the fragment.
func (t ViewerURLTemplate) link(viewer createViewerLinkOutput) string {
	values := viewerFields(viewer)
	return templateField().ReplaceAllStringFunc(t.text, func(field string) string {
		return strings.ReplaceAll(url.QueryEscape(values[field]), "+", "%20") // A + is a blank in a query only.
	})
}

// maxViewerTokenLifetime is how long a viewer's token works if the stream task lives as long.
const maxViewerTokenLifetime = time.Hour

// newViewer makes a token with which userID may watch a stream task, for an hour or the life of
// the task, whichever is shorter. endsAt is when the task ends; zero if that is not known.
func newViewer(client *zego.Client, task zego.StreamTask, userID string, endsAt, now time.Time) (zego.ViewerToken, error) {
	lifetime := maxViewerTokenLifetime
	if !endsAt.IsZero() {
		lifetime = max(time.Second, min(lifetime, endsAt.Sub(now)))
	}
	return client.NewViewerToken(zego.ViewerTokenRequest{RoomID: task.RoomID, UserID: userID, Lifetime: lifetime})
}
