package cli

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"time"
	"zego-mcp/internal/redisshare"
	"zego-mcp/tools"
	"zego-mcp/tools/pictures"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"

	"github.com/alecthomas/kong"
)

// settings are the flags that every command has. AppID is text and not a number: a
// malformed AppID must not keep the server from starting, because desktop clients do not
// show why a server that they launched has ended.
type settings struct {
	AppID       string        `name:"app-id" variable:"ZEGO_APP_ID" placeholder:"N" help:"AppID of the ZEGOCLOUD project."`
	Endpoint    string        `variable:"ZEGO_ENDPOINT" placeholder:"URL" help:"ZEGO's API; https, or http on loopback. Default: ${endpoint}."`
	Simulate    bool          `variable:"ZEGO_SIMULATE" help:"Answer from the built-in simulator: no account, no network."`
	Toolsets    string        `variable:"ZEGO_TOOLSETS" default:"${default_toolsets}" help:"Toolsets to offer, with commas between them, or all. ${toolsets}. Default: ${default_toolsets}."`
	Streaming   bool          `variable:"ZEGO_STREAMING" help:"Offer the toolset streaming besides --toolsets, for forms that ask yes or no."`
	LogLevel    string        `variable:"ZEGO_LOG_LEVEL" placeholder:"LEVEL" help:"debug, info, warn or error. Default: info; for call, error."`
	LogFormat   string        `variable:"ZEGO_LOG_FORMAT" enum:"text,json" default:"text" help:"text or json. Default: text."`
	Timeout     time.Duration `variable:"ZEGO_TIMEOUT" default:"30s" help:"Time limit of one tool call, waits and retries included. Default: 30s."`
	QPS         int           `name:"qps" variable:"ZEGO_QPS" default:"10" help:"Calls per second and action that ZEGO allows the project; 0 for no limit. Default: 10."`
	CacheTTL    time.Duration `name:"cache-ttl" variable:"ZEGO_CACHE_TTL" default:"5s" help:"How long pages of the asset lists are cached; 0 turns the cache off. Default: 5s."`
	RedisURL    string        `name:"redis-url" variable:"ZEGO_REDIS_URL" placeholder:"URL" help:"Redis or Valkey through which several servers share one rate limit, page cache and list of streams: redis://[user:password@]host:port[/db]."`
	MaxTTL      time.Duration `name:"max-ttl" variable:"ZEGO_MAX_TTL" default:"1h" help:"Longest life and idle time that agents may give a stream task, 10s to 24h. Default: 1h."`
	MaxTasks    int           `variable:"ZEGO_MAX_TASKS" default:"3" help:"Stream tasks that one server may run at once; the command call is not limited. Default: 3."`
	StopTimeout time.Duration `variable:"ZEGO_STOP_TIMEOUT" default:"30s" help:"How long the end of this server may take to stop its stream tasks. Default: 30s."`
	KeepTasks   bool          `variable:"ZEGO_KEEP_TASKS" help:"Leave stream tasks running when this server ends. Default: it stops those that it started."`
	ViewerURL   string        `name:"viewer-url-template" variable:"ZEGO_VIEWER_URL_TEMPLATE" placeholder:"URL" help:"Page of yours that create_viewer_link links to, such as https://live.example.com/?app={AppId}&room={RoomId}&stream={StreamId}&user={UserId}#{Token}. Default: none; it answers code for a page."`
	AudioDir    []string      `variable:"ZEGO_AUDIO_DIR" placeholder:"DIR" help:"Directories from which agents may play audio files with drive_by_audio_file (over stdio only). Default: none."`
}

// Validate refuses values that no command can work with.
func (s *settings) Validate(*kong.Context) error {
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
	if s.StopTimeout <= 0 {
		return fmt.Errorf("--stop-timeout must be more than 0, got %v", s.StopTimeout)
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
	if _, err := tools.ParseViewerURLTemplate(s.ViewerURL); err != nil {
		return fmt.Errorf("--viewer-url-template %w", err)
	}
	_, err := tools.ParseToolsets(s.Toolsets)
	return err
}

// project returns the ZEGO project that the settings describe. StreamIds that it makes up
// carry mark, and with keepTasks its stream tasks outlive the process. The caller closes its
// Streams and its Speech.
func (e *env) project(b backend, mark streams.Mark, keepTasks bool, log *slog.Logger) tools.Project {
	return tools.Project{
		Client: b.client, Unavailable: b.unavailable, Toolsets: e.toolsets(),
		Speech: speech.New(b.client, speech.Options{Share: b.speech, Callbacks: b.callbacks, Logger: log}),
		Streams: streams.New(b.client, streams.Options{
			MaxTTL: e.settings.MaxTTL, MaxTasks: e.settings.MaxTasks, KeepTasks: keepTasks,
			StopTimeout: e.settings.StopTimeout, Mark: mark, Store: b.store, Logger: log,
		}),
	}
}

// toolsets returns the toolsets to offer.
func (e *env) toolsets() []tools.Toolset {
	sets, _ := tools.ParseToolsets(e.settings.Toolsets) // Validate has checked them.
	if e.settings.Streaming && !slices.Contains(sets, tools.Streaming) {
		sets = append(sets, tools.Streaming)
	}
	return sets
}

// toolsConfig returns the configuration of an MCP server for one project.
func (e *env) toolsConfig(b backend, project tools.Project, log *slog.Logger) tools.Config {
	var audioClient *http.Client
	if !b.simulated { // The simulator speaks every file for the same time.
		audioClient = tools.PublicClient()
	}
	viewerURL, _ := tools.ParseViewerURLTemplate(e.settings.ViewerURL) // Validate has checked it.
	var fetcher pictures.FetcherOptions
	if u, err := url.Parse(b.endpoint); err == nil && u.Scheme == "http" {
		fetcher.LoopbackHost = u.Host // Of a simulator: http is allowed for loopback addresses only.
	}
	return tools.Config{
		Pictures:    pictures.NewStore(pictures.NewFetcher(fetcher)),
		AudioClient: audioClient, ViewerURL: viewerURL,
		Project: tools.OneProject(project), Simulated: b.simulated,
		Timeout: e.settings.Timeout, Logger: log, Version: version(),
		Local: true, AudioDirs: e.audioDirs(log),
	}
}

// audioDirs returns the directories of --audio-dir as absolute paths. For a path with
// symbolic links it also returns the path that they lead to, because an agent may know a
// directory by either.
func (e *env) audioDirs(log *slog.Logger) []string {
	var dirs []string
	for _, dir := range e.settings.AudioDir {
		absolute, err := filepath.Abs(dir)
		if err == nil {
			dirs = append(dirs, absolute)
			var target string
			if target, err = filepath.EvalSymlinks(absolute); err == nil && target != absolute {
				dirs = append(dirs, target)
			}
		}
		if err != nil {
			log.Warn("--audio-dir cannot be used", "err", err)
		}
	}
	return dirs
}
