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
	out, noColor := e.stderr, true
	if t, ok := e.stderr.(*terminal); ok && e.getenv("NO_COLOR") == "" {
		out, noColor = t.colored(), false
	}
	return slog.New(tint.NewTextHandler(out, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: noColor, ReplaceAttr: escapeAttr,
	}))
}

// escapeAttr escapes what is not safe for a terminal in the message and the attributes of a
// line, before the handler puts its colors around them.
func escapeAttr(_ []string, attr slog.Attr) slog.Attr {
	switch attr.Value.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindTime, slog.KindUint64:
		return attr // Its text is safe.
	default:
	}
	text := attr.Value.String()
	if safe := escape(text, isSafe); safe != text {
		attr.Value = slog.StringValue(safe)
	}
	return attr
}
