package schema

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/colornames"
	"golang.org/x/text/unicode/norm"
)

// format says in words what a string must be, because a regular expression in a refusal is
// hard to read. The struct tag format of a field names the field's format.
type format struct {
	words string // It completes "RoomId must …".

	// propose returns a string of the format that the caller perhaps meant by text, or "". Nil
	// proposes nothing.
	propose func(text string) string
	// accepts reports whether a string that matches the pattern of the schema has the format.
	// Nil accepts every such string.
	accepts func(text string) bool
}

// formats has the formats by their names in the struct tag.
var formats = map[string]*format{
	"name":      {words: "have only digits, letters, - and _", propose: proposeName},
	"color":     {words: "be a color like #ffffff", propose: proposeColor},
	"publicURL": {words: "be an http or https URL that the internet reaches", accepts: isPublic},
}

// formatOf returns the format of a struct field, or nil if it has none. It panics if the
// format does not exist, as that is a mistake in the program.
func formatOf(field reflect.StructField) *format {
	name, ok := field.Tag.Lookup("format")
	if ok && formats[name] == nil {
		panic(fmt.Sprintf("schema: field %s has the unknown format %q", field.Name, name))
	}
	return formats[name]
}

// patternProblem returns what is wrong with a string that does not match the pattern of the
// schema or does not have its format, or "" if nothing is. It shows at most maxShown characters
// of the string.
func (n *node) patternProblem(text string) string {
	matches := n.pattern == nil || n.pattern.MatchString(text)
	switch {
	case n.format == nil && matches:
		return ""
	case n.format == nil:
		return fmt.Sprintf("must match %s, got %s", n.Pattern, quote(text))
	case matches && (n.format.accepts == nil || n.format.accepts(text)):
		return ""
	}
	problem := fmt.Sprintf("must %s, got %s", n.format.words, quote(text))
	if n.format.propose != nil {
		if better := n.format.propose(text); better != "" && len(better) <= maxShown {
			problem += "; try " + quote(better)
		}
	}
	return problem
}

// notInName matches the characters that the format "name" does not allow.
var notInName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^0-9A-Za-z_-]+`) })

// proposeName replaces letters with accents by plain ones, and other characters that a name
// must not have by "-": "my studio" becomes "my-studio".
func proposeName(text string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1 // An accent, which NFKD has separated from its letter.
		}
		return r
	}, norm.NFKD.String(text))
	return strings.Trim(notInName().ReplaceAllString(plain, "-"), "-")
}

// hexDigits matches colors of 3, 6 or 8 hex digits, with or without "#".
var hexDigits = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^#?([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})$`) })

// proposeColor returns the color that a CSS name such as red means, or that hex digits mean
// which are written in another way, such as F80. It returns "" for any other text.
func proposeColor(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), ""))
	if c, ok := colornames.Map[text]; ok {
		return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
	}
	found := hexDigits().FindStringSubmatch(text)
	switch {
	case found == nil:
		return ""
	case len(found[1]) == 3:
		r, g, b := found[1][:1], found[1][1:2], found[1][2:]
		return "#" + r + r + g + g + b + b
	}
	return "#" + found[1]
}

// reserved are the networks besides the private ones that are no part of the internet.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // This network.
	netip.MustParsePrefix("100.64.0.0/10"),  // Behind the NAT of a provider.
	netip.MustParsePrefix("192.0.0.0/24"),   // Protocol assignments, and metadata of some clouds.
	netip.MustParsePrefix("198.18.0.0/15"),  // Measurements.
	netip.MustParsePrefix("240.0.0.0/4"),    // Not assigned.
	netip.MustParsePrefix("::/96"),          // IPv4 addresses in an old form.
	netip.MustParsePrefix("64:ff9b:1::/48"), // Translation to IPv4 within a network.
	netip.MustParsePrefix("2001::/23"),      // Protocol assignments, and tunnels to IPv4.
	netip.MustParsePrefix("fec0::/10"),      // Private, in an old form.
}

// Addresses in these networks stand for the IPv4 address that they contain.
var (
	translated = netip.MustParsePrefix("64:ff9b::/96") // The address is in the last 4 bytes.
	tunneled   = netip.MustParsePrefix("2002::/16")    // The address is in the 4 bytes after the prefix.
)

// IsPublicAddress reports whether an IP address may belong to a machine on the internet: it is
// not one of this machine, of a private network, of a provider's NAT, or of a network that is
// reserved for something else.
func IsPublicAddress(address netip.Addr) bool {
	address = address.Unmap()
	bytes := address.As16()
	switch {
	case translated.Contains(address):
		address = netip.AddrFrom4([4]byte(bytes[12:16]))
	case tunneled.Contains(address):
		address = netip.AddrFrom4([4]byte(bytes[2:6]))
	}
	return address.IsGlobalUnicast() && !address.IsPrivate() &&
		!slices.ContainsFunc(reserved, func(network netip.Prefix) bool { return network.Contains(address) })
}

// isPublic reports whether another machine on the internet may be able to fetch a URL. It
// refuses addresses of this machine and of private networks, and names such as localhost that
// always mean one. It does not look up names in the DNS.
func isPublic(text string) bool {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(parsed.Hostname(), "."))
	if address, err := netip.ParseAddr(host); err == nil {
		return IsPublicAddress(address)
	}
	for _, local := range []string{"localhost", "local", "internal"} {
		if host == local || strings.HasSuffix(host, "."+local) {
			return false
		}
	}
	return true
}
