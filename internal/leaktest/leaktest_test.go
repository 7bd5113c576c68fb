package leaktest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

const (
	secret    = "0123456789abcdef-not-a-real-secret"
	signature = "00112233445566778899aabbccddeeff"
)

// TestSees lets each thing show that leaktest looks for, and something that is harmless.
func TestSees(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"key=" + secret + "!":               "[a secret shows in the log]",
		"/?Signature=x":                     "[Signature= shows in the log]",
		"/?SignatureNonce=x":                "[SignatureNonce= shows in the log]",
		`{"x":"` + signature + `"}`:         "[a signature shows in the log]",
		strings.Repeat("ab", 16):            "[]",
		"Signature, secret, SignatureNonce": "[]",
	} {
		for _, sentFirst := range []bool{true, false} {
			w := &watch{secrets: []string{secret}, signatures: map[string]bool{}, digests: map[string]string{}}
			if sentFirst {
				w.sign(signature)
			}
			w.see("the log", text)
			if !sentFirst {
				w.sign(signature)
			}
			if got := fmt.Sprint(w.leaks()); got != want {
				t.Errorf("%q: got %s, want %s", text, got, want)
			}
		}
	}
}

// TestWriterSeesPieces writes a signature in two pieces, and sends it on a connection.
func TestWriterSeesPieces(t *testing.T) {
	old := seen.digests
	t.Cleanup(func() { seen.digests = old })
	seen.digests, seen.signatures = map[string]string{}, map[string]bool{}
	w := Writer("pieces", io.Discard)
	for _, piece := range []string{"a " + signature[:7], signature[7:] + " b"} {
		if _, err := io.WriteString(w, piece); err != nil {
			t.Fatal(err)
		}
	}
	here, there := net.Pipe()
	go func() { _, _ = io.ReadAll(there) }()
	conn := &watchedConn{Conn: here, answers: w}
	if _, err := io.WriteString(conn, "POST /?AppId=1&Signature="+signature+" HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if got := fmt.Sprint(seen.leaks()); got != "[a signature shows in pieces]" {
		t.Errorf("got %s", got)
	}
}
