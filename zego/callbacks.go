package zego

import (
	"context"
	"crypto/sha1" //nolint:gosec // ZEGO defines its signature as SHA-1.
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

// Event is what ZEGO tells by a callback: that the status of a stream task or of a drive
// has changed.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/receiving-callback
type Event struct {
	AppID  uint32
	Type   EventType
	TaskID string
	Time   time.Time   // When the status changed.
	Sent   time.Time   // When ZEGO sent this callback. It repeats callbacks that were not confirmed.
	Task   *TaskEvent  // Only if Type is EventTask.
	Drive  *DriveEvent // Only if Type is EventDrive.
}

// EventType says what an Event is about.
type EventType int

// The event types. ZEGO may add others; an Event of an unknown type has neither Task nor
// Drive.
const (
	EventTask  EventType = 3 // The status of a stream task has changed.
	EventDrive EventType = 4 // The status of a drive has changed.
)

// TaskEvent is the new status of a stream task.
type TaskEvent struct {
	Status     TaskStatus `json:"Status"`
	RoomID     string     `json:"RoomId"`
	StreamID   string     `json:"StreamId"`
	FailReason string     `json:"FailReason"` // Why the stream could not start, if Status is TaskInitFailed.
}

// DriveEvent is the new status of a drive.
type DriveEvent struct {
	DriveID string      `json:"DriveId"`
	Status  DriveStatus `json:"Status"`
}

// Key identifies an event. It is the same for all callbacks by which ZEGO tells the event:
// use it to take each event once.
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

// CallbackSignature returns the signature of a callback: the SHA-1 of secret, timestamp and
// nonce, sorted and joined as text, in lowercase hexadecimal. The secret is the project's
// callback secret, not its server secret. timestamp and nonce are as in the callback.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/receiving-callback
func CallbackSignature(secret, timestamp, nonce string) string {
	parts := []string{secret, timestamp, nonce}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // ZEGO defines its signature as SHA-1.
	return hex.EncodeToString(sum[:])
}

// ErrCallbackSignature is the error of ParseCallback if the signature is wrong: the callback
// is not from ZEGO, or the callback secret is not the project's.
var ErrCallbackSignature = errors.New("zego: callback: the signature does not match")

// ParseCallback checks the signature of a callback and decodes its body. If the signature
// is wrong, the error is ErrCallbackSignature. It does not check how old Event.Sent is; see
// CallbackHandler.
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
	if sent < 1e11 { // In seconds: ZEGO's text says milliseconds, but its examples have seconds.
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

// MaxCallbackAge is how far Event.Sent may be in the past or the future for CallbackHandler
// to accept the callback. ZEGO's last repetition comes about a minute after the first
// callback.
const MaxCallbackAge = 10 * time.Minute

// maxCallback bounds the body of a callback, in bytes. ZEGO's have a few hundred.
const maxCallback = 1 << 20

// CallbackHandler returns a handler for the URL that ZEGO support has registered for the
// project's callbacks. It checks the signature and the age of each callback and calls
// handle with its Event. If handle returns an error, ZEGO repeats the callback up to five
// times, after 2, 4, 8, 16 and 32 seconds. handle may be called concurrently, and more than
// once for an event; see Event.Key.
//
// The secret is the project's callback secret. CallbackHandler panics if it is empty,
// because anybody could then sign callbacks.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/receiving-callback
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
