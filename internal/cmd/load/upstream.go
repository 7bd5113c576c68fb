package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
	"zego-mcp/zego"
)

// upstream counts what the servers ask of the simulator.
type upstream struct {
	mu          sync.Mutex             // guards what follows
	arrivals    map[string][]time.Time // When calls came, by their action.
	rateLimited int                    // How many the simulator refused because there were too many.
	created     int                    // How many stream tasks it created.
}

// handler returns a reverse proxy to the simulator at address. A call is counted as it arrives,
// and its answer before the server gets it.
func (u *upstream) handler(address string) http.Handler {
	target, _ := url.Parse(address) // It is checked by whoever said it.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = 1000
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
		ErrorLog:  noLog,
		ModifyResponse: func(resp *http.Response) error {
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			resp.Body = io.NopCloser(bytes.NewReader(body))
			var answer struct{ Code zego.Code }
			if err == nil && json.Unmarshal(body, &answer) == nil {
				u.answered(resp.Request.URL.Query().Get("Action"), answer.Code)
			}
			return err
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if action := r.URL.Query().Get("Action"); action != "" { // Pictures have none.
			u.arrived(action)
		}
		proxy.ServeHTTP(w, r)
	})
}

func (u *upstream) arrived(action string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.arrivals == nil {
		u.arrivals = map[string][]time.Time{}
	}
	u.arrivals[action] = append(u.arrivals[action], time.Now())
}

func (u *upstream) answered(action string, code zego.Code) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case code == zego.CodeRateLimited:
		u.rateLimited++
	case code == 0 && action == "CreateDigitalHumanStreamTask":
		u.created++
	}
}

// shortest returns the shortest time in which one call more than count of one action came, or 0 if
// no action had so many.
func (u *upstream) shortest(count int) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	var shortest time.Duration
	for _, arrivals := range u.arrivals {
		for i := count; i < len(arrivals); i++ {
			if took := arrivals[i].Sub(arrivals[i-count]); shortest == 0 || took < shortest {
				shortest = took
			}
		}
	}
	return shortest
}

// busiest returns how many calls came, and the highest number of calls of one action in any
// second, with that action.
func (u *upstream) busiest() (calls int, action string, perSecond int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for name, arrivals := range u.arrivals {
		calls += len(arrivals)
		first := 0
		for last, at := range arrivals {
			for at.Sub(arrivals[first]) >= time.Second {
				first++
			}
			if n := last - first + 1; n > perSecond {
				perSecond, action = n, name
			}
		}
	}
	return calls, action, perSecond
}
