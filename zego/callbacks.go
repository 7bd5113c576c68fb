package zego

import (
	"context"
	"crypto/sha1" //nolint:gosec // ZEGO's definition.
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is what ZEGO tells by callback: a stream task or a drive has a new status.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/receiving-callback
type Event struct {
	AppID  uint32
	Type   EventType
	TaskID string
	Time   time.Time   // When it happened.
	Sent   time.Time   // When this attempt to tell it was made.
	Task   *TaskEvent  // With EventTask.
	Drive  *DriveEvent // With EventDrive.
}

// EventType says what an Event is about.
type EventType int

// The event types. There may be others some day: they have neither Task nor Drive.
const (
	EventTask  EventType = 3
	EventDrive EventType = 4
)

// TaskEvent is the new status of a stream task.
type TaskEvent struct {
	Status     TaskStatus `json:"Status"`
	RoomID     string     `json:"RoomId"`
	StreamID   string     `json:"StreamId"`
	FailReason string     `json:"FailReason"` // With TaskInitFailed.
}

// DriveEvent is the new status of a drive.
type DriveEvent struct {
	DriveID string      `json:"DriveId"`
	Status  DriveStatus `json:"Status"`
}

// Key is the same for each time that ZEGO tells an event: it repeats what was not
// confirmed.
func (e Event) Key() string {
	parts := []string{strconv.Itoa(int(e.Type)), e.TaskID}
	switch {
	case e.Task != nil:
		parts = append(parts, strconv.Itoa(int(e.Task.Status)))
	case e.Drive != nil:
		parts = append(parts, e.Drive.DriveID, strconv.Itoa(int(e.Drive.Status)))
	}
	return strings.Join(parts, " ")
}

// CallbackSignature returns the signature of a callback. The secret is the project's
// callback secret, not its server secret; timestamp and nonce are text as received.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/receiving-callback
func CallbackSignature(secret, timestamp, nonce string) string {
	parts := []string{secret, timestamp, nonce}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // ZEGO's definition.
	return hex.EncodeToString(sum[:])
}

// ErrCallbackSignature says that a callback is not from ZEGO, or that the callback
// secret is wrong.
var ErrCallbackSignature = errors.New("zego: callback: the signature does not match")

// ParseCallback checks the signature of a callback's body and decodes it. A wrong
// signature is ErrCallbackSignature. How old Sent may be is the caller's to judge.
func ParseCallback(body []byte, secret string) (Event, error) {
	if secret == "" {
		return Event{}, errors.New("zego: callback: the callback secret is empty") // Anybody could sign with it.
	}
	var in struct {
		AppID     uint32          `json:"AppId"`
		EventType EventType       `json:"EventType"`
		Nonce     string          `json:"Nonce"`
		Timestamp string          `json:"Timestamp"`
		Signature string          `json:"Signature"`
		EventTime int64           `json:"EventTime"`
		TaskID    string          `json:"TaskId"`
		Detail    json.RawMessage `json:"Detail"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Event{}, fmt.Errorf("zego: callback: %w", err)
	}
	want := CallbackSignature(secret, in.Timestamp, in.Nonce)
	if subtle.ConstantTimeCompare([]byte(want), []byte(in.Signature)) != 1 {
		return Event{}, ErrCallbackSignature
	}
	sent, err := strconv.ParseInt(in.Timestamp, 10, 64)
	if err != nil {
		return Event{}, fmt.Errorf("zego: callback: Timestamp is no number: %q", oneLine(in.Timestamp, 40))
	}
	if sent < 1e11 { // Seconds: ZEGO documents milliseconds, and shows seconds.
		sent *= 1000
	}
	event := Event{
		AppID: in.AppID, Type: in.EventType, TaskID: in.TaskID,
		Time: time.UnixMilli(in.EventTime), Sent: time.UnixMilli(sent),
	}
	var detail any
	switch event.Type {
	case EventTask:
		event.Task = &TaskEvent{}
		detail = event.Task
	case EventDrive:
		event.Drive = &DriveEvent{}
		detail = event.Drive
	default:
		return event, nil
	}
	if err := json.Unmarshal(in.Detail, detail); err != nil {
		return Event{}, fmt.Errorf("zego: callback: Detail: %w", err)
	}
	return event, nil
}

// MaxCallbackAge is how old, or how far ahead, a callback's Sent may be for
// CallbackHandler: ZEGO's last repetition comes about a minute after the first.
const MaxCallbackAge = 10 * time.Minute

const maxCallback = 1 << 20 // bytes; an event has some hundred

// CallbackHandler returns a handler for the URL that ZEGO support registered for the
// project's callbacks. It checks each, and calls handle, which may be called
// concurrently and more than once for one event; see Event.Key. If handle returns an
// error ZEGO repeats the event, up to five times: after 2, 4, 8, 16 and 32 seconds.
// It panics if the secret is empty.
func CallbackHandler(secret string, handle func(context.Context, Event) error) http.Handler {
	if secret == "" {
		panic("zego: the callback secret is empty")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "callbacks are POSTed", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
		if err != nil {
			http.Error(w, "the callback is too large or broke off", http.StatusBadRequest)
			return
		}
		event, err := ParseCallback(body, secret)
		switch {
		case errors.Is(err, ErrCallbackSignature):
			http.Error(w, "the signature does not match", http.StatusUnauthorized)
		case err != nil:
			http.Error(w, "not a callback of ZEGO's", http.StatusBadRequest)
		case time.Since(event.Sent).Abs() > MaxCallbackAge:
			http.Error(w, "the callback is too old", http.StatusUnauthorized)
		case handle(r.Context(), event) != nil:
			http.Error(w, "the event could not be taken; tell it again", http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}
