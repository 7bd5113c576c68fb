package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego/zegosim"

	"github.com/alecthomas/kong"
)

type simulateCommand struct {
	Listen        string        `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where to listen; port 0 picks a free port. Default: 127.0.0.1:8081."`
	TLS           bool          `name:"tls" help:"Serve https, with a self-signed certificate that is made now."`
	TLSCertOut    string        `name:"tls-cert-out" placeholder:"FILE" help:"Where to write the certificate of --tls, so that clients can trust it."`
	Humans        int           `default:"64" placeholder:"N" help:"How many digital humans there are, 0 to 10000. Default: 64."`
	Streams       int           `default:"10" placeholder:"N" help:"How many stream tasks may run at once, 1 to 10000. Default: 10."`
	Latency       time.Duration `placeholder:"DURATION" help:"How long every answer takes."`
	Fail          []string      `placeholder:"ACTION=CODE" help:"Refuse every call of an action, e.g. DriveByText=400010002. May be repeated."`
	Drop          float64       `placeholder:"SHARE" help:"Share of the calls, 0 to 1, that are carried out and get no answer: the connection is closed. 0.1 is every tenth call of an action."`
	Lag           time.Duration `placeholder:"DURATION" help:"How late the list of stream tasks shows what has changed, up to 1h."`
	NoDriveStatus bool          `help:"Refuse GetDriveStatus as unknown: ZEGO no longer documents it."`
	CallbackURL   string        `name:"callback-url" placeholder:"URL" help:"Where to POST callbacks about stream tasks and drives, signed like those of ZEGO."`
}

const (
	maxHumans  = 10_000 // The largest value of --humans.
	maxStreams = 10_000 // The largest value of --streams.
)

// Validate refuses values that the simulator cannot work with.
func (c *simulateCommand) Validate(*kong.Context) error {
	if u, err := url.Parse(c.CallbackURL); c.CallbackURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("--callback-url must be an http or https URL, got %q", c.CallbackURL)
	}
	if c.TLSCertOut != "" && !c.TLS {
		return errors.New("--tls-cert-out needs --tls")
	}
	if c.Humans < 0 || c.Humans > maxHumans {
		return fmt.Errorf("--humans must be from 0 to %d, got %d", maxHumans, c.Humans)
	}
	if c.Streams < 1 || c.Streams > maxStreams {
		return fmt.Errorf("--streams must be from 1 to %d, got %d", maxStreams, c.Streams)
	}
	return c.validateFaults()
}

// Run serves the simulator until a signal comes.
func (c *simulateCommand) Run(e *env) error {
	listener, err := listen(e.ctx, "--listen", c.Listen)
	if err != nil {
		return err
	}
	log := e.logger(slog.LevelInfo)
	sim := &zegosim.Server{
		Humans: zegosim.MakeHumans(c.Humans), Fault: c.fault(), Lag: c.Lag,
		CallbackURL: c.CallbackURL, NoDriveStatus: c.NoDriveStatus, Logger: log,
		QPS: e.settings.QPS, MaxTasks: c.Streams,
	}
	if sim.QPS == 0 {
		sim.QPS = -1 // For package zegosim, 0 means the default and less than 0 no limit.
	}
	defer func() { _ = sim.Close() }()
	var cert certificate
	address := listener.Addr()
	if c.TLS {
		if cert, err = c.makeCertificate(); err != nil {
			_ = listener.Close()
			return err
		}
		listener = tls.NewListener(listener, cert.config())
	}
	if err := c.printSettings(e.stdout, address, cert); err != nil {
		return err
	}
	if c.CallbackURL != "" {
		defer startCallbacks(e.ctx, sim)()
	}
	return serveUntilDone(e.ctx, listener, sim, log)
}

// makeCertificate makes the certificate of --tls and writes it to the file of --tls-cert-out.
func (c *simulateCommand) makeCertificate() (certificate, error) {
	host, _, _ := net.SplitHostPort(c.Listen) // It has been listened on.
	cert, err := newCertificate(host)
	if err != nil {
		return cert, fmt.Errorf("--tls: make a certificate: %w", err)
	}
	if c.TLSCertOut != "" {
		if err := cert.writeTo(c.TLSCertOut); err != nil {
			return cert, fmt.Errorf("--tls-cert-out: %w", err)
		}
	}
	return cert, nil
}

// printSettings prints what a client must be told to use the simulator. The certificate
// counts only with --tls.
func (c *simulateCommand) printSettings(stdout io.Writer, address net.Addr, cert certificate) error {
	var text strings.Builder
	url, _ := localURL(address)
	if c.TLS {
		url = "https" + strings.TrimPrefix(url, "http")
	}
	fmt.Fprintf(&text, `ZEGO simulator: a test double, nothing reaches ZEGOCLOUD. In another shell:

export ZEGO_ENDPOINT=%s
export ZEGO_APP_ID=%d
export ZEGO_SERVER_SECRET=%s
`, url, zegosim.DefaultAppID, zegosim.DefaultSecret)
	if cert.file != "" {
		fmt.Fprintf(&text, "export SSL_CERT_FILE=%s\n", shellQuote(cert.file))
	}
	text.WriteString("\n")
	if c.TLS {
		fmt.Fprintf(&text, "The SHA-256 fingerprint of its certificate: %s\n", cert.fingerprint())
		if cert.file == "" {
			text.WriteString("For clients that must trust the certificate, write it to a file with --tls-cert-out FILE.\n")
		} else {
			text.WriteString("On Linux SSL_CERT_FILE makes zego-mcp and other Go programs trust this certificate and no other.\n" +
				"curl takes --cacert FILE, and Node.js the variable NODE_EXTRA_CA_CERTS.\n")
		}
	}
	if faults := c.describeFaults(); faults != "" {
		fmt.Fprintf(&text, "It goes wrong on purpose: %s\n", faults)
	}
	fmt.Fprintf(&text, "The pictures of its digital humans: %s/\n", url)
	if c.CallbackURL != "" {
		fmt.Fprintf(&text, "Callbacks go to %s, signed with the callback secret %s\n", c.CallbackURL, zegosim.DefaultCallbackSecret)
	}
	_, err := io.WriteString(stdout, text.String())
	return err
}

// startCallbacks lets the simulator send callbacks until stop is called.
func startCallbacks(ctx context.Context, sim *zegosim.Server) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var callbacks sync.WaitGroup
	callbacks.Go(func() { _ = sim.RunCallbacks(ctx) }) // It fails only for a malformed URL, which Validate refuses.
	return func() {
		cancel()
		callbacks.Wait()
	}
}

// serveUntilDone serves handler until ctx is done. It logs connections that fail, such as
// those of clients that do not trust the certificate.
func serveUntilDone(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
