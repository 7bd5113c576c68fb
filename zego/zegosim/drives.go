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
	// maxDrives bounds how many drives of a task are remembered, queued ones included.
	maxDrives = 300

	// Assumed: the length of any file that DriveByAudio names; it is not fetched.
	audioDuration = 5 * time.Second
)

type driveStatus int

const (
	queued driveStatus = 1 + iota
	driving
	failed
	ended
	interrupted // Assumed: GetDriveStatus tells this one too; callbacks do not.
)

// drive is something to speak. Server.mu guards it.
type drive struct {
	id     string
	status driveStatus
	lasts  time.Duration // once it has begun; 0: until something ends it
	fails  bool          // when its turn comes
	ends   time.Time     // zero: not by the clock
	voice  *voice        // of DriveByWsStream only
}

// order is what a new drive does to those before it.
type order int

const (
	afterAll     order = iota // waits until they are over
	atOnce                    // cuts the one that has its turn
	inTheirPlace              // cuts that one and discards the others
)

type driveData struct {
	DriveID string `json:"DriveId"`
}

func (s *Server) driveByText(r *request) (any, *refusal) {
	p := &r.params
	taskID := p.required("TaskId")
	text := p.required("Text")
	if n := utf8.RuneCountInString(text); n > 1800 {
		p.wrong("Text", "must have 1 to 1800 characters, got %d", n)
	}
	tts := p.object("TTSConfig")
	timbreID := tts.required("TimbreId")
	rate := tts.number("SpeechRate", 0, -500, 500)
	tts.number("PitchRate", 0, -500, 500)
	tts.number("Volume", 50, 1, 100)
	turn := order(p.number("InterruptMode", 0, 0, 1))
	if p.no != nil {
		return nil, p.no
	}
	return s.drive(r, taskID, turn, func(t *task) (*drive, *refusal) {
		return &drive{lasts: speechDuration(text, rate)}, s.timbreFor(t.human.ID, timbreID)
	})
}

func (s *Server) driveByAudio(r *request) (any, *refusal) {
	p := &r.params
	taskID := p.required("TaskId")
	if !isWebURL(p.required("AudioUrl")) {
		p.wrong("AudioUrl", "must be an http or https URL")
	}
	p.number("VoiceChannel", 0, 0, 2)
	turn := order(p.number("InterruptMode", 0, 0, 1))
	if p.no != nil {
		return nil, p.no
	}
	return s.drive(r, taskID, turn, func(*task) (*drive, *refusal) {
		return &drive{lasts: audioDuration}, nil
	})
}

func (s *Server) driveByRTCStream(r *request) (any, *refusal) {
	p := &r.params
	taskID := p.required("TaskId")
	rtc := p.object("RTCConfig")
	rtc.channel("RoomId")
	rtc.channel("StreamId")
	if p.no != nil {
		return nil, p.no
	}
	return s.drive(r, taskID, inTheirPlace, func(*task) (*drive, *refusal) {
		return &drive{}, nil
	})
}

// driveByWSStream gives an address to send speech to.
//
// Assumed: it cuts what is spoken at once, not only when the caller connects.
func (s *Server) driveByWSStream(r *request) (any, *refusal) {
	taskID := r.params.required("TaskId")
	if r.params.no != nil {
		return nil, r.params.no
	}
	var out struct {
		driveData
		WSSAddress string `json:"WssAddress"`
	}
	var no *refusal
	out.driveData, no = s.drive(r, taskID, inTheirPlace, func(*task) (*drive, *refusal) {
		host, err := s.openVoice()
		if err != nil {
			return nil, refuse(zego.CodeSystemError, "the simulator cannot take speech: %v", err)
		}
		v := newVoice(s.now())
		out.WSSAddress = "wss://" + host + "/ws?Token=" + v.token
		return &drive{voice: v}, nil
	})
	if no != nil {
		return nil, no
	}
	return out, nil
}

// doAction makes a gesture, which changes nothing that the API shows.
//
// Assumed: the code for an unknown gesture; that a gesture neither interrupts speech
// nor counts as a drive for MaxIdleTime.
func (s *Server) doAction(r *request) (any, *refusal) {
	taskID, gesture := r.params.required("TaskId"), r.params.required("Action")
	if r.params.no != nil {
		return nil, r.params.no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	t, no := s.streaming(taskID)
	if no != nil {
		return nil, no
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

// interruptDriveTask cuts what is spoken and discards what waits.
//
// Assumed: it succeeds when there is neither.
func (s *Server) interruptDriveTask(r *request) (any, *refusal) {
	taskID := r.params.required("TaskId")
	if r.params.no != nil {
		return nil, r.params.no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.settle()
	t, no := s.streaming(taskID)
	if no != nil {
		return nil, no
	}
	t.cut(len(t.queue), now)
	return nil, nil
}

// getDriveStatus tells of one drive or of all of a task, oldest first.
//
// Assumed: it goes on to answer after the stream has ended; one of both ids is
// required; the code for an unknown drive, since none is documented.
func (s *Server) getDriveStatus(r *request) (any, *refusal) {
	taskID, driveID := r.params.optional("TaskId", ""), r.params.optional("DriveId", "")
	if taskID == "" && driveID == "" {
		r.params.wrong("TaskId", "or DriveId is required")
	}
	if r.params.no != nil {
		return nil, r.params.no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if taskID != "" {
		if _, no := s.task(taskID); no != nil {
			return nil, no
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

// drive gives a task something to speak, which prepare makes or refuses once the
// task is known to stream.
func (s *Server) drive(r *request, taskID string, turn order, prepare func(*task) (*drive, *refusal)) (driveData, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.settle()
	t, no := s.streaming(taskID)
	if no != nil {
		return driveData{}, no
	}
	d, no := prepare(t)
	if no != nil {
		return driveData{}, no
	}
	switch turn {
	case afterAll:
	case atOnce:
		t.cut(min(1, len(t.queue)), now)
	case inTheirPlace:
		t.cut(len(t.queue), now)
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
	d.id, d.fails = fmt.Sprintf("00000000-0000-4000-8002-%012x", s.lastDrive), r.failDrive
	t.drives = append(t.drives, d)
	if turn == atOnce {
		// Assumed: those that wait are not discarded, since only DriveByWsStream,
		// DriveByRTCStream and InterruptDriveTask are said to do that.
		t.queue = slices.Insert(t.queue, 0, d)
	} else {
		t.queue = append(t.queue, d)
	}
	t.turnInto(d, queued, now)
	t.begin(now)
	return driveData{d.id}, nil
}

// begin lets the first of the queue have its turn.
func (t *task) begin(at time.Time) {
	for len(t.queue) > 0 && t.queue[0].status == queued {
		d := t.queue[0]
		switch {
		case d.fails:
			t.turnInto(d, failed, at)
			t.drop(1, at)
		case d.voice != nil: // which waits for its caller, but not for ever
			d.ends = d.voice.expires
			return
		default:
			t.speak(d, at)
		}
	}
}

func (t *task) speak(d *drive, at time.Time) {
	t.turnInto(d, driving, at)
	d.ends = time.Time{}
	if d.lasts > 0 {
		d.ends = at.Add(d.lasts)
	}
}

// finish ends the turn of the first of the queue.
func (t *task) finish(at time.Time) {
	if d := t.queue[0]; d.status == queued {
		d.status = interrupted // Assumed: nobody came to speak
	} else {
		t.turnInto(d, ended, at)
	}
	t.drop(1, at)
	t.begin(at)
}

// cut interrupts the first n of the queue.
func (t *task) cut(n int, at time.Time) {
	for _, d := range t.queue[:n] {
		d.status = interrupted
	}
	if n > 0 {
		t.drop(n, at)
	}
}

func (t *task) drop(n int, at time.Time) {
	t.queue = slices.Delete(t.queue, 0, n)
	t.idle = at
}

func (t *task) turnInto(d *drive, status driveStatus, at time.Time) {
	d.status = status
	t.tell(driveEvent, at, driveDetail{DriveID: d.id, Status: status})
}

// speechDuration is how long text takes to say.
//
// Assumed: 5 Chinese or 15 other characters a second; rate 500 is twice as fast,
// -500 half.
func speechDuration(text string, rate int) time.Duration {
	fifteenths := 0 // of a second
	for _, r := range text {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
			fifteenths += 3
		} else {
			fifteenths++
		}
	}
	usual := time.Duration(fifteenths) * time.Second / 15
	return time.Duration(float64(usual) / math.Exp2(float64(rate)/500))
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
