package cli

import (
	"context"
	"log/slog"
	"net/http"
	"zego-mcp/internal/httpserver"
	"zego-mcp/tools/speech"
	"zego-mcp/zego"
)

// callbackVariable is the environment variable with the project's callback secret. Like the
// ServerSecret it has no flag, which would show in the process list.
const callbackVariable = "ZEGO_CALLBACK_SECRET"

// callbackSecret returns the secret by which a server checks ZEGO's callbacks, or "" if the
// server takes none. If a secret is set that cannot be used, it logs why.
func (e *env) callbackSecret(transport string, log *slog.Logger) string {
	secret, err := e.variable(callbackVariable)
	switch {
	case err != nil:
		log.Warn("callbacks are not taken: " + err.Error())
		return ""
	case secret == "":
		return ""
	case transport != "http":
		log.Warn("callbacks are not taken: " + callbackVariable + " needs --transport http")
		return ""
	}
	log.Info("taking ZEGO's callbacks", "path", httpserver.CallbackPath)
	return secret
}

// callbackHandler returns the handler of ZEGO's callbacks about a project, or nil if there is
// no secret to check them with.
func callbackHandler(secret string, appID uint32, tracker *speech.Tracker) http.Handler {
	if secret == "" {
		return nil
	}
	return zego.CallbackHandler(secret, func(_ context.Context, e zego.Event) error {
		if e.AppID != appID {
			return nil // The event is of another project, which has the same secret.
		}
		return tracker.Handle(e)
	})
}

// checkCallbacks checks the callback secret. It returns nothing if none is set, because
// callbacks are optional.
func checkCallbacks(e *env) []finding {
	secret, err := e.variable(callbackVariable)
	switch {
	case err != nil:
		return []finding{{"callbacks", err.Error(), "Take the value from your project in the ZEGOCLOUD console, https://console.zegocloud.com, or leave it empty"}}
	case secret == "":
		return nil
	}
	return []finding{{"callbacks", "serve --transport http takes them at " + httpserver.CallbackPath + ", where ZEGO must reach it", ""}}
}
