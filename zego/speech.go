package zego

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
)

// WSSAddress is the address of a WebSocket to stream audio to. It holds a token, so it
// prints as "[redacted]". Convert it to a string to use it.
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
	Address WSSAddress // Connect within 10 minutes. The server's certificate does not verify.
}

// DriveByWSStream returns an address to stream audio to. Speak calls it and streams the
// audio. The running drive is cut off, and those that wait are dropped. DriveByWSStream
// waits for the digital human's stream as DriveByText does.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-ws-stream
func (c *Client) DriveByWSStream(ctx context.Context, taskID string) (WSDrive, error) {
	out, got, err := callStarted[wsDriveData](ctx, c, driveByWSStream, taskID, taskRequest{taskID})
	return WSDrive{Drive{ID: out.DriveID, RequestID: got.RequestID}, WSSAddress(out.WSSAddress)}, err
}

// wsDriveData is the Data of DriveByWsStream.
type wsDriveData struct {
	DriveID    string `json:"DriveId"`
	WSSAddress string `json:"WssAddress"`
}

func (d *wsDriveData) check() error {
	if d.WSSAddress == "" {
		return errors.New("field WssAddress is missing")
	}
	return errors.Join(checkID("DriveId", d.DriveID), checkLengths(maxURL, field{"WssAddress", d.WSSAddress}))
}

func (d *wsDriveData) clone() wsDriveData { return *d }

// Spoken is the result of Speak.
type Spoken struct {
	Drive
	Length time.Duration // How long the audio was.
}

// SpeechError says that Speak could not send the audio to its end.
type SpeechError struct {
	DriveID string
	Sent    time.Duration // How much of the audio was sent. It may have been spoken.
	Err     error         // The cause, without the address and its token.
}

// Error returns one line with how much was sent, and why not all.
func (e *SpeechError) Error() string {
	return fmt.Sprintf("zego: the speech broke off after %v of audio: %v", e.Sent.Round(time.Millisecond), e.Err)
}

// Unwrap returns the cause.
func (e *SpeechError) Unwrap() error { return e.Err }

// MaxSpeechAhead is how far Speak sends ahead of speaking, so that nothing stutters. When Speak
// returns, so much of the audio is still to be spoken.
const MaxSpeechAhead = 500 * time.Millisecond

// frameLength is how much audio one message holds, as in ZEGO's samples.
const frameLength = 100 * time.Millisecond

// Speak makes a digital human speak audio while it is read. It reads and sends at speaking
// pace, half a second ahead, and returns when all is sent. The running drive is cut off,
// and those that wait are dropped. When ctx ends, so does the speech; but Speak does not
// return while a Read of the audio blocks. Once ZEGO has accepted the drive, an
// error is a *SpeechError.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-ws-stream
func (c *Client) Speak(ctx context.Context, taskID string, audio PCM) (Spoken, error) {
	if err := audio.check(); err != nil {
		return Spoken{}, fmt.Errorf("zego: %w", err)
	}
	frame := make([]byte, audio.bytesIn(frameLength))
	// Read before calling ZEGO, so that audio which cannot be read cuts nothing off.
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
	if audio.Accepted != nil {
		audio.Accepted(drive.Drive)
	}
	s := speech{audio: audio, driveID: drive.ID, timeout: c.timeout}
	if err := s.speak(ctx, drive.Address, frame, n); err != nil {
		return Spoken{}, &SpeechError{DriveID: drive.ID, Sent: audio.lengthOf(s.sent), Err: speechCause(ctx, err, drive.Address)}
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

// speak connects to address, sends the audio and closes the connection. The first n bytes
// of the audio are in frame already. s.sent then tells how much was sent, also after an
// error.
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
	// Close waits until the server confirms it, but not longer than until ctx ends.
	defer context.AfterFunc(ctx, func() { _ = s.conn.CloseNow() })()
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
	return nil
}

// startReading reads and drops what the server sends, in a goroutine. ZEGO documents no
// messages of the server's, but only reading shows that the server has closed the
// connection. The returned context ends when that happens, with the reason as its cause,
// and when ctx ends. The returned function ends the goroutine and waits for it.
//
// Reading goes on after ctx has ended: websocket closes a connection whose Read is
// cancelled, and a Stop message has to be sent first.
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

// sendAudio sends frame[:n] and then the rest of the audio, MaxSpeechAhead ahead of speaking. It
// reads each part into frame. If ctx ends or the audio cannot be read, it sends a Stop
// message.
func (s *speech) sendAudio(ctx context.Context, frame []byte, n int) error {
	for start := time.Now(); n > 0; {
		if ctx.Err() != nil { // A write under ctx would close the connection before a Stop message.
			s.stopEarly(ctx)
			return context.Cause(ctx)
		}
		if err := s.write(ctx, websocket.MessageBinary, frame[:n]); err != nil {
			return err
		}
		s.sent += int64(n)
		if s.audio.Progress != nil {
			s.audio.Progress(s.audio.lengthOf(s.sent))
		}
		if ahead := s.audio.lengthOf(s.sent) - time.Since(start); !sleep(ctx, ahead-MaxSpeechAhead) {
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

// stopEarly sends a Stop message although ctx may have ended. Without it the server would
// wait for more audio, and the digital human would stutter.
func (s *speech) stopEarly(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.sendControl(ctx, "Stop", false)
}

// connect sets s.conn.
func (s *speech) connect(ctx context.Context, address WSSAddress) error {
	u, err := url.Parse(string(address))
	if err != nil || u.Host == "" || u.Scheme != "wss" && (u.Scheme != "ws" || !isLoopback(u.Hostname())) {
		return errors.New("ZEGO's WssAddress is no wss URL")
	}
	transport := newTransport(http.ProxyFromEnvironment)
	// The address is an IP whose certificate does not verify: ZEGO's documentation says
	// to skip that for it. The token in it is good for this one speech.
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // See above.
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	//nolint:bodyclose // The documentation of Dial says that the body need not be closed.
	conn, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: noRedirects{transport}}})
	if err != nil {
		if resp != nil {
			return fmt.Errorf("the audio connection was refused: HTTP %d", resp.StatusCode)
		}
		return describeFailure(err)
	}
	conn.SetReadLimit(-1) // However large a message is, nothing of it is kept.
	s.conn = conn
	return nil
}

// discardMessages reads until the connection is closed or ctx ends, and returns why.
func (s *speech) discardMessages(ctx context.Context) error {
	for {
		_, message, err := s.conn.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, message)
		}
		if status := websocket.CloseStatus(err); status != -1 {
			return fmt.Errorf("the server closed the audio connection (%v)", status)
		}
		if err != nil {
			return fmt.Errorf("the audio connection broke: %w", err)
		}
	}
}

// sendControl sends a Start or Stop message, with the format of the audio if withFormat.
func (s *speech) sendControl(ctx context.Context, action string, withFormat bool) error {
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
	if withFormat {
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

// write sends one message within s.timeout.
func (s *speech) write(ctx context.Context, kind websocket.MessageType, message []byte) error {
	writeCtx, cancel := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("nothing was taken for %v: %w", s.timeout, context.DeadlineExceeded))
	defer cancel()
	if err := s.conn.Write(writeCtx, kind, message); err != nil {
		// The goroutine that reads learns why the server closed the connection, perhaps a
		// moment later. It then ends ctx, and with it writeCtx, with that cause.
		sleep(writeCtx, 200*time.Millisecond)
		return cmp.Or(context.Cause(writeCtx), fmt.Errorf("the audio connection broke: %w", err))
	}
	return nil
}

// readFrame fills frame and returns how many bytes it read: fewer than len(frame) at the
// end of the audio, which is no error, and 0 after it.
func readFrame(r io.Reader, frame []byte) (int, error) {
	n, err := io.ReadFull(r, frame)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

// speechCause returns what may be shown of err, which ended a speech to address. If ctx has
// ended it returns the cause of that.
func speechCause(ctx context.Context, err error, address WSSAddress) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return addressScrubber(address).cause(err)
}
