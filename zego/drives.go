package zego

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Drive is the answer to a call that makes a digital human speak.
type Drive struct {
	ID        string // Callbacks name the drive by it; see DriveEvent.
	RequestID string
}

// InterruptMode says what happens to the running drive of a stream task when a new one
// comes.
type InterruptMode int

// The interrupt modes. ZEGO's default is Queue.
const (
	Queue     InterruptMode = 0 // The new drive waits until the running one has ended.
	Interrupt InterruptMode = 1 // The new drive cuts off the running one.
)

// VoiceChannel says which channel of two-channel audio has the voice.
type VoiceChannel int

// The voice channels. ZEGO's default is MixedChannels.
const (
	MixedChannels VoiceChannel = 0
	LeftChannel   VoiceChannel = 1
	RightChannel  VoiceChannel = 2
)

// MaxText is the largest number of characters (not bytes) in the text of DriveByText.
const MaxText = 1800

// DriveByTextRequest says what to speak and how. A field that is nil is not sent, and ZEGO
// uses its default.
type DriveByTextRequest struct {
	TaskID        string         `json:"TaskId"`
	Text          string         `json:"Text"` // 1 to MaxText characters.
	TTSConfig     TTSConfig      `json:"TTSConfig"`
	InterruptMode *InterruptMode `json:"InterruptMode,omitempty"` // Default Queue.
}

// TTSConfig describes a voice. A field that is nil is not sent, and ZEGO uses its default.
type TTSConfig struct {
	Volume     *int   `json:"Volume,omitempty"`     // 1 to 100; default 50.
	SpeechRate *int   `json:"SpeechRate,omitempty"` // -500 to 500, higher is faster; default 0.
	PitchRate  *int   `json:"PitchRate,omitempty"`  // -500 to 500, higher is higher; default 0.
	TimbreID   string `json:"TimbreId"`             // From ListTimbres.
}

// DriveByAudioRequest says which audio file to speak. A field that is nil is not sent, and
// ZEGO uses its default.
type DriveByAudioRequest struct {
	TaskID        string         `json:"TaskId"`
	AudioURL      string         `json:"AudioUrl"`                // Of an MP3 or WAV file that ZEGO can fetch.
	InterruptMode *InterruptMode `json:"InterruptMode,omitempty"` // Default Queue.
	VoiceChannel  *VoiceChannel  `json:"VoiceChannel,omitempty"`  // Default MixedChannels.
}

var (
	driveByText      = apiAction{name: "DriveByText", nonIdempotent: true}
	driveByAudio     = apiAction{name: "DriveByAudio", nonIdempotent: true}
	driveByRTCStream = apiAction{name: "DriveByRTCStream", nonIdempotent: true}
	driveByWSStream  = apiAction{name: "DriveByWsStream", nonIdempotent: true}
	doAction         = apiAction{name: "DoAction", nonIdempotent: true, noData: true}
	interruptDrive   = apiAction{name: "InterruptDriveTask", noData: true}
	getDriveStatus   = apiAction{name: "GetDriveStatus", readOnly: true}
)

// maxStartWait bounds how long a drive waits for its stream to start.
const maxStartWait = 20 * time.Second

// DriveByText makes a digital human speak a text. It returns when ZEGO has accepted the
// text, not when it has been spoken. If the stream is still starting, DriveByText waits for
// that, for up to 20 s. It never speaks twice: if ZEGO's answer is lost, the error is a
// *LostAnswerError and the text may be spoken.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-text
func (c *Client) DriveByText(ctx context.Context, in DriveByTextRequest) (Drive, error) {
	return drive(ctx, c, driveByText, in.TaskID, in)
}

// DriveByAudio makes a digital human speak an audio file. It waits for the stream, and
// never speaks twice, as DriveByText does.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-audio
func (c *Client) DriveByAudio(ctx context.Context, in DriveByAudioRequest) (Drive, error) {
	return drive(ctx, c, driveByAudio, in.TaskID, in)
}

// DriveByRTCStream makes a digital human speak the audio of another stream, source, which
// must be on air already. The running drive is cut off, and those that wait are dropped. It
// waits for the digital human's own stream as DriveByText does.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-rtc-stream
func (c *Client) DriveByRTCStream(ctx context.Context, taskID string, source RTCConfig) (Drive, error) {
	return drive(ctx, c, driveByRTCStream, taskID, rtcStreamRequest{taskID, source})
}

// rtcStreamRequest is the body of DriveByRTCStream.
type rtcStreamRequest struct {
	TaskID    string    `json:"TaskId"`
	RTCConfig RTCConfig `json:"RTCConfig"`
}

// drive calls an action that starts a drive, when the stream has started.
func drive(ctx context.Context, c *Client, action apiAction, taskID string, in any) (Drive, error) {
	out, got, err := callStarted[driveData](ctx, c, action, taskID, in)
	return Drive{ID: out.DriveID, RequestID: got.RequestID}, err
}

// DoAction makes a digital human perform a gesture. name is the Name of one of its own
// Gestures. ZEGO refuses others with CodeInvalidParameter. DoAction waits for the stream, and
// never performs twice, as DriveByText does.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/do-action
func (c *Client) DoAction(ctx context.Context, taskID, name string) (requestID string, err error) {
	_, got, err := callStarted[noData](ctx, c, doAction, taskID, doActionRequest{taskID, name})
	return got.RequestID, err
}

// doActionRequest is the body of DoAction.
type doActionRequest struct {
	TaskID string `json:"TaskId"`
	Action string `json:"Action"`
}

// callStarted calls an action that ZEGO refuses until the stream of the task has started.
// If ZEGO refuses it for that reason, callStarted waits for the stream, for up to
// maxStartWait in all, and calls again.
func callStarted[T any, D payload[T]](ctx context.Context, c *Client, action apiAction, taskID string, in any) (T, answer, error) {
	waitCtx, cancel := context.WithTimeout(ctx, maxStartWait)
	defer cancel()
	for interval := c.retryInterval; ; interval = min(2*interval, 5*c.retryInterval) {
		out, got, err := call[T, D](ctx, c, action, in)
		if !errors.Is(err, CodeStreamNotStarted) {
			return out, got, err
		}
		task, waitErr := c.WaitStreamTask(waitCtx, taskID, nil)
		if waitErr != nil || task.Status != TaskStreaming || !sleep(waitCtx, interval) {
			return out, got, err // ZEGO's refusal tells more than waitErr.
		}
	}
}

// InterruptDrive cuts off what a digital human is speaking and drops the drives that wait.
// The stream goes on.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/interrupt-drive-task
func (c *Client) InterruptDrive(ctx context.Context, taskID string) (requestID string, err error) {
	_, got, err := call[noData](ctx, c, interruptDrive, taskRequest{taskID})
	return got.RequestID, err
}

// DriveStatus is the state of a drive.
type DriveStatus int

// The states of a drive.
const (
	DriveQueued      DriveStatus = 1
	Driving          DriveStatus = 2 // The digital human is speaking it.
	DriveFailed      DriveStatus = 3
	DriveEnded       DriveStatus = 4 // The digital human has spoken it to its end.
	DriveInterrupted DriveStatus = 5 // It was cut off. Mentioned in ZEGO's sample code and overview only.
)

// String returns the state in a word, e.g. "driving".
func (s DriveStatus) String() string {
	switch s {
	case DriveQueued:
		return "queued"
	case Driving:
		return "driving"
	case DriveFailed:
		return "failed"
	case DriveEnded:
		return "ended"
	case DriveInterrupted:
		return "interrupted"
	}
	return fmt.Sprintf("status %d", int(s))
}

// DriveState is a drive and its state.
type DriveState struct {
	ID     string      `json:"DriveId"`
	Status DriveStatus `json:"Status"`
}

// GetDriveStatus returns the drive with the id driveID, or if that is empty all drives of
// the task. taskID may be empty if driveID is not. ZEGO has removed the documentation of
// this action, and it may no longer work. Callbacks tell the same, see CallbackHandler.
func (c *Client) GetDriveStatus(ctx context.Context, taskID, driveID string) ([]DriveState, error) {
	in := struct {
		TaskID  string `json:"TaskId,omitempty"`
		DriveID string `json:"DriveId,omitempty"`
	}{taskID, driveID}
	out, _, err := call[driveListData](ctx, c, getDriveStatus, in)
	return out.DriveList, err
}

// driveData is the Data of the actions that start a drive.
type driveData struct {
	DriveID string `json:"DriveId"`
}

func (d *driveData) check() error { return checkID("DriveId", d.DriveID) }

func (d *driveData) clone() driveData { return *d }

// driveListData is the Data of GetDriveStatus.
type driveListData struct {
	DriveList []DriveState `json:"DriveList"`
}

func (d *driveListData) check() error {
	for i, drive := range d.DriveList {
		if err := checkID("DriveId", drive.ID); err != nil {
			return fmt.Errorf("entry %d of DriveList: %w", i, err)
		}
	}
	return nil
}

func (d *driveListData) clone() driveListData {
	return driveListData{DriveList: append([]DriveState{}, d.DriveList...)}
}
