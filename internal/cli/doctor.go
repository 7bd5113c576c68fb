package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"
)

type doctorCommand struct{}

// mostClockError is how far a clock may be off before doctor complains. ZEGO
// refuses from 10 minutes on.
const mostClockError = time.Minute

// check is the outcome of one check.
type check struct {
	name, what, advice string // advice is empty if all is well.
}

// Run checks what a call depends on, in the order in which it can fail.
func (doctorCommand) Run(p *process) error {
	failures := 0
	say := func(c check) {
		verdict := "ok"
		if c.advice != "" {
			verdict = "FAIL"
			c.what += ". " + c.advice
			failures++
		}
		_, _ = fmt.Fprintf(p.stdout, "%-4s  %-11s  %s\n", verdict, c.name, c.what)
	}
	appID, _, problems := p.credentials()
	switch {
	case p.settings.Simulate:
		say(check{"simulator", "the built-in simulator answers, no account needed", ""})
	case len(problems) == 0:
		say(check{"credentials", fmt.Sprintf("AppId %d, and a secret of 32 characters", appID), ""})
	}
	if !p.settings.Simulate {
		for _, problem := range problems {
			say(check{"credentials", problem.Error(), "Take the value from your project in the ZEGOCLOUD console, https://console.zegocloud.com"})
		}
	}

	watch := &dateWatch{next: http.DefaultTransport}
	b, err := p.connect(&http.Client{Transport: watch}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer b.close()
	endpoint := p.settings.Endpoint
	if b.simulator != "" {
		endpoint = b.simulator
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.settings.Timeout)
	defer cancel()
	started := time.Now()
	switch err := reach(ctx, watch, endpoint); {
	case err != nil:
		say(check{"endpoint", fmt.Sprintf("%s: %v", endpoint, err), "Check ZEGO_ENDPOINT, the network and any proxy"})
	default:
		say(check{"endpoint", fmt.Sprintf("%s answers (%v)", endpoint, time.Since(started).Round(time.Millisecond)), ""})
		say(watch.clock())
		if b.client != nil {
			for _, c := range permission(b.client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Limit: new(1)})) {
				say(c)
			}
		}
	}
	if b.share != nil {
		if err := b.share.Ping(ctx); err != nil {
			say(check{"redis", err.Error(), "Check ZEGO_REDIS_URL; until then each server keeps to a rate limit of its own"})
		} else {
			say(check{"redis", "answers; servers share one rate limit", ""})
		}
	}
	if failures > 0 {
		return silentError{fmt.Errorf("%d checks failed", failures)}
	}
	return nil
}

// reach asks the endpoint for anything, unsigned: any HTTP answer will do.
func reach(ctx context.Context, transport http.RoundTripper, endpoint string) error {
	if _, err := zego.New(1, strings.Repeat("x", 32), zego.Options{Endpoint: endpoint}); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "zego: "))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return nil
}

// permission says what a signed call tells about secret and service.
func permission(page zego.DigitalHumanPage, err error) []check {
	signed := check{"secret", "ZEGO accepts the signature", ""}
	var refusal *zego.Error
	if err != nil && !errors.As(err, &refusal) {
		return []check{{"call", strings.TrimPrefix(err.Error(), "zego: "), "Check ZEGO_ENDPOINT, the network and any proxy"}}
	}
	if err == nil {
		return []check{signed, {"service", fmt.Sprintf("enabled; the project can use %d digital humans", page.Total), ""}}
	}
	failed := check{what: refusal.Code.Error(), advice: strings.ToUpper(refusal.Code.Advice()[:1]) + refusal.Code.Advice()[1:]}
	if refusal.RequestID != "" {
		failed.advice += " (RequestId " + refusal.RequestID + ")"
	}
	// 10000xxxx come from the gateway, which checks the signature.
	if refusal.Code < zego.CodeInvalidParameter && refusal.Code != zego.CodeGatewayServiceNotEnabled {
		failed.name = "secret"
		return []check{failed}
	}
	failed.name = "service"
	return []check{signed, failed}
}

// dateWatch remembers the server's clock as its last answer showed it.
type dateWatch struct {
	next http.RoundTripper

	mu    sync.Mutex // guards what follows
	ahead time.Duration
	known bool
}

// RoundTrip implements http.RoundTripper.
func (d *dateWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := time.Now()
	resp, err := d.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		middle := sent.Add(time.Since(sent) / 2)
		d.mu.Lock()
		d.ahead, d.known = middle.Sub(date), true
		d.mu.Unlock()
	}
	return resp, nil
}

// clock compares this machine's clock with the server's, which is told in whole
// seconds.
func (d *dateWatch) clock() check {
	d.mu.Lock()
	defer d.mu.Unlock()
	off, where := d.ahead, "ahead of"
	if off < 0 {
		off, where = -off, "behind"
	}
	off = off.Truncate(time.Second)
	switch {
	case !d.known:
		return check{"clock", "not known: the endpoint tells no Date", ""}
	case off > mostClockError:
		return check{
			"clock", fmt.Sprintf("%v %s the server's", off, where),
			"Set this machine's clock: ZEGO refuses signatures that are over 10 minutes off",
		}
	case off < 2*time.Second:
		return check{"clock", "agrees with the server's", ""}
	}
	return check{"clock", fmt.Sprintf("%v %s the server's", off, where), ""}
}
