package zegosim

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"slices"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim/speech"
)

// tokenLifetime is how long an address of DriveByWsStream can be used.
//
// Assumed: ZEGO documents none; a token in one of its examples was valid this long.
const tokenLifetime = 10 * time.Minute

// VoiceInfo is what arrived for a drive over WebSocket.
type VoiceInfo struct {
	Bytes        int64             // of audio
	SHA256       [sha256.Size]byte // of all audio, in its order
	SampleRate   int               // Hz
	Channels     int
	VoiceChannel int
	Started      bool // a Start came
	Stopped      bool // a Stop came
}

// VoiceFault is something that goes wrong with one WebSocket connection. Its zero
// value changes nothing.
type VoiceFault = speech.Fault

// Voice returns what arrived for a drive of DriveByWsStream; false for any other.
func (s *Server) Voice(driveID string) (VoiceInfo, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		for _, d := range t.drives {
			if d.id == driveID && d.voice != nil {
				info := d.voice.info
				d.voice.sum.Sum(info.SHA256[:0])
				return info, true
			}
		}
	}
	return VoiceInfo{}, false
}

// Close ends the port and the connections that DriveByWsStream opened, and waits until
// they have ended. It may be called more than once; the API goes on to answer.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	listening := s.speech
	s.mu.Unlock()
	if listening == nil {
		return nil
	}
	return listening.Close()
}

// voice is the part of a drive that comes over WebSocket. Server.mu guards it.
type voice struct {
	token     string
	expiresAt time.Time // of the token
	startedAt time.Time // when the audio since the last Start begins to be spoken
	newBytes  int64     // of audio since the last Start
	info      VoiceInfo // without SHA256
	sum       hash.Hash // of the audio so far
}

// newVoice returns a voice, and the address to send its speech to. The caller holds
// s.mu.
func (s *Server) newVoice(now time.Time) (v *voice, address string, err error) {
	if s.closed {
		return nil, "", errors.New("it is closed")
	}
	if s.speech == nil {
		if s.speech, err = speech.Listen(cmp.Or(s.VoiceListen, "127.0.0.1:0"), s.openVoice); err != nil {
			return nil, "", err
		}
	}
	v = &voice{token: rand.Text(), expiresAt: now.Add(tokenLifetime), sum: sha256.New()}
	return v, s.speech.URL(v.token), nil
}

// openVoice returns the session of a connection that comes with token, or nil if token
// is not valid.
//
// Assumed: a token opens connections as long as it lives, even if its drive was
// interrupted.
func (s *Server) openVoice(token string) *speech.Session {
	t, d := s.findVoice(token)
	if t == nil {
		return nil
	}
	c := &voiceConn{server: s, task: t}
	session := &speech.Session{
		Turn: t.voiceTurn,
		Frame: func(text bool, data []byte) []byte {
			take := c.takeAudio
			if text {
				take = c.takeMessage
			}
			return encodeRefusal(take(data))
		},
		End: func() { c.endDrive(false) },
	}
	if s.VoiceFault != nil {
		if fault := s.VoiceFault(d.id); fault != nil {
			session.Fault = *fault
		}
	}
	return session
}

func (s *Server) findVoice(token string) (*task, *drive) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.updateTasks()
	for _, t := range s.tasks {
		for _, d := range t.drives {
			if t.status == streaming && d.voice != nil && d.voice.token == token && now.Before(d.voice.expiresAt) {
				return t, d
			}
		}
	}
	return nil, nil
}

// encodeRefusal returns the message for a refusal, or nil if err is nil.
//
// Assumed: its shape.
func encodeRefusal(err error) []byte {
	var refused *refusal
	if !errors.As(err, &refused) {
		return nil
	}
	text, _ := json.Marshal(struct { // A number and a text can always be encoded.
		Code    zego.Code
		Message string
	}{refused.code, refused.message})
	return text
}

// voiceConn is a WebSocket connection that sends speech to a stream task, for one drive
// after the other.
type voiceConn struct {
	server *Server
	task   *task
	drive  *drive // between its Start and its Stop; otherwise nil
}

// takeAudio takes a binary frame. If the drive was interrupted, the audio is lost.
func (c *voiceConn) takeAudio(pcm []byte) error {
	if c.drive == nil {
		return refuse(zego.CodeInvalidParameter, "audio came before Start")
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.updateTasks()
	if c.task.status != streaming {
		return c.task.stoppedError()
	}
	if c.drive.status == driving {
		c.drive.voice.info.Bytes += int64(len(pcm))
		c.drive.voice.newBytes += int64(len(pcm))
		_, _ = c.drive.voice.sum.Write(pcm)
	}
	return nil
}

// takeMessage takes a text frame, which is a Start or a Stop.
//
// Assumed: VoiceChannel is refused without two channels, and a Start before the Stop of
// the drive before.
func (c *voiceConn) takeMessage(message []byte) error {
	p, err := bodyParams(message)
	if err != nil {
		return err
	}
	action := p.required("Action")
	payload := p.object("Payload")
	driveID := payload.required("DriveId")
	switch action {
	case "Start":
		info := VoiceInfo{
			SampleRate:   payload.number("SampleRate", 16000, 16000, 24000),
			Channels:     payload.number("Channel", 1, 1, 2),
			VoiceChannel: payload.number("VoiceChannel", 0, 0, 2),
			Started:      true,
		}
		if info.SampleRate != 16000 && info.SampleRate != 24000 {
			payload.wrong("SampleRate", "must be 16000 or 24000, got %d", info.SampleRate)
		}
		if info.VoiceChannel != 0 && info.Channels != 2 {
			payload.wrong("VoiceChannel", "needs Channel 2")
		}
		if c.drive != nil {
			payload.wrong("DriveId", "cannot start before drive %q is stopped", c.drive.id)
		}
		if p.err != nil {
			return p.err
		}
		return c.startDrive(driveID, info)
	case "Stop":
		if c.drive == nil || c.drive.id != driveID {
			payload.wrong("DriveId", "%q has not been started", driveID)
		}
		if p.err != nil {
			return p.err
		}
		c.endDrive(true)
		return nil
	default:
		p.wrong("Action", "must be Start or Stop, got %q", action)
		return p.err
	}
}

// startDrive starts a drive that waits for its Start, or one that was started before.
func (c *voiceConn) startDrive(driveID string, info VoiceInfo) error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	now := c.server.updateTasks()
	t := c.task
	if t.status != streaming {
		return t.stoppedError()
	}
	if i := slices.IndexFunc(t.drives, func(d *drive) bool { return d.id == driveID && d.voice != nil && d.voice.info.Started }); i >= 0 {
		c.server.log().Warn("a drive was started again: ZEGO asks for a new DriveId each time", "task_id", t.id, "drive_id", driveID)
		c.drive = t.drives[i]
		c.startAgain(info, now)
		return nil
	}
	// A drive of DriveByWsStream that waits for its Start is always the first.
	if len(t.queue) == 0 || t.queue[0].id != driveID || t.queue[0].voice == nil || t.queue[0].status != queued {
		return refuse(zego.CodeInvalidParameter, "Payload.DriveId %q is not a drive that waits for its Start", driveID)
	}
	c.drive = t.queue[0]
	c.drive.voice.info, c.drive.voice.startedAt = info, now
	t.speak(c.drive, now)
	return nil
}

// startAgain starts c.drive once more, as ZEGO's server sample does for each new text. The
// caller holds Server.mu.
//
// Assumed: audio that is still being spoken is spoken to its end before. If the drive was
// over, it interrupts all others, as DriveByWsStream does.
func (c *voiceConn) startAgain(info VoiceInfo, now time.Time) {
	d, v := c.drive, c.drive.voice
	info.Bytes = v.info.Bytes
	v.info, v.newBytes, v.startedAt = info, 0, now
	if d.status == driving {
		v.startedAt, d.endsAt = d.endsAt, time.Time{}
		return
	}
	c.task.interrupt(len(c.task.queue), now)
	c.task.queue = append(c.task.queue, d)
	d.endedAt = time.Time{}
	c.task.speak(d, now)
}

// endDrive says that no more audio comes for the drive, if there is one: because of a
// Stop, or because the connection has ended. The drive ends when all its audio has been
// spoken.
func (c *voiceConn) endDrive(stopped bool) {
	if c.drive == nil {
		return
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	now := c.server.updateTasks()
	v := c.drive.voice
	v.info.Stopped = stopped
	if c.drive.status == driving {
		bytesPerSecond := int64(v.info.SampleRate * v.info.Channels * 2)
		spokenAt := v.startedAt.Add(time.Duration(v.newBytes * int64(time.Second) / bytesPerSecond))
		c.drive.endsAt = spokenAt
		if spokenAt.Before(now) {
			c.drive.endsAt = now
		}
	}
	c.drive = nil
}
