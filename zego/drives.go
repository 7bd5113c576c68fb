package zego

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Drive is something that a digital human was told to say.
type Drive struct {
	ID        string
	RequestID string
}

// InterruptMode says what a drive does to the one that is running.
type InterruptMode int

// The interrupt modes. ZEGO's default is Queue.
const (
	Queue     InterruptMode = 0 // Waits for it.
	Interrupt InterruptMode = 1 // Cuts it off.
)

// VoiceChannel says where the voice is in audio of two channels.
type VoiceChannel int

// The voice channels. ZEGO's default is MixedChannels.
const (
	MixedChannels VoiceChannel = 0
	LeftChannel   VoiceChannel = 1
	RightChannel  VoiceChannel = 2
)

// MaxText is the most characters (not bytes) that DriveByText takes at once.
const MaxText = 1800

// DriveByTextRequest says what to speak, and how.
type DriveByTextRequest struct {
	TaskID        string         `json:"TaskId"`
	Text          string         `json:"Text"` // 1 to MaxText characters.
	TTSConfig     TTSConfig      `json:"TTSConfig"`
	InterruptMode *InterruptMode `json:"InterruptMode,omitempty"` // Default Queue.
}

// TTSConfig is a voice. What is nil is not sent, and ZEGO's default holds.
type TTSConfig struct {
	Volume     *int   `json:"Volume,omitempty"`     // 1 to 100; default 50.
	SpeechRate *int   `json:"SpeechRate,omitempty"` // -500 to 500, higher is faster; default 0.
	PitchRate  *int   `json:"PitchRate,omitempty"`  // -500 to 500, higher is higher; default 0.
	TimbreID   string `json:"TimbreId"`             // From ListTimbres.
}

// DriveByAudioRequest says which audio file to speak.
type DriveByAudioRequest struct {
	TaskID        string         `json:"TaskId"`
	AudioURL      string         `json:"AudioUrl"`                // MP3 or WAV that ZEGO can fetch.
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

// startLimit bounds how long a drive waits for its stream to start.
const startLimit = 20 * time.Second

// DriveByText makes a digital human speak a text. If its stream is still starting
// it waits for that, for up to 20 s. It never speaks twice: if ZEGO's answer is lost
// the error is a *LostAnswerError, and the text may have been spoken.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-text
func (c *Client) DriveByText(ctx context.Context, in DriveByTextRequest) (Drive, error) {
	return drive(ctx, c, driveByText, in.TaskID, in)
}

// DriveByAudio makes a digital human speak an audio file, as DriveByText does a text.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-audio
func (c *Client) DriveByAudio(ctx context.Context, in DriveByAudioRequest) (Drive, error) {
	return drive(ctx, c, driveByAudio, in.TaskID, in)
}

// DriveByRTCStream makes a digital human speak the audio of another stream, which
// must be on air already. It cuts off the running drive and drops those that wait.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-rtc-stream
func (c *Client) DriveByRTCStream(ctx context.Context, taskID string, source RTCConfig) (Drive, error) {
	in := struct {
		TaskID    string    `json:"TaskId"`
		RTCConfig RTCConfig `json:"RTCConfig"`
	}{taskID, source}
	return drive(ctx, c, driveByRTCStream, taskID, in)
}

func drive(ctx context.Context, c *Client, act apiAction, taskID string, in any) (Drive, error) {
	out, got, err := callStarted[driveData](ctx, c, act, taskID, in)
	return Drive{ID: out.DriveID, RequestID: got.RequestID}, err
}

// DoAction makes a digital human perform a gesture, an Action.Name of its own. ZEGO
// answers CodeInvalidParameter to others. A stream that is still starting is waited
// for, and a lost answer is not repeated, as with DriveByText.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/do-action
func (c *Client) DoAction(ctx context.Context, taskID, name string) (requestID string, err error) {
	in := struct {
		TaskID string `json:"TaskId"`
		Action string `json:"Action"`
	}{taskID, name}
	_, got, err := callStarted[nothing](ctx, c, doAction, taskID, in)
	return got.RequestID, err
}

// callStarted calls an action that needs a stream which has started: what ZEGO
// refuses because it has not, it calls again when it has.
func callStarted[T any, D payload[T]](ctx context.Context, c *Client, act apiAction, taskID string, in any) (T, answer, error) {
	waiting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for pause := c.retryInterval; ; pause = min(2*pause, 5*c.retryInterval) {
		out, got, err := call[T, D](ctx, c, act, in)
		if !errors.Is(err, CodeStreamNotStarted) {
			return out, got, err
		}
		task, waitErr := c.WaitStreamTask(waiting, taskID, nil)
		if waitErr != nil || task.Status != TaskStreaming || !sleep(waiting, pause) {
			return out, got, err // ZEGO's refusal tells more.
		}
	}
}

// InterruptDrive cuts off what a digital human is saying and drops what waits to be
// said. The stream goes on.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/interrupt-drive-task
func (c *Client) InterruptDrive(ctx context.Context, taskID string) (requestID string, err error) {
	_, got, err := call[nothing](ctx, c, interruptDrive, taskRequest{taskID})
	return got.RequestID, err
}

// DriveStatus is where a drive is in its life.
type DriveStatus int

// The drive statuses.
const (
	DriveQueued      DriveStatus = 1
	Driving          DriveStatus = 2 // It is being spoken.
	DriveFailed      DriveStatus = 3
	DriveEnded       DriveStatus = 4 // It was spoken.
	DriveInterrupted DriveStatus = 5 // Seen in ZEGO's sample code and overview only.
)

// String returns the status in a word.
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

// DriveState is a drive and its status.
type DriveState struct {
	ID     string      `json:"DriveId"`
	Status DriveStatus `json:"Status"`
}

// GetDriveStatus returns one drive, or with an empty driveID all of a task. It is of
// ZEGO's old API, whose documentation is gone; callbacks took its place, see
// CallbackHandler. It may no longer answer.
func (c *Client) GetDriveStatus(ctx context.Context, taskID, driveID string) ([]DriveState, error) {
	in := struct {
		TaskID  string `json:"TaskId,omitempty"`
		DriveID string `json:"DriveId,omitempty"`
	}{taskID, driveID}
	out, _, err := call[driveListData](ctx, c, getDriveStatus, in)
	return out.DriveList, err
}

type driveData struct {
	DriveID string `json:"DriveId"`
}

func (d *driveData) check() error {
	if d.DriveID == "" {
		return errors.New("field DriveId is missing")
	}
	return nil
}

func (d *driveData) clone() driveData { return *d }

type driveListData struct {
	DriveList []DriveState `json:"DriveList"`
}

func (d *driveListData) check() error {
	for i, drive := range d.DriveList {
		if drive.ID == "" {
			return fmt.Errorf("entry %d of DriveList: field DriveId is missing", i)
		}
	}
	return nil
}

func (d *driveListData) clone() driveListData {
	return driveListData{DriveList: append([]DriveState{}, d.DriveList...)}
}
