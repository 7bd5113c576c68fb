package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"zego-mcp/tools"

	"github.com/gofrs/flock"
)

// Token is an entry of a token file. The file holds a JSON array of them.
type Token struct {
	// Name says whose token it is: 1 to 64 letters, digits and any of ._@+-, once in a file.
	Name string `json:"name"`
	// SHA256 is the SHA-256 of the token, as 64 hexadecimal digits. The token itself is nowhere.
	SHA256 string `json:"sha256"`
	// Toolsets are the names of the toolsets that the caller may use, of those that the server
	// offers. Default: the default toolsets.
	Toolsets []string `json:"toolsets,omitempty"`
	// Expires is when the token stops being valid. Default: never.
	Expires time.Time `json:"expires,omitzero"`
	// CallsPerMinute is how many POST requests the caller may send in a minute. Default: as many
	// as Options.CallsPerMinute says.
	CallsPerMinute int `json:"callsPerMinute,omitempty"`
	// MaxTasks is how many stream tasks of the caller may run at once. Default: as many as the
	// server may run.
	MaxTasks int `json:"maxTasks,omitempty"`
	// AllStreams lets the caller drive and stop the stream tasks of other callers, too. Default: no.
	AllStreams bool `json:"allStreams,omitempty"`
}

// tokenPrefix begins each token that NewToken makes. Scanners for leaked secrets look for such
// prefixes.
const tokenPrefix = "zmcp_"

// maxTokenFile is the size of the largest token file that is read, in bytes.
const maxTokenFile = 4 << 20

var (
	tokenName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z._@+-]{1,64}$`) })
	sha256Hex = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })
)

// NewToken returns a new random token, and the SHA-256 of it for Token.SHA256.
func NewToken() (token, sum string) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // It never fails.
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	hash := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(hash[:])
}

// ReadTokens reads a token file. It refuses one that other users of the machine may read or
// write, one that is empty, and one with an entry that is not valid. Its errors repeat no hash.
func ReadTokens(file string) ([]Token, error) {
	f, err := os.Open(file) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("the token file cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("the token file cannot be read: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o007 != 0 {
		return nil, fmt.Errorf("the token file %s may be used by every user of this machine (mode %04o): chmod 600 %[1]s", file, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the token file cannot be read: %w", err)
	case len(text) > maxTokenFile:
		return nil, fmt.Errorf("the token file %s is larger than %d MiB", file, maxTokenFile>>20)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fmt.Errorf("the token file %s is empty; a file without tokens holds []", file)
	}
	tokens, err := parseTokens(text)
	if err != nil {
		return nil, fmt.Errorf("the token file %s is not valid: %w", file, err)
	}
	return tokens, nil
}

// parseTokens reads and checks the entries of a token file.
func parseTokens(text []byte) ([]Token, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	tokens := []Token{}
	if err := dec.Decode(&tokens); err != nil {
		return nil, withoutJSONValue(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the list")
	}
	names, sums := map[string]bool{}, map[string]bool{}
	for i := range tokens {
		t := &tokens[i]
		t.SHA256 = strings.ToLower(t.SHA256)
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		if names[t.Name] || sums[t.SHA256] {
			return nil, fmt.Errorf("entry %d: %s is in the list already", i+1, t.Name)
		}
		names[t.Name], sums[t.SHA256] = true, true
	}
	return tokens, nil
}

// withoutJSONValue returns an error of encoding/json without the value that it may repeat.
func withoutJSONValue(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s has the wrong type at byte %d", wrong.Field, wrong.Offset)
	}
	if _, ok := errors.AsType[*time.ParseError](err); ok {
		return errors.New("expires must be a time such as 2027-01-31T00:00:00Z")
	}
	return err
}

// check returns an error if an entry is not valid.
func (t Token) check() error {
	_, err := tools.ParseToolsets(strings.Join(t.Toolsets, ","))
	switch {
	case !tokenName().MatchString(t.Name):
		return errors.New("name must have 1 to 64 letters, digits or any of ._@+-")
	case !sha256Hex().MatchString(t.SHA256):
		return fmt.Errorf("sha256 of %s must have 64 hexadecimal digits", t.Name)
	case err != nil:
		return fmt.Errorf("toolsets of %s: %w", t.Name, err)
	case t.CallsPerMinute < 0:
		return fmt.Errorf("callsPerMinute of %s must be 0 or more, got %d", t.Name, t.CallsPerMinute)
	case t.MaxTasks < 0:
		return fmt.Errorf("maxTasks of %s must be 0 or more, got %d", t.Name, t.MaxTasks)
	}
	return nil
}

// AddToken adds an entry to a token file, which it makes with mode 0600 if it is not there.
func AddToken(file string, t Token) error {
	if err := t.check(); err != nil {
		return err
	}
	return changeTokens(file, func(tokens []Token) ([]Token, error) {
		if slices.ContainsFunc(tokens, func(other Token) bool { return other.Name == t.Name }) {
			return nil, fmt.Errorf("%s has a token already; revoke it first, or choose another name", t.Name)
		}
		return append(tokens, t), nil
	})
}

// RevokeToken removes the entry with a name from a token file.
func RevokeToken(file, name string) error {
	return changeTokens(file, func(tokens []Token) ([]Token, error) {
		left := slices.DeleteFunc(slices.Clone(tokens), func(t Token) bool { return t.Name == name })
		if len(left) == len(tokens) {
			return nil, fmt.Errorf("there is no token for %s", name)
		}
		return left, nil
	})
}

// changeTokens replaces the entries of a token file by those that change returns. Whoever reads
// the file meanwhile gets the old entries or the new ones. Changes of several processes come one
// after another, for which a lock file stays beside the file.
func changeTokens(file string, change func([]Token) ([]Token, error)) error {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	lock := flock.New(file + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("the token file cannot be changed: %w", err)
	}
	defer func() { _ = lock.Close() }()
	mode := fs.FileMode(0o600)
	var tokens []Token
	if info, err := os.Stat(file); err == nil {
		if tokens, err = ReadTokens(file); err != nil {
			return err
		}
		mode = info.Mode().Perm()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the token file cannot be read: %w", err)
	}
	tokens, err := change(tokens)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(tokens, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(file, append(text, '\n'), mode); err != nil {
		return fmt.Errorf("the token file cannot be written: %w", err)
	}
	return nil
}

// replaceFile writes a file in one step.
func replaceFile(file string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.new") // With mode 0600.
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
