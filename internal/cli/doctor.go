package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"zego-mcp/internal/redisshare"
	"zego-mcp/tools"
	"zego-mcp/zego"
)

type doctorCommand struct {
	URL string `name:"url" placeholder:"URL" help:"Check a running server from outside, such as https://mcp.example.com/mcp, with the bearer token of ZEGO_MCP_TOKEN if it is set."`
}

// maxClockError is how far this machine's clock may be off before doctor complains.
// ZEGO refuses signatures that are more than 10 minutes off.
const maxClockError = time.Minute

// networkAdvice is the advice for an endpoint that gives no proper answer.
const networkAdvice = "Check ZEGO_ENDPOINT, the network and any proxy"

// Run checks what a call depends on, in the order in which a call can fail, and prints
// one line for each finding. It fails if one of them is a fault.
func (c *doctorCommand) Run(e *env) error {
	report := &report{out: e.stdout}
	if c.URL != "" {
		return c.checkServer(e, report)
	}
	b, err := e.connect(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer b.close()
	report.add(checkCredentials(b)...)
	ctx, cancel := context.WithTimeout(e.ctx, e.settings.Timeout)
	defer cancel()

	if err := checkEndpoint(b.endpoint); err != nil {
		report.add(finding{"endpoint", err.Error(), "Check ZEGO_ENDPOINT"})
	} else {
		answer, err := askEndpoint(ctx, b.endpoint)
		report.add(endpointFinding(b.endpoint, answer, err))
		if err == nil {
			report.add(checkClock(answer))
			report.add(checkAccount(ctx, b.client)...)
		}
	}
	report.add(checkRedis(ctx, b.redis)...)
	report.add(checkCallbacks(e)...)
	report.add(checkClients(e.ctx, e)...)
	return report.err()
}

// finding is what a check found. Its advice is empty if all is well.
type finding struct {
	name, result, advice string
}

// report prints findings and counts the faults among them.
type report struct {
	out    io.Writer
	faults int
}

func (r *report) add(findings ...finding) {
	for _, f := range findings {
		verdict := "ok"
		if f.advice != "" {
			verdict = "FAIL"
			f.result += ". " + f.advice
			r.faults++
		}
		_, _ = fmt.Fprintf(r.out, "%-4s  %-11s  %s\n", verdict, f.name, oneLine(f.result))
	}
}

func (r *report) err() error {
	if r.faults > 0 {
		return reportedError{fmt.Errorf("%d checks failed", r.faults)}
	}
	return nil
}

// checkCredentials says where AppID and ServerSecret come from, or what is wrong with them.
func checkCredentials(b backend) []finding {
	if b.simulated {
		return []finding{{"simulator", "the built-in simulator answers, no account needed", ""}}
	}
	if len(b.problems) == 0 {
		a := b.account
		return []finding{{"credentials", fmt.Sprintf("AppId %d from %s, and a secret of %d characters from %s", a.appID, a.appIDSource, len(a.secret), a.secretSource), ""}}
	}
	var findings []finding
	for _, problem := range b.problems {
		findings = append(findings, finding{"credentials", problem.Error(), "Run zego-mcp login, or take the value from your project in the ZEGOCLOUD console, https://console.zegocloud.com"})
	}
	return findings
}

// endpointAnswer is what doctor keeps of the endpoint's HTTP answer.
type endpointAnswer struct {
	took time.Duration
	// clockAhead is how far this machine's clock is ahead of the server's, below 0 if it
	// is behind. It is known only if the answer had a Date.
	clockAhead time.Duration
	hasDate    bool
}

// askEndpoint sends a request without a signature. Any HTTP answer will do: it shows
// that the endpoint can be reached, and usually what time it is there.
func askEndpoint(ctx context.Context, endpoint string) (endpointAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader("{}"))
	if err != nil {
		return endpointAnswer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	sent := time.Now()
	// Not through a Client, which would follow redirects.
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return endpointAnswer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer := endpointAnswer{took: time.Since(sent)}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// The server wrote the date about halfway between request and answer.
		answer.clockAhead, answer.hasDate = sent.Add(answer.took/2).Sub(date), true
	}
	return answer, nil
}

// endpointFinding reports the outcome of askEndpoint.
func endpointFinding(endpoint string, answer endpointAnswer, err error) finding {
	if err != nil {
		advice := networkAdvice
		if usesProxy(endpoint) {
			advice = "The request goes through the proxy that HTTPS_PROXY names. Check HTTPS_PROXY (and NO_PROXY), ZEGO_ENDPOINT and the network"
		}
		return finding{"endpoint", fmt.Sprintf("%s: %v", endpoint, err), advice}
	}
	return finding{"endpoint", fmt.Sprintf("%s answers (%v)", endpoint, answer.took.Round(time.Millisecond)), ""}
}

// usesProxy reports whether the environment sends requests to endpoint through a proxy. For
// http, which is allowed for loopback alone, there is never one.
func usesProxy(endpoint string) bool {
	target, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: target})
	return err != nil || proxy != nil
}

// checkClock compares this machine's clock with the server's, of which the answer told
// whole seconds only.
func checkClock(answer endpointAnswer) finding {
	off, where := answer.clockAhead, "ahead of"
	if off < 0 {
		off, where = -off, "behind"
	}
	off = off.Truncate(time.Second)
	difference := fmt.Sprintf("%v %s the server's", off, where)
	switch {
	case !answer.hasDate:
		return finding{"clock", "not known: the endpoint's answer has no Date", ""}
	case off > maxClockError:
		return finding{"clock", difference, "Set this machine's clock: ZEGO refuses signatures that are over 10 minutes off"}
	case off < 2*time.Second:
		return finding{"clock", "agrees with the server's", ""}
	}
	return finding{"clock", difference, ""}
}

// checkAccount makes one signed call, which shows whether ZEGO accepts the secret and
// whether the project may use the service. A nil client has no credentials to check.
func checkAccount(ctx context.Context, client *zego.Client) []finding {
	if client == nil {
		return nil
	}
	secret := finding{"secret", "ZEGO accepts the signature", ""}
	page, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Limit: new(1)})
	if err == nil {
		return []finding{secret, {"service", fmt.Sprintf("enabled; the project can use %d digital humans", page.Total), ""}}
	}
	refusal, ok := errors.AsType[*zego.Error](err)
	if !ok {
		return []finding{{"call", strings.TrimPrefix(err.Error(), "zego: "), networkAdvice}}
	}
	result, advice := refusal.Code.Error(), strings.TrimSuffix(tools.Advice(refusal.Code), ".")
	if refusal.RequestID != "" {
		advice += " (RequestId " + refusal.RequestID + ")"
	}
	// Codes below CodeInvalidParameter come from ZEGO's gateway, which checks the
	// signature before it asks the service.
	if refusal.Code < zego.CodeInvalidParameter && refusal.Code != zego.CodeGatewayServiceNotEnabled {
		return []finding{{"secret", result, advice}}
	}
	return []finding{secret, {"service", result, advice}}
}

// checkRedis checks that Redis answers, if the settings name one.
func checkRedis(ctx context.Context, redis *redisshare.Client) []finding {
	if redis == nil {
		return nil
	}
	if err := redis.Ping(ctx); err != nil {
		return []finding{{"redis", err.Error(), "Check ZEGO_REDIS_URL; until then each server keeps to a rate limit of its own, and creates no stream"}}
	}
	return []finding{{"redis", "answers; servers share one rate limit, page cache and list of streams", ""}}
}
