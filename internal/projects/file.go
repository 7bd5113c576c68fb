package projects

import (
	"bytes"
	"cmp"
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
	"zego-mcp/internal/reload"
	"zego-mcp/schema"
	"zego-mcp/zego"

	"github.com/pelletier/go-toml/v2"
)

const (
	maxFile       = 4 << 20 // Size of the largest file of projects, in bytes.
	maxSecretFile = 4 << 10 // Size of the largest file of a secret, in bytes.
	secretLength  = 32      // Characters of every ServerSecret.
)

// definition is a project as the file describes it.
type definition struct {
	name     string
	appID    uint32
	endpoint string

	// The next two are secrets, which no error and no log repeats.

	secret         string // Empty if the project is simulated.
	callbackSecret string // Empty: callbacks about the project are refused.

	qps      int // Below 0: there is no limit.
	maxTasks int
	maxTTL   time.Duration

	tokens, claimValues []string // Whose callers belong to the project.
}

// readFile reads a file of projects, and the files of their secrets. It calls watch with the path
// of each of the latter. Its errors repeat no value that may be a secret.
func readFile(path string, opts Options, watch func(string)) (claim string, defs []definition, err error) {
	text, mode, err := readBounded(path, maxFile)
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("the file of projects cannot be read: %w", err)
	case mode&0o002 != 0:
		return "", nil, fmt.Errorf("the file of projects %s may be changed by every user of this machine (mode %04o): chmod 640 %[1]s", path, mode)
	case len(bytes.TrimSpace(text)) == 0:
		return "", nil, fmt.Errorf("the file of projects %s is empty", path)
	}
	values, err := decode(text)
	if err == nil {
		r := reader{folder: filepath.Dir(path), opts: opts, watch: watch}
		claim, defs, err = r.file(values)
	}
	if err != nil {
		return "", nil, fmt.Errorf("the file of projects %s is not valid: %w", path, err)
	}
	return claim, defs, nil
}

// readBounded reads a file of at most limit bytes, and returns its mode, which is 0 on systems
// that have none.
func readBounded(path string, limit int64) (text []byte, mode fs.FileMode, err error) {
	if err := reload.CheckReadable(path); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if runtime.GOOS != "windows" {
		mode = info.Mode().Perm()
	}
	text, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return text, mode, err
}

// decode reads JSON, if text begins with a brace, and otherwise TOML.
func decode(text []byte) (table, error) {
	values := table{}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		err := toml.Unmarshal(text, &values)
		if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, column := wrong.Position()
			return nil, fmt.Errorf("it is no TOML at line %d, column %d; JSON begins with {", line, column)
		}
		return values, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the last brace")
	}
	return values, nil
}

// table is an object of JSON, or a table of TOML.
type table map[string]any

var (
	fileKeys    = []string{"claim", "projects"}
	projectKeys = []string{
		"name", "app_id", "secret_file", "secret_env", "callback_secret_file", "callback_secret_env",
		"endpoint", "qps", "max_tasks", "max_ttl", "tokens", "claim_values",
	}
	// secretKeys are what a secret itself would be called.
	secretKeys = []string{"secret", "server_secret", "app_secret", "serversecret", "callback_secret"}

	projectName  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z._@+-]{1,64}$`) })
	printableKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_-]{1,31}$`) })
)

// checkKeys refuses keys that are not known.
func (t table) checkKeys(known []string) error {
	for key := range t {
		switch {
		case slices.Contains(known, key):
		case slices.Contains(secretKeys, strings.ToLower(key)):
			return errors.New("the file must not hold a secret: name its file with secret_file, or the variable that holds it with secret_env")
		case !printableKey().MatchString(key): // It may be a value that stands in the wrong place.
			return fmt.Errorf("an unknown key of %d bytes (known: %s)", len(key), strings.Join(known, ", "))
		default:
			meant := ""
			if near := schema.Nearest(key, known); near != "" {
				meant = fmt.Sprintf("; did you mean %q?", near)
			}
			return fmt.Errorf("unknown key %q%s (known: %s)", key, meant, strings.Join(known, ", "))
		}
	}
	return nil
}

// text returns a text, or "" if there is none.
func (t table) text(key string) (string, error) {
	value, there := t[key]
	text, ok := value.(string)
	if there && (!ok || strings.TrimSpace(text) == "") {
		return "", fmt.Errorf("%s must be a text that is not empty", key)
	}
	return strings.TrimSpace(text), nil
}

// integer returns a number from lowest to highest, or absent if there is none.
func (t table) integer(key string, lowest, highest, absent int64) (int64, error) {
	value, there := t[key]
	if !there {
		return absent, nil
	}
	n, ok := value.(int64) // Of TOML.
	if number, isJSON := value.(json.Number); isJSON {
		var err error
		n, err = number.Int64()
		ok = err == nil
	}
	if !ok || n < lowest || n > highest {
		return 0, fmt.Errorf("%s must be a number from %d to %d", key, lowest, highest)
	}
	return n, nil
}

// texts returns a list of texts.
func (t table) texts(key string) ([]string, error) {
	value, there := t[key]
	list, ok := value.([]any)
	if there && !ok {
		return nil, fmt.Errorf("%s must be a list of texts", key)
	}
	texts := make([]string, len(list))
	for i, value := range list {
		if texts[i], ok = value.(string); !ok || texts[i] == "" {
			return nil, fmt.Errorf("%s must be a list of texts", key)
		}
	}
	return texts, nil
}

// reader reads what a file of projects says.
type reader struct {
	folder string // Of the file.
	opts   Options
	watch  func(path string)
}

// file reads the whole file.
func (r reader) file(values table) (claim string, defs []definition, err error) {
	if err := values.checkKeys(fileKeys); err != nil {
		return "", nil, err
	}
	if claim, err = values.text("claim"); err != nil {
		return "", nil, err
	}
	list, ok := values["projects"].([]any)
	if !ok {
		return "", nil, errors.New("projects must be a list, which may be empty")
	}
	for i, value := range list {
		def, err := r.project(value)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", cmp.Or(def.name, fmt.Sprintf("project %d", i+1)), err)
		}
		if len(def.claimValues) > 0 && claim == "" {
			return "", nil, fmt.Errorf("%s: claim_values needs a claim at the top of the file, such as \"org_id\"", def.name)
		}
		defs = append(defs, def)
	}
	return claim, defs, checkDistinct(defs)
}

// checkDistinct returns an error if two projects are the same, or have a caller in common.
func checkDistinct(defs []definition) error {
	owners := map[string]string{}
	for _, def := range defs {
		taken := []string{"the name " + def.name, fmt.Sprintf("the AppID %d", def.appID)}
		for _, token := range def.tokens {
			taken = append(taken, "the token "+token)
		}
		for _, value := range def.claimValues {
			taken = append(taken, fmt.Sprintf("the claim value %q", value))
		}
		for _, one := range taken {
			if owner, ok := owners[one]; ok {
				return fmt.Errorf("%s is given twice: by %s and by %s", one, owner, def.name)
			}
			owners[one] = def.name
		}
	}
	return nil
}

// project reads one project. If it fails, it returns the name, if that is valid.
func (r reader) project(value any) (definition, error) {
	var def definition
	values, ok := value.(map[string]any)
	if !ok {
		return def, errors.New("it must be a table, or in JSON an object")
	}
	t := table(values)
	name, _ := t.text("name")
	if !projectName().MatchString(name) {
		return def, errors.New("name must have 1 to 64 letters, digits or any of ._@+-")
	}
	def.name = name
	if err := t.checkKeys(projectKeys); err != nil {
		return def, err
	}
	appID, err := t.integer("app_id", 1, 1<<32-1, 0)
	if err == nil && appID == 0 {
		err = errors.New("app_id is missing: the AppID of the ZEGOCLOUD project")
	}
	if err != nil {
		return def, err
	}
	def.appID = uint32(appID) //nolint:gosec // It is in range.
	if err := r.limits(&def, t); err != nil {
		return def, err
	}
	if def.tokens, err = t.texts("tokens"); err != nil {
		return def, err
	}
	if def.claimValues, err = t.texts("claim_values"); err != nil {
		return def, err
	}
	return def, r.account(&def, t)
}

// limits reads what bounds a project.
func (r reader) limits(def *definition, t table) error {
	qps, err := t.integer("qps", 1, 1000, int64(r.opts.QPS))
	if err != nil {
		return err
	}
	tasks, err := t.integer("max_tasks", 1, 1_000_000, int64(r.opts.MaxTasks))
	if err != nil {
		return err
	}
	text, err := t.text("max_ttl")
	if err != nil {
		return err
	}
	def.qps, def.maxTasks, def.maxTTL = int(qps), int(tasks), r.opts.MaxTTL
	if text != "" {
		// Clients are told --max-ttl as the maximum, so a longer one could not be used.
		if def.maxTTL, err = time.ParseDuration(text); err != nil || def.maxTTL < 10*time.Second || def.maxTTL > r.opts.MaxTTL {
			return fmt.Errorf("max_ttl must be a text from \"10s\" to that of --max-ttl, %q", r.opts.MaxTTL)
		}
	}
	return nil
}

// account reads with what and where the calls of a project are made.
func (r reader) account(def *definition, t table) error {
	var err error
	if def.secret, err = r.secret(t, "secret", r.opts.Simulate == nil); err != nil {
		return err
	}
	if def.callbackSecret, err = r.secret(t, "callback_secret", true); err != nil {
		return err
	}
	if def.callbackSecret = cmp.Or(def.callbackSecret, r.opts.CallbackSecret); !r.opts.Callbacks {
		def.callbackSecret = ""
	}
	if def.endpoint, err = t.text("endpoint"); err != nil {
		return err
	}
	def.endpoint = strings.TrimSuffix(cmp.Or(def.endpoint, r.opts.Endpoint, zego.DefaultEndpoint), "/")
	if r.opts.Simulate != nil {
		return nil
	}
	if def.secret == "" {
		return errors.New("secret_file or secret_env is missing: where the ServerSecret is")
	}
	if _, err := zego.New(def.appID, def.secret, zego.Options{Endpoint: def.endpoint}); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "zego: "))
	}
	return nil
}

// secret returns the secret to which key_file or key_env leads, or "" if neither is there. Unless
// it is needed, it only checks that not both are there. Its errors repeat neither value, because
// one may be the secret itself.
func (r reader) secret(t table, key string, needed bool) (string, error) {
	file, err := t.text(key + "_file")
	if err != nil {
		return "", err
	}
	variable, err := t.text(key + "_env")
	switch {
	case err != nil:
		return "", err
	case file != "" && variable != "":
		return "", fmt.Errorf("%s_file and %[1]s_env exclude each other", key)
	case !needed:
		return "", nil
	case variable != "":
		secret := strings.TrimSpace(r.opts.Getenv(variable))
		if secret == "" {
			return "", fmt.Errorf("the variable of %s_env is not set%s", key, perhapsSecret(variable, key+"_env"))
		}
		return secret, nil
	case file != "":
		return r.secretFile(file, key+"_file")
	}
	return "", nil
}

// secretFile reads a secret from a file, whose path may begin in the folder of the projects.
func (r reader) secretFile(file, key string) (string, error) {
	path := file
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.folder, path)
	}
	r.watch(path)
	text, mode, err := readBounded(path, maxSecretFile)
	secret := strings.TrimSpace(string(text))
	switch cause, isPath := errors.AsType[*fs.PathError](err); {
	case isPath: // Its own text names the file.
		return "", fmt.Errorf("the file of %s cannot be read: %w%s", key, cause.Err, perhapsSecret(file, key))
	case err != nil:
		return "", fmt.Errorf("the file of %s cannot be read: %w", key, err)
	case mode&0o007 != 0:
		return "", fmt.Errorf("the file of %s may be used by every user of this machine (mode %04o): give it mode 0600", key, mode)
	case secret == "":
		return "", fmt.Errorf("the file of %s is empty", key)
	}
	return secret, nil
}

// perhapsSecret ends an error about a value that looks like a secret in place of its name.
func perhapsSecret(value, key string) string {
	if len(value) == secretLength {
		return fmt.Sprintf("; the value of %s has %d characters: the secret itself must not stand in this file", key, secretLength)
	}
	return ""
}
