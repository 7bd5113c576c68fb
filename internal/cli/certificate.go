package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// certificate is a self-signed certificate and its key.
type certificate struct {
	tls.Certificate
	file string // where it was written, as an absolute path; empty: nowhere
}

// newCertificate makes a certificate for this machine's loopback names and addresses, and for
// host if that is another one. It is valid for a year.
func newCertificate(host string) (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "ZEGO simulator (zego-mcp)"},
		NotBefore:    now.Add(-time.Hour), // The clock of a client may be behind.
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	switch ip := net.ParseIP(host); {
	case ip != nil && !ip.IsLoopback() && !ip.IsUnspecified():
		template.IPAddresses = append(template.IPAddresses, ip)
	case ip == nil && host != "" && host != "localhost":
		template.DNSNames = append(template.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return certificate{Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, err
}

// config returns the configuration of a server with the certificate. It takes HTTP/1.1 alone:
// there a dropped connection is one connection, and not all calls of a client.
func (c certificate) config() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.Certificate},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
	}
}

// fingerprint returns the SHA-256 fingerprint as openssl x509 prints it.
func (c certificate) fingerprint() string {
	sum := sha256.Sum256(c.Certificate.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// writeTo writes the certificate, without its key, to a file in PEM.
func (c *certificate) writeTo(file string) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate.Certificate[0]})
	if err := os.WriteFile(file, text, 0o644); err != nil { //nolint:gosec // Every user may read a certificate.
		return err
	}
	var err error
	c.file, err = filepath.Abs(file)
	return err
}

// shellSafe matches what a shell takes as it stands.
var shellSafe = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_./:@%+,-]+$`) })

// shellQuote returns a word of a POSIX shell that stands for text.
func shellQuote(text string) string {
	if shellSafe().MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
