package zegosim

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
	"zego-mcp/zego"
)

const (
	// maxDrives is how many drives of a task are remembered, queued ones included.
	maxDrives = 300

	// audioDuration is how long every file of DriveByAudio lasts. It is not fetched.
	//
	// Assumed: the number.
	audioDuration = 5 * time.Second
)

// DriveInfo is a drive, as the simulator knows it.
type DriveInfo struct {
	TaskID, DriveID string
	Text            string           // Of DriveByText only.
	Status          zego.DriveStatus // DriveEnded: it was spoken to its end.
	Ended           time.Time        // When it was over; zero before.
}

// Drives returns the drives of all stream tasks that the Server remembers, by task, and the
// oldest first.
func (s *Server) Drives() []DriveInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updateTasks()
	var all []DriveInfo
	for _, t := range s.tasks {
		for _, d := range t.drives {
			all = append(all, DriveInfo{TaskID: t.id, DriveID: d.id, Text: d.text, Status: zego.DriveStatus(d.status), Ended: d.endedAt})
		}
	}
	return all
}

type driveStatus int

const (
	queued driveStatus = 1 + iota
	driving
	failed
	ended
	interrupted // Assumed: GetDriveStatus reports it, but there is no callback for it.
)

// drive is something to speak. Server.mu guards it.
type drive struct {
	id       string
	text     string // of DriveByText only
	status   driveStatus
	endedAt  time.Time     // when it was over; zero before
	duration time.Duration // 0: it lasts until something ends it
	willFail bool          // it fails when its turn comes
	endsAt   time.Time     // when the clock ends it; zero if something else does
	voice    *voice        // of DriveByWsStream only; otherwise nil
}

// interruptMode is what a new drive does to the drives before it. The first two are
// the values of InterruptMode.
type interruptMode int

const (
	queueBehind      interruptMode = iota // wait until they are over
	interruptCurrent                      // interrupt the one that has its turn
	interruptAll                          // interrupt that one, and discard those that wait
)

type driveData struct {
	DriveID string `json:"DriveId"`
}

func (s *Server) driveByText(r *request) (any, error) {
	taskID := r.required("TaskId")
	text := r.required("Text")
	if n := utf8.RuneCountInString(text); n > 1800 {
		r.wrong("Text", "must have 1 to 1800 characters, got %d", n)
	}
	tts := r.object("TTSConfig")
	timbreID := tts.required("TimbreId")
	rate := tts.number("SpeechRate", 0, -500, 500)
	tts.number("PitchRate", 0, -500, 500)
	tts.number("Volume", 50, 1, 100)
	mode := interruptMode(r.number("InterruptMode", 0, 0, 1))
	if r.err != nil {
		return nil, r.err
	}
	return s.drive(r, taskID, mode, func(t *task) (*drive, error) {
		return &drive{text: text, duration: speechDuration(text, rate)}, s.checkTimbre(t.human.ID, timbreID)
	})
}

func (s *Server) driveByAudio(r *request) (any, error) {
	taskID := r.required("TaskId")
	if !isWebURL(r.required("AudioUrl")) {
		r.wrong("AudioUrl", "must be an http or https URL")
	}
	r.number("VoiceChannel", 0, 0, 2)
	mode := interruptMode(r.number("InterruptMode", 0, 0, 1))
	if r.err != nil {
		return nil, r.err
	}
	return s.drive(r, taskID, mode, func(*task) (*drive, error) {
		return &drive{duration: audioDuration}, nil
	})
}

func (s *Server) driveByRTCStream(r *request) (any, error) {
	taskID := r.required("TaskId")
	rtc := r.object("RTCConfig")
	rtc.roomOrStream("RoomId")
	rtc.roomOrStream("StreamId")
	if r.err != nil {
		return nil, r.err
	}
	return s.drive(r, taskID, interruptAll, func(*task) (*drive, error) {
		return &drive{}, nil
	})
}

// driveByWSStream returns an address to send speech to.
//
// Assumed: it interrupts other drives at once, not only when the caller connects.
func (s *Server) driveByWSStream(r *request) (any, error) {
	taskID := r.required("TaskId")
	if r.err != nil {
		return nil, r.err
	}
	var out struct {
		driveData
		WSSAddress string `json:"WssAddress"`
	}
	var err error
	out.driveData, err = s.drive(r, taskID, interruptAll, func(*task) (*drive, error) {
		v, address, err := s.newVoice(r.now)
		if err != nil {
			return nil, refuse(zego.CodeSystemError, "the simulator cannot take speech: %v", err)
		}
		out.WSSAddress = address
		return &drive{voice: v}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// doAction makes a gesture. It changes nothing that the API shows.
//
// Assumed: the code for an unknown gesture. A gesture does not interrupt speech, and the
// stream counts as idle meanwhile.
func (s *Server) doAction(r *request) (any, error) {
	taskID, gesture := r.required("TaskId"), r.required("Action")
	if r.err != nil {
		return nil, r.err
	}
	t, err := s.streamingTask(taskID)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, a := range t.human.Gestures {
		names = append(names, a.Name)
	}
	switch {
	case len(names) == 0:
		return nil, refuse(zego.CodeInvalidParameter, "Action %q does not exist: this digital human has none", gesture)
	case !slices.Contains(names, gesture):
		return nil, refuse(zego.CodeInvalidParameter, "Action %q does not exist: this digital human has %s", gesture, strings.Join(names, ", "))
	}
	return nil, nil
}

// interruptDriveTask interrupts the drive that has its turn and discards those that
// wait.
//
// Assumed: it also succeeds if there are none.
func (s *Server) interruptDriveTask(r *request) (any, error) {
	taskID := r.required("TaskId")
	if r.err != nil {
		return nil, r.err
	}
	t, err := s.streamingTask(taskID)
	if err != nil {
		return nil, err
	}
	t.interrupt(len(t.queue), r.now)
	return nil, nil
}

// getDriveStatus returns the status of one drive, or of all drives of a task, oldest
// first.
//
// Assumed: it goes on to answer after the stream has ended. TaskId or DriveId is
// required. The code for an unknown drive, since none is documented.
func (s *Server) getDriveStatus(r *request) (any, error) {
	taskID, driveID := r.optional("TaskId", ""), r.optional("DriveId", "")
	if taskID == "" && driveID == "" {
		r.wrong("TaskId", "or DriveId is required")
	}
	if r.err != nil {
		return nil, r.err
	}
	if taskID != "" {
		if _, err := s.task(taskID); err != nil {
			return nil, err
		}
	}

	type status struct {
		driveData
		Status driveStatus
	}
	var out struct{ DriveList []status }
	out.DriveList = []status{}
	for _, t := range s.tasks {
		for _, d := range t.drives {
			if (taskID == "" || taskID == t.id) && (driveID == "" || driveID == d.id) {
				out.DriveList = append(out.DriveList, status{driveData{d.id}, d.status})
			}
		}
	}
	if driveID != "" && len(out.DriveList) == 0 {
		return nil, refuse(zego.CodeTaskNotFound, "no task has a drive %q", driveID)
	}
	return out, nil
}

// drive gives a task something to speak. It calls prepare, which makes the drive or
// refuses it, once the task is known to stream.
func (s *Server) drive(r *request, taskID string, mode interruptMode, prepare func(*task) (*drive, error)) (driveData, error) {
	t, err := s.streamingTask(taskID)
	if err != nil {
		return driveData{}, err
	}
	d, err := prepare(t)
	if err != nil {
		return driveData{}, err
	}
	switch mode {
	case queueBehind:
	case interruptCurrent:
		t.interrupt(min(1, len(t.queue)), r.now)
	case interruptAll:
		t.interrupt(len(t.queue), r.now)
	}
	if len(t.drives) >= maxDrives {
		oldest := slices.IndexFunc(t.drives, func(d *drive) bool { return d.status > driving })
		if oldest < 0 {
			// Assumed: ZEGO documents no limit.
			return driveData{}, refuse(zego.CodeSystemBusy, "%d drives are queued", len(t.queue))
		}
		t.drives = slices.Delete(t.drives, oldest, oldest+1)
	}
	s.lastDrive++
	d.id, d.willFail = fmt.Sprintf("00000000-0000-4000-8002-%012x", s.lastDrive), r.fault.FailDrive
	t.drives = append(t.drives, d)
	if mode == interruptCurrent {
		// Assumed: those that wait are not discarded, since only DriveByWsStream,
		// DriveByRTCStream and InterruptDriveTask are said to do that.
		t.queue = slices.Insert(t.queue, 0, d)
	} else {
		t.queue = append(t.queue, d)
	}
	t.setDriveStatus(d, queued, r.now)
	t.startFirst(r.now)
	return driveData{d.id}, nil
}

// startFirst starts the first drive of the queue, unless it has started before. A
// drive that fails is removed, and the next one is started.
func (t *task) startFirst(at time.Time) {
	for len(t.queue) > 0 && t.queue[0].status == queued {
		d := t.queue[0]
		switch {
		case d.willFail:
			t.setDriveStatus(d, failed, at)
			t.dequeue(1, at)
		case d.voice != nil: // It starts when its caller does, or ends with the token.
			d.endsAt = d.voice.expiresAt
			return
		default:
			t.speak(d, at)
		}
	}
}

// speak starts a drive. It ends after its duration, if it has one.
func (t *task) speak(d *drive, at time.Time) {
	t.setDriveStatus(d, driving, at)
	d.endsAt = time.Time{}
	if d.duration > 0 {
		d.endsAt = at.Add(d.duration)
	}
}

// endFirst ends the first drive of the queue and starts the next one.
func (t *task) endFirst(at time.Time) {
	if d := t.queue[0]; d.status == queued {
		d.status, d.endedAt = interrupted, at // Assumed: for a drive whose caller did not come.
	} else {
		t.setDriveStatus(d, ended, at)
	}
	t.dequeue(1, at)
	t.startFirst(at)
}

// interrupt ends the first n drives of the queue. There is no event for that.
func (t *task) interrupt(n int, at time.Time) {
	for _, d := range t.queue[:n] {
		d.status, d.endedAt = interrupted, at
	}
	if n > 0 {
		t.dequeue(n, at)
	}
}

// dequeue removes the first n drives of the queue.
func (t *task) dequeue(n int, at time.Time) {
	t.queue = slices.Delete(t.queue, 0, n)
	t.idleSince = at
}

func (t *task) setDriveStatus(d *drive, status driveStatus, at time.Time) {
	d.status = status
	if status > driving {
		d.endedAt = at
	}
	t.addEvent(driveEvent, at, driveDetail{DriveID: d.id, Status: status})
}

// speechDuration is how long it takes to speak text. The rate is SpeechRate.
//
// Assumed: 5 Chinese, Japanese or Korean characters a second, or 15 others. Rate 500 is
// twice as fast, and -500 half as fast.
func speechDuration(text string, rate int) time.Duration {
	fifteenths := 0 // fifteenths of a second
	for _, r := range text {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
			fifteenths += 3
		} else {
			fifteenths++
		}
	}
	normal := time.Duration(fifteenths) * time.Second / 15
	return time.Duration(float64(normal) / math.Exp2(float64(rate)/500))
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
