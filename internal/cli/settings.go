package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"zego-mcp/internal/redisshare"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/alecthomas/kong"
	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// settings are the flags of all commands. AppID stays text: a malformed one must
// not keep the server from starting, for nobody sees why a desktop client's server
// died.
type settings struct {
	AppID     string        `name:"app-id" variable:"ZEGO_APP_ID" placeholder:"N" help:"AppID of the ZEGOCLOUD project."`
	Endpoint  string        `variable:"ZEGO_ENDPOINT" default:"${endpoint}" placeholder:"URL" help:"ZEGO's API; https, or http on loopback. Default: ${endpoint}."`
	Simulate  bool          `variable:"ZEGO_SIMULATE" help:"Answer from the built-in simulator: no account, no network."`
	Toolsets  string        `variable:"ZEGO_TOOLSETS" default:"${default_toolsets}" help:"Toolsets to offer, with commas between them, or all. ${toolsets}. Default: ${default_toolsets}."`
	LogLevel  string        `variable:"ZEGO_LOG_LEVEL" placeholder:"LEVEL" help:"debug, info, warn or error. Default: info; for call, error."`
	LogFormat string        `variable:"ZEGO_LOG_FORMAT" enum:"text,json" default:"text" help:"text or json. Default: text."`
	Timeout   time.Duration `variable:"ZEGO_TIMEOUT" default:"30s" help:"Time limit of one tool call, waits and retries included. Default: 30s."`
	QPS       int           `name:"qps" variable:"ZEGO_QPS" default:"10" help:"Calls per second and action that ZEGO allows the project; 0 for no limit. Default: 10."`
	CacheTTL  time.Duration `name:"cache-ttl" variable:"ZEGO_CACHE_TTL" default:"5s" help:"How long pages of the asset lists are kept; 0 turns it off. Default: 5s."`
	RedisURL  string        `name:"redis-url" variable:"ZEGO_REDIS_URL" placeholder:"URL" help:"Redis or Valkey through which several servers share one rate limit and page cache: redis://[user:password@]host:port[/db]."`
	MaxTTL    time.Duration `name:"max-ttl" variable:"ZEGO_MAX_TTL" default:"1h" help:"Longest life and idle time that agents may give a stream task, 10s to 24h. Default: 1h."`
	MaxTasks  int           `variable:"ZEGO_MAX_TASKS" default:"3" help:"Stream tasks that one server may run at once; call keeps no count. Default: 3."`
	KeepTasks bool          `variable:"ZEGO_KEEP_TASKS" help:"Leave stream tasks running when this server ends. Default: it stops those that it started."`
	AudioDir  []string      `variable:"ZEGO_AUDIO_DIR" placeholder:"DIR" help:"Directories whose audio files agents may speak with drive_by_audio_file (over stdio); default: none."`
}

// Validate refuses values that no command can work with.
func (s *settings) Validate() error {
	if s.Timeout <= 0 {
		return fmt.Errorf("--timeout must be more than 0, got %v", s.Timeout)
	}
	if s.QPS < 0 {
		return fmt.Errorf("--qps must be 0 or more, got %d", s.QPS)
	}
	if s.CacheTTL < 0 {
		return fmt.Errorf("--cache-ttl must be 0 or more, got %v", s.CacheTTL)
	}
	if s.MaxTTL < 10*time.Second || s.MaxTTL > 24*time.Hour {
		return fmt.Errorf("--max-ttl must be from 10s to 24h, got %v", s.MaxTTL)
	}
	if s.MaxTasks < 1 {
		return fmt.Errorf("--max-tasks must be 1 or more, got %d", s.MaxTasks)
	}
	if s.RedisURL != "" {
		if _, err := redisshare.ParseURL(s.RedisURL); err != nil {
			return fmt.Errorf("--redis-url %w", err)
		}
	}
	if !slices.Contains([]string{"", "debug", "info", "warn", "error"}, s.LogLevel) {
		return fmt.Errorf("--log-level must be debug, info, warn or error, got %q", s.LogLevel)
	}
	_, err := tools.ParseToolsets(s.Toolsets)
	return err
}

// fromEnvironment reads the flags that the command line does not set. Kong's own
// environment support takes an empty variable for a value.
func fromEnvironment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value := getenv(flag.Tag.Get("variable"))
		if isUnset(value) {
			return nil, nil
		}
		return value, nil
	})
}

// withVariable names a flag's variable in the help.
func withVariable(value *kong.Value) string {
	if variable := value.Tag.Get("variable"); variable != "" {
		return value.Help + " ($" + variable + ")"
	}
	return value.Help
}

// isUnset reports whether value is empty or a placeholder that a client left in
// its configuration.
func isUnset(value string) bool {
	value = strings.TrimSpace(value)
	return value == "" || strings.HasPrefix(value, "${") && strings.HasSuffix(value, "}") ||
		strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">")
}

// credentials returns AppId and server secret, or what is wrong with them, one
// problem per error.
func (p *process) credentials() (appID uint32, secret string, problems []error) {
	variable := func(name string) string {
		value := strings.TrimSpace(p.getenv(name))
		if value != "" && isUnset(value) {
			problems = append(problems, fmt.Errorf("%s still holds the placeholder %s", name, value))
			return ""
		}
		return value
	}
	if p.settings.AppID == "" {
		if variable("ZEGO_APP_ID"); len(problems) == 0 {
			problems = append(problems, errors.New("ZEGO_APP_ID is not set"))
		}
	} else if n, err := strconv.ParseUint(strings.TrimSpace(p.settings.AppID), 10, 32); err != nil || n == 0 {
		problems = append(problems, fmt.Errorf("ZEGO_APP_ID must be a number from 1 to 4294967295, got %q", p.settings.AppID))
	} else {
		appID = uint32(n)
	}

	before := len(problems)
	secret, source := variable("ZEGO_SERVER_SECRET"), "ZEGO_SERVER_SECRET" //nolint:gosec // A name, no secret.
	if file := variable("ZEGO_SERVER_SECRET_FILE"); secret == "" && file != "" {
		problems, source = problems[:before], "ZEGO_SERVER_SECRET_FILE"
		text, err := os.ReadFile(file) //nolint:gosec // The operator names the file.
		if err != nil {
			return appID, "", append(problems, fmt.Errorf("ZEGO_SERVER_SECRET_FILE: %w", err))
		}
		secret = strings.TrimSpace(string(text))
	}
	switch {
	case secret == "" && len(problems) == before:
		problems = append(problems, fmt.Errorf("%s is %s", source, map[bool]string{true: "not set", false: "empty"}[source == "ZEGO_SERVER_SECRET"]))
	case secret != "" && len(secret) != 32:
		problems = append(problems, fmt.Errorf("%s must have 32 characters, got %d", source, len(secret)))
	}
	return appID, secret, problems
}

// whatToSet ends every complaint about credentials.
const whatToSet = "Set ZEGO_APP_ID and ZEGO_SERVER_SECRET in the server's environment (in a desktop client: the \"env\" of its configuration) " +
	"to the AppID and ServerSecret of your project in the ZEGOCLOUD console, https://console.zegocloud.com. " +
	"To try without an account, start with --simulate (or ZEGO_SIMULATE=true): made-up answers from a built-in simulator."

// backend is where the answers come from.
type backend struct {
	client      *zego.Client
	unavailable error              // Why client is nil.
	simulator   string             // Its URL; empty for ZEGO.
	stop        func()             // The simulator; nil without one.
	share       *redisshare.Client // Nil without Redis.
}

// connect makes the client that the settings describe. Bad settings are no error
// here: the server starts, lists its tools, and a call tells what is wrong.
func (p *process) connect(httpClient *http.Client, log *slog.Logger) (backend, error) {
	endpoint := p.settings.Endpoint
	var b backend
	var appID uint32
	var secret string
	if p.settings.Simulate {
		url, stop, err := p.simulator()
		if err != nil {
			return b, fmt.Errorf("start the simulator: %w", err)
		}
		b.simulator, b.stop = url, stop
		endpoint, appID, secret = url, zegosim.DefaultAppID, zegosim.DefaultSecret
	} else {
		var problems []error
		if appID, secret, problems = p.credentials(); len(problems) > 0 {
			b.unavailable = fmt.Errorf("this server is not configured: %s.\n%s", join(problems), whatToSet)
			return b, nil
		}
	}
	opts := zego.Options{Endpoint: endpoint, HTTPClient: httpClient, QPS: p.settings.QPS, CacheTTL: p.settings.CacheTTL}
	if p.settings.QPS == 0 {
		opts.QPS = -1
	}
	if p.settings.RedisURL != "" {
		share, err := redisshare.Open(p.settings.RedisURL, redisshare.Options{AppID: appID, QPS: p.settings.QPS, Logger: log})
		if err != nil {
			return b, fmt.Errorf("--redis-url %w", err)
		}
		b.share, opts.Cache = share, share
		if p.settings.QPS > 0 {
			opts.Limiter = share
		}
	}
	client, err := zego.New(appID, secret, opts)
	if err != nil {
		b.unavailable = fmt.Errorf("this server is not configured: %s. Check ZEGO_ENDPOINT", strings.TrimPrefix(err.Error(), "zego: "))
	}
	b.client = client
	return b, nil
}

// close lets go of what connect opened.
func (b backend) close() {
	if b.share != nil {
		_ = b.share.Close()
	}
	if b.stop != nil {
		b.stop()
	}
}

// simulator starts the simulator beside us.
func (p *process) simulator() (url string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(p.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	sim := &zegosim.Server{}
	srv := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() {
		_ = srv.Close()
		_ = sim.Close()
	}, nil
}

func join(problems []error) string {
	texts := make([]string, len(problems))
	for i, problem := range problems {
		texts[i] = problem.Error()
	}
	return strings.Join(texts, "; ")
}

// project returns the ZEGO project that the settings describe.
func (p *process) project(b backend, log *slog.Logger) tools.Project {
	sets, _ := tools.ParseToolsets(p.settings.Toolsets) // Validate has checked them.
	return tools.Project{
		Client: b.client, Unavailable: b.unavailable, Toolsets: sets,
		Streams: streams.New(b.client, streams.Options{MaxTTL: p.settings.MaxTTL, MaxTasks: p.settings.MaxTasks, Logger: log}),
	}
}

// toolsConfig returns how the MCP server for one project works.
func (p *process) toolsConfig(project tools.Project, simulated bool, log *slog.Logger) tools.Config {
	return tools.Config{
		Project: tools.OneProject(project), Simulated: simulated,
		Timeout: p.settings.Timeout, Logger: log, Version: version(),
		Local: true, AudioDirs: p.audioDirs(log),
	}
}

// audioDirs returns the allowed directories as absolute paths, in each form that an
// agent may know them by.
func (p *process) audioDirs(log *slog.Logger) []string {
	var dirs []string
	for _, dir := range p.settings.AudioDir {
		absolute, err := filepath.Abs(dir)
		if err == nil {
			dirs = append(dirs, absolute)
			var real string
			if real, err = filepath.EvalSymlinks(absolute); err == nil && real != absolute {
				dirs = append(dirs, real)
			}
		}
		if err != nil {
			log.Warn("--audio-dir cannot be used", "err", err)
		}
	}
	return dirs
}

// logger returns the log on stderr; level holds unless the user chose one.
func (p *process) logger(level slog.Level) *slog.Logger {
	if p.settings.LogLevel != "" {
		_ = level.UnmarshalText([]byte(p.settings.LogLevel)) // Checked by Validate.
	}
	if p.settings.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	}
	_, terminal := terminalWidth(p.stderr)
	return slog.New(tint.NewTextHandler(p.stderr, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal || p.getenv("NO_COLOR") != "",
	}))
}

// terminalWidth returns the columns of w if it is a terminal.
func terminalWidth(w io.Writer) (columns int, ok bool) {
	file, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return columns, true
}
