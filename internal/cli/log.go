package cli

import (
	"log/slog"
	"time"

	"github.com/lmittmann/tint"
)

// logger returns a logger that writes to stderr. level applies if --log-level is not set.
func (e *env) logger(level slog.Level) *slog.Logger {
	if e.settings.LogLevel != "" {
		_ = level.UnmarshalText([]byte(e.settings.LogLevel)) // Checked by Validate.
	}
	if e.settings.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(e.stderr, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(e.stderr, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !isTerminal(e.stderr) || e.getenv("NO_COLOR") != "",
	}))
}
