package httpserver_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/httpserver"
)

// subjectKey is the key of the subject in the context of a request.
type subjectKey struct{}

// withSubjects returns options by which the header X-Subject says who sends a request.
func withSubjects() httpserver.Options {
	var opts httpserver.Options
	opts.Middleware = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), subjectKey{}, r.Header.Get("X-Subject"))))
		})
	}
	opts.Subject = func(ctx context.Context) string {
		subject, _ := ctx.Value(subjectKey{}).(string)
		return subject
	}
	return opts
}

// TestSessionOwner uses the sessions of two subjects, and one of nobody, as each of them, at the
// replica that opened the session and at another one.
func TestSessionOwner(t *testing.T) {
	t.Parallel()
	here, there := newHandler(t, withSubjects()), newHandler(t, withSubjects())
	subjects := []string{"", "token:alice", "token:bob"}
	ids := map[string]string{}
	for _, subject := range subjects {
		w := serve(here, http.MethodPost, "/mcp", strings.NewReader(hello), map[string]string{"X-Subject": subject})
		if ids[subject] = w.Header().Get("Mcp-Session-Id"); w.Code != http.StatusOK || ids[subject] == "" || ids[subject] == ids[""] && subject != "" {
			t.Fatalf("%q: got %d %v", subject, w.Code, w.Header())
		}
	}
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for owner, id := range ids {
		for _, subject := range subjects {
			header := map[string]string{"Mcp-Session-Id": id, "X-Subject": subject}
			want := http.StatusOK
			if subject != owner {
				want = http.StatusNotFound
			}
			for name, h := range map[string]http.Handler{"the same": here, "another": there} {
				for method, body := range map[string]string{http.MethodPost: ping, http.MethodGet: ""} {
					if w := serve(h, method, "/mcp", strings.NewReader(body), header); w.Code != want {
						t.Errorf("%s as %q in the session of %q, %s replica: got %d %s, want %d", method, subject, owner, name, w.Code, w.Body, want)
					}
				}
			}
			if subject != owner {
				if w := serve(here, http.MethodDelete, "/mcp", nil, header); w.Code != http.StatusNotFound {
					t.Errorf("%q ends the session of %q: got %d", subject, owner, w.Code)
				}
			}
		}
	}
	// An id whose end was cut off or changed is no session of anybody.
	alice := ids["token:alice"]
	for _, id := range []string{alice[:len(alice)-33], alice[:len(alice)-1], alice + "0", strings.ToUpper(alice), alice[:len(alice)-1] + "g", alice + "-" + alice} {
		header := map[string]string{"Mcp-Session-Id": id, "X-Subject": "token:alice"}
		if w := serve(here, http.MethodPost, "/mcp", strings.NewReader(ping), header); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", id, w.Code)
		}
	}
	for subject, id := range ids {
		header := map[string]string{"Mcp-Session-Id": id, "X-Subject": subject}
		if w := serve(here, http.MethodDelete, "/mcp", nil, header); w.Code != http.StatusOK {
			t.Errorf("%q ends its session: got %d %s", subject, w.Code, w.Body)
		}
		if w := serve(here, http.MethodPost, "/mcp", strings.NewReader(ping), header); w.Code != http.StatusNotFound {
			t.Errorf("%q uses an ended session: got %d", subject, w.Code)
		}
	}
}

// TestCancelOfOthers lets one subject try to cancel the call of another one.
func TestCancelOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cancelled := false
		h := httpserver.NewHandler(newServer(func(ctx context.Context) {
			select {
			case <-ctx.Done():
				cancelled = true
			case <-time.After(time.Second):
			}
		}), withSubjects())
		defer h.Close()
		id := serve(h, http.MethodPost, "/mcp", strings.NewReader(hello), map[string]string{"X-Subject": "alice"}).Header().Get("Mcp-Session-Id")
		go serve(h, http.MethodPost, "/mcp", strings.NewReader(callSlow), map[string]string{"Mcp-Session-Id": id, "X-Subject": "alice"})
		synctest.Wait()
		if w := serve(h, http.MethodPost, "/mcp", strings.NewReader(cancelSlow), map[string]string{"Mcp-Session-Id": id, "X-Subject": "bob"}); w.Code != http.StatusNotFound {
			t.Errorf("got %d", w.Code)
		}
		time.Sleep(2 * time.Second)
		if cancelled {
			t.Error("bob has cancelled the call of alice")
		}
	})
}

// TestSSEOwner posts messages to an SSE stream as its owner and as others.
func TestSSEOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opts := withSubjects()
		h := httpserver.NewHandler(newServer(nil), opts)
		defer h.Close()
		asAlice := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("X-Subject", "alice")
			h.ServeHTTP(w, r)
		})
		stream, messages := openSSE(t, asAlice, 0)
		for subject, want := range map[string]int{"alice": http.StatusAccepted, "bob": http.StatusNotFound, "": http.StatusBadRequest} {
			if w := serve(h, http.MethodPost, messages, strings.NewReader(hello), map[string]string{"X-Subject": subject}); w.Code != want {
				t.Errorf("%q: got %d %s, want %d", subject, w.Code, w.Body, want)
			}
		}
		if w := serve(h, http.MethodPost, "/message?sessionId=nobody", strings.NewReader(hello), map[string]string{"X-Subject": "bob"}); w.Code != http.StatusNotFound {
			t.Errorf("a session that is not there: got %d", w.Code)
		}
		synctest.Wait()
		if n := strings.Count(stream.String(), "event: message"); n != 1 {
			t.Errorf("%d answers, want 1", n)
		}
		stream.left()
		<-stream.done
	})
}
