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

	firstBackoff = 2 * time.Second // before the second attempt; doubled for each further one
	lastBackoff  = 32 * time.Second

	maxEvents     = 300 // events of a task that wait; more are dropped
	maxDelivering = 100 // tasks whose events are delivered at once; others wait
)

// Values of EventType.
const (
	taskEvent  = 3
	driveEvent = 4
)

// event is one change of a stream task or a drive, for a callback.
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

// addEvent adds an event that RunCallbacks delivers.
func (t *task) addEvent(kind int, at time.Time, detail any) {
	if t.notifies && len(t.events) < maxEvents {
		t.events = append(t.events, event{kind, at, detail})
	}
}

// RunCallbacks posts every change of a stream task or a drive to CallbackURL until ctx
// ends, and then returns nil. It returns an error if CallbackURL is not a web address.
// Changes of one task are delivered in their order, and tasks do not wait for each
// other. Changes before RunCallbacks are delivered when it runs.
//
// It sleeps in real time until the next change. A test that sets the clock by Now must
// call the API afterwards, which wakes it.
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

// nextDeliveries returns the tasks that have events and no delivery yet. The caller must
// call deliverAll for each of them. It must call nextDeliveries again when wait has
// passed or changed receives a value.
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

// deliver posts an event as often as ZEGO does, until it is received. It reports whether
// the event is over: received, or given up. It returns false if ctx ended before.
func (s *Server) deliver(ctx context.Context, client *http.Client, taskID string, e event) (done bool) {
	for backoff := firstBackoff; ; backoff *= 2 {
		if s.post(ctx, client, taskID, e) {
			return true
		}
		if backoff > lastBackoff {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(backoff)
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
// Assumed: each attempt has its own nonce, Timestamp and signature. An event that is
// answered by a redirect has not been received.
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

// signCallback signs as ZEGO documents it: it hashes the three strings, sorted and put
// together.
func signCallback(secret, timestamp, nonce string) string {
	parts := []string{secret, timestamp, nonce}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // As above.
	return fmt.Sprintf("%x", sum)
}
