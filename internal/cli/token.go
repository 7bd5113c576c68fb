package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"zego-mcp/internal/auth"
)

// tokenCommand makes, lists and revokes the tokens of serve's --auth-tokens.
type tokenCommand struct {
	New    tokenNewCommand    `cmd:"" help:"Make a token and print it. It is shown this once: the file holds only its hash."`
	List   tokenListCommand   `cmd:"" help:"List whose tokens there are, and what each may do."`
	Revoke tokenRevokeCommand `cmd:"" help:"Remove a token. Servers refuse it within a second of the next request."`
}

// tokenFile is the flag that all commands of tokenCommand have.
type tokenFile struct {
	File string `variable:"ZEGO_MCP_AUTH_TOKENS_FILE" placeholder:"FILE" help:"The token file, which serve gets as --auth-tokens."`
}

func (f tokenFile) path() (string, error) {
	if f.File == "" {
		return "", usageError{errNoTokenFile}
	}
	return f.File, nil
}

type tokenNewCommand struct {
	tokenFile
	Name           string `arg:"" help:"Whose token it is, such as alice or ci: letters, digits and any of ._@+-"`
	Expires        string `placeholder:"WHEN" help:"When it stops being valid: after a time such as 90d or 12h, or at a date such as 2027-01-31. Default: never."`
	CallsPerMinute int    `placeholder:"N" help:"POST requests that its caller may send in a minute. Default: what serve allows."`
	Tasks          int    `placeholder:"N" help:"Stream tasks of its caller that may run at once. Default: what serve allows."`
	AllStreams     bool   `help:"Let its caller drive and stop the streams of other callers, too."`
}

// Run makes a token.
func (c *tokenNewCommand) Run(e *env) error {
	file, err := c.path()
	if err != nil {
		return err
	}
	expires, err := parseExpiry(c.Expires, time.Now())
	if err != nil {
		return usageError{err}
	}
	token, sum := auth.NewToken()
	entry := auth.Token{Name: c.Name, SHA256: sum, Expires: expires, CallsPerMinute: c.CallsPerMinute, MaxTasks: c.Tasks, AllStreams: c.AllStreams}
	for _, set := range e.toolsets() {
		entry.Toolsets = append(entry.Toolsets, string(set))
	}
	if err := auth.AddToken(file, entry); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(e.stderr, "The token of %s for the toolsets %s. Keep it: it is not shown again.\n", c.Name, strings.Join(entry.Toolsets, ", "))
	_, err = fmt.Fprintln(e.stdout, token)
	return err
}

// parseExpiry reads when a token expires: a time from now, or a date in UTC. "" means never, for
// which it returns the zero time.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			if !at.After(now) {
				return time.Time{}, fmt.Errorf("--expires %s is over already", text)
			}
			return at.UTC(), nil
		}
	}
	after, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n int
		n, err = strconv.Atoi(days)
		after = time.Duration(n) * 24 * time.Hour
		if n > maxExpiryDays {
			err = errors.New("too long")
		}
	}
	if err != nil || after <= 0 {
		return time.Time{}, fmt.Errorf("--expires must be a time such as 90d or 12h (at most %dd), or a date such as 2027-01-31", maxExpiryDays)
	}
	return now.Add(after).UTC().Truncate(time.Second), nil
}

// maxExpiryDays bounds --expires so that it does not overflow.
const maxExpiryDays = 36500

type tokenListCommand struct{ tokenFile }

// Run lists the tokens.
func (c *tokenListCommand) Run(e *env) error {
	file, err := c.path()
	if err != nil {
		return err
	}
	tokens, err := auth.ReadTokens(file)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "NAME\tTOOLSETS\tEXPIRES\tCALLS/MIN\tTASKS\tSTREAMS")
	for _, t := range tokens {
		expires := "never"
		if !t.Expires.IsZero() {
			expires = t.Expires.Format(time.RFC3339)
			if !time.Now().Before(t.Expires) {
				expires += " (over)"
			}
		}
		sets := strings.Join(t.Toolsets, ",")
		if sets == "" {
			sets = "default"
		}
		streams := "own"
		if t.AllStreams {
			streams = "all"
		}
		_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, sets, expires, limitText(t.CallsPerMinute), limitText(t.MaxTasks), streams)
	}
	return out.Flush()
}

// limitText returns the text of a limit of which 0 means the server's.
func limitText(limit int) string {
	if limit == 0 {
		return "default"
	}
	return strconv.Itoa(limit)
}

type tokenRevokeCommand struct {
	tokenFile
	Name string `arg:"" help:"Whose token it is."`
}

// Run revokes a token.
func (c *tokenRevokeCommand) Run(*env) error {
	file, err := c.path()
	if err != nil {
		return err
	}
	return auth.RevokeToken(file, c.Name)
}
