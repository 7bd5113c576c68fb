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
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"zego-mcp/internal/configfile"
	"zego-mcp/tools"

	"github.com/gofrs/flock"
	"github.com/pelletier/go-toml/v2"
)

// Token is an entry of a token file. The file holds a JSON array of them. If the name of the file
// ends in .toml, it holds a table [tokens.NAME] for each instead, with the keys that JSON has.
type Token struct {
	// Name says whose token it is: 1 to 64 letters, digits and any of ._@+-, once in a file.
	Name string `json:"name,omitempty" toml:"-"`
	// SHA256 is the SHA-256 of the token, as 64 hexadecimal digits. The token itself is nowhere.
	SHA256 string `json:"sha256" toml:"sha256"`
	// Toolsets are the names of the toolsets that the caller may use, of those that the server
	// offers. Default: the default toolsets.
	Toolsets []string `json:"toolsets,omitempty" toml:"toolsets"`
	// Expires is when the token stops being valid. Default: never.
	Expires time.Time `json:"expires,omitzero" toml:"expires"`
	// CallsPerMinute is how many POST requests the caller may send in a minute. Default: as many
	// as Options.CallsPerMinute says.
	CallsPerMinute int `json:"callsPerMinute,omitempty" toml:"callsPerMinute"`
	// MaxTasks is how many stream tasks of the caller may run at once. Default: as many as the
	// server may run.
	MaxTasks int `json:"maxTasks,omitempty" toml:"maxTasks"`
	// AllStreams lets the caller drive and stop the stream tasks of other callers, too. Default: no.
	AllStreams bool `json:"allStreams,omitempty" toml:"allStreams"`
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
	tokens, _, err := readTokens(file)
	return tokens, err
}

// readTokens reads a token file as ReadTokens does, and returns also its text.
func readTokens(file string) (tokens []Token, text []byte, err error) {
	f, err := os.Open(file) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, nil, fmt.Errorf("the token file cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("the token file cannot be read: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o007 != 0 {
		return nil, nil, fmt.Errorf("the token file %s may be used by every user of this machine (mode %04o): chmod 600 %[1]s", file, mode)
	}
	text, err = io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("the token file cannot be read: %w", err)
	case len(text) > maxTokenFile:
		return nil, nil, fmt.Errorf("the token file %s is larger than %d MiB", file, maxTokenFile>>20)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, nil, fmt.Errorf("the token file %s is empty; a file without tokens holds %s", file, noTokens(file))
	}
	decode := decodeJSON
	if isTOML(file) {
		decode = decodeTOML
	}
	if tokens, err = decode(text); err == nil {
		err = checkTokens(tokens)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the token file %s is not valid: %w", file, err)
	}
	return tokens, text, nil
}

// isTOML reports whether a token file holds TOML.
func isTOML(file string) bool { return strings.EqualFold(filepath.Ext(file), ".toml") }

// noTokens returns the text of a token file without tokens.
func noTokens(file string) string {
	if isTOML(file) {
		return "[tokens]"
	}
	return "[]"
}

// decodeJSON reads the entries of a token file in JSON.
func decodeJSON(text []byte) ([]Token, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	tokens := []Token{}
	if err := dec.Decode(&tokens); err != nil {
		return nil, withoutJSONValue(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the list")
	}
	return tokens, nil
}

// decodeTOML reads the entries of a token file in TOML, and returns them in the order of their
// names. Its errors name a place alone, because the text there may be a hash.
func decodeTOML(text []byte) ([]Token, error) {
	var file struct {
		Tokens map[string]Token `toml:"tokens"`
	}
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&file)
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		line, column := unknown.Errors[0].Position()
		return nil, fmt.Errorf("an unknown key at line %d, column %d", line, column)
	}
	if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := wrong.Position()
		return nil, fmt.Errorf("it is no TOML, or a value has the wrong type, at line %d, column %d", line, column)
	}
	if err != nil {
		return nil, errors.New("a value has the wrong type; each token is a table such as [tokens.alice]")
	}
	tokens := []Token{}
	for _, name := range slices.Sorted(maps.Keys(file.Tokens)) {
		t := file.Tokens[name]
		t.Name = name
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// checkTokens checks the entries of a token file, and lets their hashes have small letters.
func checkTokens(tokens []Token) error {
	names, sums := map[string]bool{}, map[string]bool{}
	for i := range tokens {
		t := &tokens[i]
		t.SHA256 = strings.ToLower(t.SHA256)
		if err := t.check(); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
		if names[t.Name] || sums[t.SHA256] {
			return fmt.Errorf("entry %d: %s is in the list already", i+1, t.Name)
		}
		names[t.Name], sums[t.SHA256] = true, true
	}
	return nil
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
	var text []byte
	if info, err := os.Stat(file); err == nil {
		if tokens, text, err = readTokens(file); err != nil {
			return err
		}
		mode = info.Mode().Perm()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the token file cannot be read: %w", err)
	}
	changed, err := change(tokens)
	if err != nil {
		return err
	}
	if isTOML(file) {
		text, err = changeTOML(text, tokens, changed)
	} else if text, err = json.MarshalIndent(changed, "", "  "); err == nil {
		text = append(text, '\n')
	}
	if err != nil {
		return err
	}
	if err := replaceFile(file, text, mode); err != nil {
		return fmt.Errorf("the token file cannot be written: %w", err)
	}
	return nil
}

// changeTOML returns the text of a token file in TOML with the entries changed in place of tokens.
// Comments and the other entries stay as they are.
func changeTOML(text []byte, tokens, changed []Token) ([]byte, error) {
	has := func(list []Token, name string) bool {
		return slices.ContainsFunc(list, func(t Token) bool { return t.Name == name })
	}
	var err error
	for _, t := range tokens {
		if !has(changed, t.Name) {
			if text, err = configfile.Delete(configfile.TOML, text, "tokens", t.Name); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range changed {
		if has(tokens, t.Name) {
			continue
		}
		name := t.Name
		t.Name = "" // The table has it.
		value, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		if text, err = configfile.Set(configfile.TOML, text, value, "tokens", name); err != nil {
			return nil, err
		}
	}
	if len(bytes.TrimSpace(text)) == 0 { // An empty file would be refused.
		text = []byte("[tokens]\n")
	}
	return text, nil
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
