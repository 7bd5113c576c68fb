package cli

import (
	"log/slog"
	"time"

	"github.com/lmittmann/tint"
)

// logger returns the log on stderr; level holds unless the user chose one.
func (p *process) logger(level slog.Level) *slog.Logger {
	if p.settings.LogLevel != "" {
		_ = level.UnmarshalText([]byte(p.settings.LogLevel)) // Checked by Validate.
	}
	if p.settings.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(p.stderr, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !isTerminal(p.stderr) || p.getenv("NO_COLOR") != "",
	}))
}
