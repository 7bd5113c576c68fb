package zegosim

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // ZEGO signs callbacks with SHA-1.
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultCallbackSecret signs callbacks. It is not the secret that signs calls.
const DefaultCallbackSecret = "zego-simulator-callback-secret" //nolint:gosec // It opens nothing.

const (
	// callbackTimeout is how long an attempt may take.
	//
	// Assumed: ZEGO documents none.
	callbackTimeout = 5 * time.Second

	firstRetry = 2 * time.Second // doubled each time
	lastRetry  = 32 * time.Second

	maxEvents     = 300 // events of a task that wait; more are dropped
	maxDelivering = 100 // tasks whose events are delivered at once; others wait
)

// Types of event.
const (
	taskEvent  = 3
	driveEvent = 4
)

// event is one change to be told.
type event struct {
	kind   int
	at     time.Time
	detail any // taskDetail or driveDetail
}

type taskDetail struct {
	Status     taskStatus
	RoomID     string `json:"RoomId"`
	StreamID   string `json:"StreamId"`
	FailReason string `json:",omitempty"`
}

type driveDetail struct {
	DriveID string `json:"DriveId"`
	Status  driveStatus
}

// callback is the body of a callback, its keys in the order of ZEGO's examples.
type callback struct {
	AppID     uint32 `json:"AppId"`
	TaskID    string `json:"TaskId"`
	EventType int
	Nonce     string
	Timestamp string
	Signature string
	EventTime int64
	Detail    any
}

// addEvent adds a change to what CallbackURL is to be told.
func (t *task) addEvent(kind int, at time.Time, detail any) {
	if t.notifies && len(t.events) < maxEvents {
		t.events = append(t.events, event{kind, at, detail})
	}
}

// RunCallbacks tells CallbackURL of every change of a stream task or a drive, until
// ctx ends; it then returns nil. Without it changes are noted, but nobody is told.
// Changes of one task come in their order; tasks do not wait for each other.
//
// It sleeps until the next change is due, by the real time that passes: where Now
// is turned by hand, a call of the API makes it look again.
func (s *Server) RunCallbacks(ctx context.Context) error {
	if !isWebURL(s.CallbackURL) {
		return fmt.Errorf("zegosim: CallbackURL must be an http or https URL, got %q", s.CallbackURL)
	}
	client := s.CallbackClient
	if client == nil {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
		defer transport.CloseIdleConnections()
		client = &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}

	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		ready, wait, changed := s.nextDeliveries()
		for _, t := range ready {
			deliveries.Go(func() { s.deliverAll(ctx, client, t) })
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-timer.C:
		}
	}
}

// wakeCallbacks makes RunCallbacks look for events, if it runs. The caller holds s.mu.
func (s *Server) wakeCallbacks() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// nextDeliveries returns the tasks that have events which nobody delivers yet. The
// caller must deliver them all. It also returns how long to wait, if changed does not
// report something before, until it is called again.
func (s *Server) nextDeliveries() (ready []*task, wait time.Duration, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{}, 1)
	}
	now := s.applyClock()
	wait = retention
	for _, t := range s.tasks {
		if len(t.events) > 0 && !t.delivering && s.delivering < maxDelivering {
			t.delivering = true
			s.delivering++
			ready = append(ready, t)
		}
		if at, change := t.nextChange(); change != nil {
			wait = min(wait, at.Sub(now))
		}
	}
	return ready, wait, s.changed
}

// deliverAll delivers the events of a task until there are none or ctx ends.
func (s *Server) deliverAll(ctx context.Context, client *http.Client, t *task) {
	for {
		s.mu.Lock()
		if len(t.events) == 0 || ctx.Err() != nil {
			t.delivering = false
			s.delivering--
			s.wakeCallbacks() // Another task may be waiting for the place.
			s.mu.Unlock()
			return
		}
		e := t.events[0]
		s.mu.Unlock()
		if s.deliver(ctx, client, t.id, e) {
			s.mu.Lock()
			t.events = slices.Delete(t.events, 0, 1)
			s.mu.Unlock()
		}
	}
}

// deliver tries as often as ZEGO does. It reports whether it is done with the
// event, which is not so if ctx ended.
func (s *Server) deliver(ctx context.Context, client *http.Client, taskID string, e event) (done bool) {
	for wait := firstRetry; ; wait *= 2 {
		if s.post(ctx, client, taskID, e) {
			return true
		}
		if wait > lastRetry {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// post makes one attempt and reports whether it was received.
//
// Assumed: each attempt has a nonce, a Timestamp and a signature of its own, and a
// redirect is no receipt.
func (s *Server) post(ctx context.Context, client *http.Client, taskID string, e event) bool {
	ctx, cancel := context.WithTimeout(ctx, callbackTimeout)
	defer cancel()
	now := s.now()
	timestamp := strconv.FormatInt(now.UnixMilli(), 10)
	if s.CallbackSeconds {
		timestamp = strconv.FormatInt(now.Unix(), 10)
	}
	nonce := rand.Text()
	body, _ := json.Marshal(callback{ // Its fields can always be encoded.
		AppID: s.appID(), TaskID: taskID, EventType: e.kind,
		Nonce: nonce, Timestamp: timestamp, Signature: signCallback(cmp.Or(s.CallbackSecret, DefaultCallbackSecret), timestamp, nonce),
		EventTime: e.at.UnixMilli(), Detail: e.detail,
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.CallbackURL, bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", serverName)
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
	return resp.StatusCode/100 == 2
}

// signCallback signs as ZEGO documents it: the three strings, sorted.
func signCallback(secret, timestamp, nonce string) string {
	parts := []string{secret, timestamp, nonce}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // As above.
	return fmt.Sprintf("%x", sum)
}
