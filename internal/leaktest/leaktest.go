// Package leaktest fails the tests of a package if a secret, or a signature that was sent to
// ZEGO, shows in what the tests printed, logged or got as an answer.
//
// It sees:
//   - every signature that the test process sends by a clone of http.DefaultTransport, as a
//     zego.Client does by default, and those that a [Handler] gets from other processes;
//   - every answer that the test process reads through http.DefaultTransport from servers to
//     which it did not send a signature on the same connection: those of our own servers;
//   - the texts that the tests hand to [See] or write to a [Writer]: logs, answers to calls
//     within the process, and the output of the program.
//
// It does not see texts that a test keeps to itself, what the test process itself prints
// (.ci/run looks through that), and what is encoded or cut into pieces.
package leaktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Tests are the tests of a package: their TestMain calls Run in place of that of M.
type Tests struct {
	M       *testing.M
	Secrets []string // What may show nowhere.
}

// Run runs the tests and returns their exit code, which is 1 if something showed.
//
// It also appends the signatures to the file that $LEAKTEST_SIGNATURES names, if any.
func (t Tests) Run() int {
	seen.secrets = t.Secrets
	transport := http.DefaultTransport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watchedConn{Conn: conn, answers: Writer("HTTP answer", io.Discard)}, nil
	}
	code := t.M.Run()
	leaks := seen.leaks()
	for _, leak := range leaks {
		_, _ = fmt.Println("FAIL: leaktest:", leak)
	}
	if err := seen.save(os.Getenv("LEAKTEST_SIGNATURES")); err != nil {
		leaks = append(leaks, err.Error())
		_, _ = fmt.Println("FAIL: leaktest:", err)
	}
	if len(leaks) > 0 {
		return max(code, 1)
	}
	return code
}

// See looks through a text. where says in an error what the text was.
func See(where, text string) { seen.see(where, text) }

// Writer returns a writer that writes to w and looks through everything.
func Writer(where string, w io.Writer) io.Writer { return &writer{where: where, to: w} }

// Handler returns a handler that notes the signatures of requests and passes them to next.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.sign(r.URL.Query().Get("Signature"))
		next.ServeHTTP(w, r)
	})
}

var seen = watch{signatures: map[string]bool{}, digests: map[string]string{}}

// watch is what was sent and what showed.
type watch struct {
	mu         sync.Mutex // guards what follows
	secrets    []string
	signatures map[string]bool   // Those that were sent.
	digests    map[string]string // What may be a signature, and where it showed.
	found      []string          // Secrets and query parameters that showed: what, and where.
}

var (
	digest = regexp.MustCompile(`[0-9a-f]{32}`)
	query  = regexp.MustCompile(`Signature(?:Nonce)?=`)
)

func (w *watch) sign(signature string) {
	if digest.MatchString(signature) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.signatures[signature] = true
	}
}

func (w *watch) see(where, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range w.secrets {
		if strings.Contains(text, secret) {
			w.found = append(w.found, "a secret shows in "+where)
		}
	}
	if parameter := query.FindString(text); parameter != "" {
		w.found = append(w.found, parameter+" shows in "+where)
	}
	for _, text := range digest.FindAllString(text, -1) {
		w.digests[text] = where
	}
}

// leaks returns what showed. A signature may show before it is known that it was sent, so
// leaks is called at the end.
func (w *watch) leaks() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	leaks := w.found
	for signature := range w.signatures {
		if where, ok := w.digests[signature]; ok {
			leaks = append(leaks, "a signature shows in "+where)
		}
	}
	return leaks
}

// save appends the signatures to a file, or does nothing if its name is empty.
func (w *watch) save(file string) error {
	if file == "" {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	for signature := range w.signatures {
		text.WriteString(signature + "\n")
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // .ci/run names the file.
	if err != nil {
		return err
	}
	_, err = f.WriteString(text.String())
	return errors.Join(err, f.Close())
}

type writer struct {
	where string
	to    io.Writer

	mu   sync.Mutex // guards what follows
	tail string     // The end of what was written, of which the next Write may bring the rest.
}

// maxTail is longer than anything that leaktest looks for.
const maxTail = 100

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	text := w.tail + string(p)
	w.tail = text[max(0, len(text)-maxTail):]
	w.mu.Unlock()
	See(w.where, text)
	return w.to.Write(p)
}

// watchedConn is a connection of a client to ZEGO or to one of our servers.
type watchedConn struct {
	net.Conn
	answers io.Writer

	mu     sync.Mutex // guards what follows
	toZEGO bool       // A signature was sent; then the answers are ZEGO's, and may hold anything.
}

var sentSignature = regexp.MustCompile(`Signature=([0-9a-f]{32})`)

func (c *watchedConn) Write(p []byte) (int, error) {
	for _, match := range sentSignature.FindAllSubmatch(p, -1) {
		seen.sign(string(match[1]))
		c.mu.Lock()
		c.toZEGO = true
		c.mu.Unlock()
	}
	return c.Conn.Write(p)
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	toZEGO := c.toZEGO
	c.mu.Unlock()
	if !toZEGO {
		_, _ = c.answers.Write(p[:n])
	}
	return n, err
}
