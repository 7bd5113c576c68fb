package zego

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// WSSAddress is where to stream audio to. It carries a token, so it prints as
// "[redacted]"; convert it to a string to use it.
type WSSAddress string

// String returns "[redacted]".
func (WSSAddress) String() string { return "[redacted]" }

// GoString returns "[redacted]".
func (WSSAddress) GoString() string { return "[redacted]" }

// MarshalText returns "[redacted]".
func (WSSAddress) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// WSDrive is the answer to DriveByWSStream.
type WSDrive struct {
	Drive
	Address WSSAddress // Connect within 10 minutes; its certificate does not verify.
}

// DriveByWSStream returns an address to stream audio to; Speak does both. It cuts off
// the running drive and drops those that wait.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-ws-stream
func (c *Client) DriveByWSStream(ctx context.Context, taskID string) (WSDrive, error) {
	out, got, err := callStarted[wsDriveData](ctx, c, driveByWSStream, taskID, taskRequest{taskID})
	return WSDrive{Drive{ID: out.DriveID, RequestID: got.RequestID}, WSSAddress(out.WSSAddress)}, err
}

type wsDriveData struct {
	DriveID    string `json:"DriveId"`
	WSSAddress string `json:"WssAddress"`
}

func (d *wsDriveData) check() error {
	if d.DriveID == "" {
		return errors.New("field DriveId is missing")
	}
	if d.WSSAddress == "" {
		return errors.New("field WssAddress is missing")
	}
	return nil
}

func (d *wsDriveData) clone() wsDriveData { return *d }

// Spoken is the result of Speak.
type Spoken struct {
	Drive
	Length time.Duration // Of the audio.
}

// SpeechError says that audio could not be sent to its end.
type SpeechError struct {
	DriveID string
	Sent    time.Duration // Audio that was sent, and may have been spoken.
	Err     error         // Without the address and its token.
}

// Error returns one line with how much was sent, and why not all.
func (e *SpeechError) Error() string {
	return fmt.Sprintf("zego: the speech broke off after %v of audio: %v", e.Sent.Round(time.Millisecond), e.Err)
}

// Unwrap returns the cause.
func (e *SpeechError) Unwrap() error { return e.Err }

const (
	frameLength = 100 * time.Millisecond // Of audio in one message, as in ZEGO's samples.
	maxAhead    = 500 * time.Millisecond // How far the audio is sent ahead, against stutter.
)

// Speak makes a digital human speak audio as it is read: it sends it at speaking
// pace, half a second ahead, and returns when the last of it was sent. It cuts off
// the running drive and drops those that wait. When ctx ends, so does the speech.
// A Read that blocks holds Speak up.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-ws-stream
func (c *Client) Speak(ctx context.Context, taskID string, audio PCM) (Spoken, error) {
	if err := audio.check(); err != nil {
		return Spoken{}, fmt.Errorf("zego: %w", err)
	}
	frame := make([]byte, audio.bytesIn(frameLength))
	// Read first: nothing is cut off for audio that is not there.
	n, err := readFrame(audio, frame)
	if err != nil {
		return Spoken{}, fmt.Errorf("zego: read audio: %w", err)
	}
	if n == 0 {
		return Spoken{}, errors.New("zego: the audio is empty")
	}
	drive, err := c.DriveByWSStream(ctx, taskID)
	if err != nil {
		return Spoken{}, err
	}
	s := speech{audio: audio, driveID: drive.ID, timeout: c.timeout}
	if err := s.speak(ctx, drive.Address, frame, n); err != nil {
		return Spoken{}, &SpeechError{DriveID: drive.ID, Sent: audio.lengthOf(s.sent), Err: scrubAddress(ctx, err, drive.Address)}
	}
	return Spoken{drive.Drive, audio.lengthOf(s.sent)}, nil
}

// speech is one connection to a WSSAddress and the audio that goes through it.
type speech struct {
	audio   PCM
	driveID string
	timeout time.Duration // Of connecting, and of sending one message.
	conn    *websocket.Conn
	sent    int64 // Bytes of audio.
}

// speak sends the audio whose first n bytes are in frame already, from the connection's
// beginning to its end. Then s.sent tells how much was sent, also after an error.
func (s *speech) speak(ctx context.Context, address WSSAddress, frame []byte, n int) error {
	if err := s.connect(ctx, address); err != nil {
		return err
	}
	defer func() { _ = s.conn.CloseNow() }()
	ctx, stopReading := s.startReading(ctx)
	defer stopReading()
	if err := s.sendControl(ctx, "Start", true); err != nil {
		return err
	}
	if err := s.sendAudio(ctx, frame, n); err != nil {
		return err
	}
	if err := s.sendControl(ctx, "Stop", false); err != nil {
		return err
	}
	// Close waits for the server's answer; a caller that cancels does not.
	defer context.AfterFunc(ctx, func() { _ = s.conn.CloseNow() })()
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
	return nil
}

// startReading reads and drops what the server sends, in a goroutine that ends with the
// returned function. ZEGO documents no messages of the server's, but only a connection that
// is read shows that the server has closed it: the returned context is then cancelled, with
// the reason as its cause. It is cancelled with ctx too.
//
// Reading goes on after ctx ends: websocket closes a connection whose Read is cancelled,
// and Stop has to be sent yet.
func (s *speech) startReading(ctx context.Context) (context.Context, func()) {
	readCtx, endReading := context.WithCancel(context.WithoutCancel(ctx))
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		cancel(s.discardMessages(readCtx))
	}()
	return ctx, func() { endReading(); <-done }
}

// sendAudio sends frame[:n] and then the rest of the audio, at speaking pace and
// maxAhead ahead of it. If ctx ends or the audio cannot be read, it tells the server.
func (s *speech) sendAudio(ctx context.Context, frame []byte, n int) error {
	for start := time.Now(); n > 0; {
		if err := s.write(ctx, websocket.MessageBinary, frame[:n]); err != nil {
			return err
		}
		s.sent += int64(n)
		if s.audio.Progress != nil {
			s.audio.Progress(s.audio.lengthOf(s.sent))
		}
		if ahead := s.audio.lengthOf(s.sent) - time.Since(start); ahead > maxAhead && !sleep(ctx, ahead-maxAhead) {
			s.stopEarly(ctx)
			return context.Cause(ctx)
		}
		var err error
		if n, err = readFrame(s.audio, frame); err != nil {
			s.stopEarly(ctx)
			return fmt.Errorf("read audio: %w", err)
		}
	}
	return nil
}

// stopEarly tells the server early that nothing more comes: it would wait, and the
// digital human stutter.
func (s *speech) stopEarly(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.sendControl(ctx, "Stop", false)
}

func (s *speech) connect(ctx context.Context, address WSSAddress) error {
	u, err := url.Parse(string(address))
	if err != nil || u.Host == "" || u.Scheme != "wss" && (u.Scheme != "ws" || !isLoopback(u.Hostname())) {
		return errors.New("ZEGO's WssAddress is no wss URL")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// The address is an IP whose certificate does not verify: ZEGO's documentation says
	// to skip that for it. The token in it is good for this one speech.
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // See above.
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	//nolint:bodyclose // Dial says that nobody needs to.
	conn, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		if resp != nil {
			return fmt.Errorf("the audio connection was refused: HTTP %d", resp.StatusCode)
		}
		return withoutURL(err)
	}
	conn.SetReadLimit(-1) // Nothing of a message is kept.
	s.conn = conn
	return nil
}

func (s *speech) discardMessages(ctx context.Context) error {
	for {
		_, message, err := s.conn.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, message)
		}
		if status := websocket.CloseStatus(err); status >= 0 {
			return fmt.Errorf("the server closed the audio connection (%v)", status)
		}
		if err != nil {
			return fmt.Errorf("the audio connection broke: %w", err)
		}
	}
}

// sendControl sends a control message.
func (s *speech) sendControl(ctx context.Context, action string, format bool) error {
	type payload struct {
		DriveID      string       `json:"DriveId"`
		SampleRate   int          `json:"SampleRate,omitempty"`
		Channel      int          `json:"Channel,omitempty"`
		VoiceChannel VoiceChannel `json:"VoiceChannel,omitempty"`
	}
	control := struct {
		Action     string  `json:"Action"`
		SequenceID string  `json:"SequenceID"`
		Payload    payload `json:"Payload"`
	}{action, "seq_" + s.driveID, payload{DriveID: s.driveID}}
	if format {
		control.Payload.SampleRate = s.audio.sampleRate()
		if s.audio.Channels == 2 {
			control.Payload.Channel, control.Payload.VoiceChannel = 2, s.audio.VoiceChannel
		}
	}
	text, err := json.Marshal(control)
	if err != nil {
		return err
	}
	return s.write(ctx, websocket.MessageText, text)
}

func (s *speech) write(ctx context.Context, kind websocket.MessageType, message []byte) error {
	writing, cancel := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("nothing was taken for %v: %w", s.timeout, context.DeadlineExceeded))
	defer cancel()
	if err := s.conn.Write(writing, kind, message); err != nil {
		if cause := context.Cause(writing); cause != nil {
			return cause
		}
		// Whoever reads learns why, perhaps a moment later.
		if !sleep(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
		return fmt.Errorf("the audio connection broke: %w", err)
	}
	return nil
}

// readFrame fills frame, or at the end of the audio a part of it.
func readFrame(r io.Reader, frame []byte) (int, error) {
	n, err := io.ReadFull(r, frame)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

// scrubAddress keeps the token out of an error, and the caller's own end of the call
// recognizable.
func scrubAddress(ctx context.Context, err error, address WSSAddress) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text := strings.ReplaceAll(err.Error(), string(address), "[address]")
	if u, parseErr := url.Parse(string(address)); parseErr == nil {
		for _, values := range u.Query() {
			for _, value := range slices.DeleteFunc(values, func(v string) bool { return v == "" }) {
				text = strings.ReplaceAll(text, value, "[token]")
			}
		}
	}
	return errors.New(oneLine(text, 300))
}
